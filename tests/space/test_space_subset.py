import pytest
from hypothesis import given
from hypothesis import strategies as st
from space_spaces import domain, examples

from retiarii.errors import ArchitectureError, DomainError
from retiarii.space import Subset, rng_for

INPUTS = ("stem", "cell1", "cell2", "cell3")


@pytest.mark.parametrize(
    "raw", [["cell3", "cell1"], ("cell1", "cell3"), [1, 3], [3, 1], [False, True, False, True], [True, False] * 2]
)
def test_every_spelling_of_a_subset(raw):
    expected = ("stem", "cell2") if raw == [True, False] * 2 else ("cell1", "cell3")
    assert Subset("in", INPUTS, 2, 2).parse(raw) == expected


def test_one_candidate_needs_no_list():
    choice = Subset("in", INPUTS, 0, 2)
    assert choice.parse("cell1") == choice.parse(1) == choice.parse(["cell1"]) == ("cell1",)
    assert choice.parse([]) == choice.parse([False] * 4) == ()


def test_candidates_win_over_positions():
    choice = Subset("in", (2, 1, 0), 1, 2)
    assert choice.parse([2, 0]) == (2, 0)
    floats = Subset("in", (1.0, 2.0, 3.0), 1, 2)
    assert floats.parse([1, 2]) == (1.0, 2.0)
    assert floats.parse([0, 1]) == (1.0, 2.0)


def test_tuples_can_be_candidates():
    choice = Subset("in", ((0, 1), (1, 2)), 1, 2)
    assert choice.parse([0, 1]) == ((0, 1),)
    assert choice.parse([[1, 2], [0, 1]]) == ((0, 1), (1, 2))


@pytest.mark.parametrize(
    "raw",
    [[], ["stem"] * 2, [0, "cell1"], [4], [True], [True] * 4, ["stem", "cell1", "cell2"], None, {"stem": 1}, "cell9"],
)
def test_what_is_no_such_subset_is_refused(raw):
    with pytest.raises(ArchitectureError, match=r"'in' .*model\.x"):
        Subset("in", INPUTS, 1, 2, declared_at="model.x").parse(raw)


def test_the_nearest_candidate_is_suggested():
    with pytest.raises(ArchitectureError, match=r"a list of 1 to 2 of .*Did you mean 'cell3'"):
        Subset("in", ("stem", "middle", "cell3"), 1, 2).parse(["stem", "cel3"])


@pytest.mark.parametrize("sizes", [(-1, 1), (2, 1), (0, 5), (1.0, 2), (True, 2), (None, 2)])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(DomainError, match=r"expected|Expected"):
        Subset("in", INPUTS, *sizes)


@examples(100)
@given(st.integers(1, 6), st.data())
def test_numbers_and_subsets_correspond(count, data):
    smallest = data.draw(st.integers(0, count))
    choice = Subset("in", tuple("abcdef"[:count]), smallest, data.draw(st.integers(smallest, count)))
    subsets = [choice.value_at(index) for index in range(choice.cardinality)]
    assert subsets == domain(choice)
    assert [choice.index_of(subset) for subset in subsets] == list(range(choice.cardinality))
    with pytest.raises(IndexError):
        choice.value_at(choice.cardinality)


def test_shares_of_the_unit_interval():
    choice = Subset("in", ("a", "b"), 0, 2)
    assert [choice.from_unit(unit) for unit in (0, 0.24, 0.26, 0.5, 0.99, 1)] == [
        (),
        (),
        ("a",),
        ("b",),
        ("a", "b"),
        ("a", "b"),
    ]


def test_huge_subsets_are_sampled_in_every_candidate():
    choice = Subset("in", tuple(range(200)), 0, 200)
    rng = rng_for(0)
    samples = [choice.sample(rng) for _ in range(200)]
    assert len(set(samples)) == 200
    assert set().union(*samples) == set(range(200))


def test_domains_for_people():
    assert Subset("in", ("a", "b"), 0, 2).domain() == "0 to 2 of {'a', 'b'}"
    assert Subset("in", ("a", "b"), 1, 1).domain() == "1 of {'a', 'b'}"


def test_the_default_chooses_as_few_as_possible_but_something():
    assert Subset("in", INPUTS, 0, 2).default() == ("stem",)
    assert Subset("in", INPUTS, 2, 3).default() == ("stem", "cell1")
    assert Subset("in", INPUTS, 0, 0).default() == ()
