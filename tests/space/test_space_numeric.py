import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from space_spaces import examples

from retiarii.errors import ArchitectureError, DomainError, SpaceError
from retiarii.space import Float, Integer, rng_for

units = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(("raw", "expected"), [(4, 4), (10, 10), (6.0, 6)])
def test_integers_of_the_range_are_read(raw, expected):
    value = Integer("n", 4, 11, 2).parse(raw)
    assert (value, type(value)) == (expected, int)


@pytest.mark.parametrize("raw", [5, 3, 11, 12, 4.5, "4", True, None, [4], 10**400])
def test_other_integers_are_refused(raw):
    with pytest.raises(ArchitectureError, match="an integer from 4 to 11 in steps of 2"):
        Integer("n", 4, 11, 2).parse(raw)


@pytest.mark.parametrize(("raw", "nearest"), [(-5, 4), (7, 8), (99, 10)])
def test_the_nearest_integer_is_suggested(raw, nearest):
    with pytest.raises(ArchitectureError, match=f"Did you mean {nearest}"):
        Integer("n", 4, 11, 2).parse(raw)


@examples(100)
@given(st.integers(-10, 10), st.integers(0, 20), st.integers(1, 5), units)
def test_numbers_of_an_integer(low, width, step, unit):
    choice = Integer("n", low, low + width, step)
    values = list(range(low, low + width + 1, step))
    assert [choice.value_at(index) for index in range(choice.cardinality)] == values
    assert [choice.index_of(value) for value in values] == list(range(len(values)))
    assert choice.from_unit(unit) == values[int(unit * len(values))]


@examples(100)
@given(st.integers(1, 2**53), st.integers(0, 2**52), units)
def test_log_integers_stay_in_their_range(low, width, unit):
    high = min(low + width, 2**53)
    assert low <= Integer("n", low, high, log=True).from_unit(unit) <= high


def test_log_integers_favour_small_ones():
    choice = Integer("n", 1, 1000, log=True)
    rng = rng_for(0)
    samples = [choice.sample(rng) for _ in range(1000)]
    assert 300 < sum(sample <= 10 for sample in samples) < 550


def test_a_huge_integer_range_is_sampled_to_its_last_digit():
    choice = Integer("n", 0, 10**40)
    rng = rng_for(0)
    assert len({choice.sample(rng) % 10 for _ in range(200)}) == 10


@pytest.mark.parametrize(
    "arguments",
    [
        {"low": 2, "high": 1},
        {"low": 0, "high": 5, "log": True},
        {"low": 1, "high": 5, "step": 0},
        {"low": 1, "high": 5, "step": 2, "log": True},
        {"low": 1.0, "high": 5},
        {"low": True, "high": 5},
        {"low": 1, "high": "5"},
        {"low": 1, "high": 2**60, "log": True},
    ],
)
def test_impossible_integers_are_refused(arguments):
    with pytest.raises(DomainError, match=r"'n' .*model\.n"):
        Integer("n", **arguments, declared_at="model.n")


@pytest.mark.parametrize("raw", [0, 0.25, 1, 1.0])
def test_numbers_of_the_range_become_floats(raw):
    value = Float("lr", 0, 1).parse(raw)
    assert (value, type(value)) == (raw, float)


@pytest.mark.parametrize("raw", [-0.1, 1.1, math.nan, math.inf, "0.5", True, None, [0.5], 10**400])
def test_other_numbers_are_refused(raw):
    with pytest.raises(ArchitectureError, match="'lr'"):
        Float("lr", 0, 1).parse(raw)


@examples(100)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False), units)
def test_floats_stay_in_their_range(one, other, unit):
    low, high = sorted((one, other))
    choice = Float("x", low, high)
    value = choice.from_unit(unit)
    assert low <= value <= high
    assert 0 <= choice.encode(value)[0] <= 1
    assert choice.parse(value) == value


@examples(100)
@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300), units)
def test_log_floats_stay_in_their_range(one, other, unit):
    low, high = sorted((one, other))
    value = Float("x", low, high, log=True).from_unit(unit)
    assert low <= value <= high


@pytest.mark.parametrize(
    "arguments",
    [
        {"low": 1, "high": 0},
        {"low": 0, "high": 1, "log": True},
        {"low": math.nan, "high": 1},
        {"low": 0, "high": math.inf},
        {"low": 0, "high": 10**400},
        {"low": "0", "high": 1},
        {"low": False, "high": 1},
    ],
)
def test_impossible_floats_are_refused(arguments):
    with pytest.raises(DomainError, match="'lr'"):
        Float("lr", **arguments)


def test_a_continuous_choice_cannot_be_listed():
    choice = Float("lr", 0, 1)
    assert choice.cardinality == math.inf
    for listing in (lambda: choice.value_at(0), lambda: choice.index_of(0.5), lambda: choice.others(0.5)):
        with pytest.raises(SpaceError, match="continuous"):
            listing()


def test_positions_in_the_range_are_encoded():
    assert Float("x", -1.6e308, 1.6e308).encode(8e307) == [0.75]
    assert Float("x", -2, 2).encode(1.0) == [0.75]
    assert Float("x", 1e-4, 1, log=True).encode(0.01) == pytest.approx([0.5])
    assert Integer("n", 1, 9).encode(7) == [0.75]
    assert Integer("n", 5, 5).encode(5) == [0.0]


def test_ranges_for_people():
    assert Integer("n", 1, 8).domain() == "1..8"
    assert Integer("n", 1, 8, 2).domain() == "1..8 (step 2)"
    assert Float("lr", 0.001, 0.1, log=True).domain() == "[0.001, 0.1] (log)"
