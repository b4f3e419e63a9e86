import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii.strategy._permutation import Permutation


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_every_size_is_a_bijection(seed):
    for size in [*range(1, 70), 255, 256, 257, 999, 1000]:
        order = Permutation(size, seed)
        assert sorted(order[index] for index in range(size)) == list(range(size))


@given(size=st.integers(1, 10**60), seed=st.integers(0, 2**64 - 1), data=st.data())
def test_huge_sizes_are_injective_and_stay_inside(size, seed, data):
    order = Permutation(size, seed)
    indices = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=20))
    images = {order[index] for index in indices}
    assert len(images) == len(indices)
    assert all(0 <= image < size for image in images)


def test_seeds_give_different_orders():
    orders = {tuple(Permutation(50, seed)[index] for index in range(50)) for seed in range(100)}
    assert len(orders) == 100


def test_it_looks_random():
    """Each element at each place, and the whole order of four elements, are uniform over the seeds.

    Chi-squared with 9 and 23 degrees of freedom; chance exceeds each bound with 1e-4. The seeds are fixed.
    """
    orders = [Permutation(10, seed) for seed in range(2_000)]
    for place in (0, 5, 9):
        assert _chi_squared(Counter(order[place] for order in orders), 10) < 33.7
    small = Counter(tuple(Permutation(4, seed)[index] for index in range(4)) for seed in range(4_800))
    assert _chi_squared(small, 24) < 58.6


def test_neighbours_are_spread():
    """Steps between consecutive images have the mean of independent uniform draws: a third of the size."""
    size = 10**30
    order = Permutation(size, 5)
    steps = [abs(order[index] - order[index + 1]) for index in range(2_000)]
    assert math.isclose(sum(steps) / len(steps) / size, 1 / 3, abs_tol=0.02)  # 3.8 standard errors


@pytest.mark.parametrize("index", [-1, 7])
def test_places_outside_are_refused(index):
    with pytest.raises(IndexError, match=r"range\(7\)"):
        Permutation(7, 0)[index]


def _chi_squared(counts, num_cells):
    expected = sum(counts.values()) / num_cells
    return sum((count - expected) ** 2 / expected for count in counts.values()) + (num_cells - len(counts)) * expected
