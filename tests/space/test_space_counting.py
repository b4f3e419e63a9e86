import itertools
import math
import random

import pytest
from hypothesis import given
from space_spaces import brute_force, examples, spaces

from retiarii.errors import SpaceError
from retiarii.space import ALWAYS, Categorical, Float, Integer, SearchSpace, Subset, both, either, when


@examples(150)
@given(spaces())
def test_size_and_grid_agree_with_counting_by_hand(space):
    expected = brute_force(space)
    found = [frozenset(architecture.items()) for architecture in space.grid()]
    assert space.size == len(expected)
    assert len(found) == len(expected)
    assert set(found) == expected


@examples(40)
@given(spaces(max_labels=4))
def test_at_is_the_grid(space):
    assert [space.at(index) for index in range(space.size)] == list(space.grid())


def test_independent_choices_are_numbered_like_nested_loops():
    space = SearchSpace([Categorical("a", ("x", "y")), Integer("b", 1, 3)])
    assert [tuple(architecture.values()) for architecture in space.grid()] == list(
        itertools.product(("x", "y"), (1, 2, 3))
    )


def test_a_darts_space_has_its_exact_size():
    # Liu et al. (2019): two cells, four nodes with two of 2, 3, 4, 5 inputs and an operation on each.
    choices = []
    for cell, node in itertools.product(("normal", "reduce"), range(4)):
        inputs = tuple(range(node + 2))
        choices.append(Subset(f"{cell}/{node}/inputs", inputs, 2, 2))
        choices += [Categorical(f"{cell}/{node}/op{edge}", tuple(range(7))) for edge in range(2)]
    assert SearchSpace(choices).size == (7**8 * 1 * 3 * 6 * 10) ** 2


@pytest.mark.parametrize("depth", [50, 500])
def test_deep_nesting_is_counted_and_numbered(depth):
    condition, choices = ALWAYS, []
    for level in range(depth):
        choices.append(Categorical(f"op{level}", ("stop", "go"), condition=condition))
        choices.append(Categorical(f"width{level}", (1, 2, 3), condition=condition))
        condition = when(f"op{level}", "go")
    space = SearchSpace(choices)
    expected = 1
    for _ in range(depth):
        expected = 3 * (1 + expected) if expected > 1 else 6
    assert space.size == expected
    assert len(space.at(expected - 1)) == 2 * depth
    assert len(space.at(0)) == 2


def test_conditions_that_repeat_the_whole_path_count_the_same():
    condition, choices = ALWAYS, []
    for level in range(50):
        choices.append(Categorical(f"op{level}", ("stop", "go"), condition=condition))
        condition = both(condition, when(f"op{level}", "go"))
    assert SearchSpace(choices).size == 51


def test_repeated_blocks_depend_on_one_depth():
    blocks = [Categorical(f"block{i}", ("a", "b", "c"), condition=when("depth", *range(i, 101))) for i in range(1, 101)]
    space = SearchSpace([Integer("depth", 1, 100), *blocks])
    assert space.size == sum(3**depth for depth in range(1, 101))
    assert len(space.at(space.size - 1)) == 101


def test_candidates_of_a_large_subset_open_their_own_choices():
    inner = [Categorical(f"op{i}", ("a", "b"), condition=when("inputs", i)) for i in range(40)]
    space = SearchSpace([Subset("inputs", tuple(range(40)), 0, 3), *inner])
    assert space.size == sum(math.comb(40, size) * 2**size for size in range(4))


def test_one_label_in_two_branches_is_counted_once():
    shared = either(when("op", "conv"), when("op", "pool"))
    space = SearchSpace([Categorical("op", ("conv", "pool", "skip")), Categorical("k", (3, 5), condition=shared)])
    assert space.size == 2 * 2 + 1


def test_only_reachable_continuous_choices_make_a_space_infinite():
    always = SearchSpace([Categorical("a", (1, 2)), Float("lr", 0, 1, condition=when("a", 2))])
    never = SearchSpace([Categorical("a", (1, 2)), Float("lr", 0, 1, condition=frozenset())])
    assert always.size == math.inf
    assert never.size == 2
    assert SearchSpace([Float("lr", 0.5, 0.5)]).size == 1


def test_a_continuous_space_has_no_numbers():
    space = SearchSpace([Float("lr", 0, 1)])
    with pytest.raises(SpaceError, match=r"'lr'.*strategy that samples"):
        space.at(0)
    with pytest.raises(SpaceError, match=r"'lr'.*strategy that samples"):
        space.grid()


@pytest.mark.parametrize("index", [-1, 6])
def test_a_number_outside_the_space_is_refused(index):
    space = SearchSpace([Categorical("a", (1, 2)), Integer("b", 1, 3)])
    with pytest.raises(SpaceError, match=f"no architecture number {index}: .* 6 architectures, from 0"):
        space.at(index)


def test_the_grid_of_a_huge_space_is_lazy():
    space = SearchSpace([Categorical(f"l{i}", tuple(range(10))) for i in range(30)])
    assert space.size == 10**30
    first = list(itertools.islice(space.grid(), 11))
    assert first[10] == space.at(10)
    assert space.at(10**30 - 1)["l0"] == 9


def test_a_space_with_more_digits_than_python_prints_can_be_used():
    space = SearchSpace([Integer(f"l{i}", 1, 10**9) for i in range(600)])
    assert space.size == 10**5400
    assert repr(space) == "SearchSpace(600 labels, 1.0e5400 architectures)"
    with pytest.raises(SpaceError, match=r"1\.0e5400 architectures"):
        space.at(-1)


def test_the_empty_space_holds_one_empty_architecture():
    space = SearchSpace([])
    assert space.size == 1
    assert [dict(architecture) for architecture in space.grid()] == [{}]


@pytest.mark.parametrize("size", [2500, 100_000])
def test_counting_and_sampling_large_subsets_is_bounded_work(size):
    subset = Subset("s", tuple(range(size)), min(1000, size), 1400)
    space = SearchSpace([subset, Categorical("d", (0, 1), condition=when("s", size - 1))])
    assert not space.is_counted
    assert space.estimated_size > 1e300
    value = space.sample(random.Random(0))["s"]
    assert subset.value_at(subset.index_of(value)) == value


@pytest.mark.parametrize("sizes", [(0, 6), (2, 4), (6, 6), (0, 0)])
def test_subsets_are_numbered_by_size_then_in_the_order_of_the_candidates(sizes):
    subset = Subset("s", tuple("abcdef"), *sizes)
    expected = [item for size in range(sizes[0], sizes[1] + 1) for item in itertools.combinations("abcdef", size)]
    assert [subset.value_at(index) for index in range(subset.cardinality)] == expected
    assert [subset.index_of(value) for value in expected] == list(range(len(expected)))


def test_conditions_of_many_tests_and_values_are_counted_with_bounded_work():
    rng = random.Random(0)
    choices = [Subset("s", tuple(range(300)), 0, 300)]
    choices += [Categorical(f"d{i}", (0, 1), condition=when("s", *rng.sample(range(300), 150))) for i in range(90)]
    assert not SearchSpace(choices).is_counted
