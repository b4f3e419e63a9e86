import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from space_spaces import examples

from retiarii.errors import ArchitectureError, DomainError
from retiarii.space import Categorical, rng_for

OPS = ("conv3x3", "conv5x5", "skip")


@pytest.mark.parametrize("raw", ["conv5x5", 1, ["conv5x5"], [1], [False, True, False]])
def test_every_spelling_of_a_named_candidate(raw):
    assert Categorical("op", OPS, by_index=True).parse(raw) == "conv5x5"


def test_a_name_wins_over_a_position():
    layers = Categorical("layer", ("1", "0"), by_index=True)
    assert layers.parse("0") == "0"
    assert layers.parse(0) == "1"
    unnamed = Categorical("layer", (0, 1, 2), by_index=True)
    assert unnamed.parse(2) == 2
    shifted = Categorical("layer", (3, 0), by_index=True)
    assert shifted.parse(0) == 0
    assert shifted.parse(1) == 0


def test_one_candidate_may_be_marked_multi_hot():
    assert Categorical("op", ("only",), by_index=True).parse([True]) == "only"


@pytest.mark.parametrize(
    "raw", ["conv7x7", 3, -1, True, [], ["skip", "skip"], [True, True, False], [False] * 3, [True], None, 1.5, {"a": 1}]
)
def test_what_names_no_candidate_is_refused(raw):
    with pytest.raises(ArchitectureError):
        Categorical("op", OPS, by_index=True).parse(raw)


@pytest.mark.parametrize("raw", [0, [0], ["conv3x3"], [True, False, False]])
def test_values_are_not_named_by_position(raw):
    with pytest.raises(ArchitectureError):
        Categorical("op", OPS).parse(raw)


@pytest.mark.parametrize(
    ("values", "raw", "expected"),
    [
        ((1, 1.0, True), 1, 1),
        ((1, 1.0, True), 1.0, 1.0),
        ((1, 1.0, True), True, True),
        ((0.5, 1.0), 1, 1.0),
        ((1, 2), 2.0, 2),
        (((1, 3), (3, 3)), [3, 3], (3, 3)),
        (((1.0, 3.0), None), (1, 3), (1.0, 3.0)),
        ((None, "a"), None, None),
    ],
)
def test_values_are_matched_with_their_type_first(values, raw, expected):
    found = Categorical("v", values).parse(raw)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(("values", "raw"), [((1, 2), True), ((True, False), 1), (("1",), 1), ((1,), "1")])
def test_other_types_do_not_match(values, raw):
    with pytest.raises(ArchitectureError):
        Categorical("v", values).parse(raw)


def test_the_error_tells_label_value_candidates_place_and_the_nearest():
    choice = Categorical("stage2/op", OPS, declared_at="model.stages.2.op")
    with pytest.raises(ArchitectureError) as caught:
        choice.parse("conv5x6")
    assert str(caught.value) == (
        "Choice 'stage2/op' has value 'conv5x6', expected one of ['conv3x3', 'conv5x5', 'skip'] "
        "(declared at model.stages.2.op). Did you mean 'conv5x5'?"
    )
    assert (caught.value.label, caught.value.got) == ("stage2/op", "conv5x6")


def test_the_nearest_number_is_suggested():
    with pytest.raises(ArchitectureError, match="Did you mean 64"):
        Categorical("width", (16, 64, 256)).parse(80)


def test_long_lists_of_candidates_are_shortened():
    with pytest.raises(ArchitectureError, match=r"\[0, 1, .*9, \.\.\., 499\]"):
        Categorical("width", tuple(range(500))).parse("x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "no candidates"),
        (["a", "b", "a"], "'a' twice, at positions 0 and 2"),
        ([0.0, -0.0], "twice"),
        ([(1, 2), [1, 2]], "twice"),
        ([1, math.nan], "Candidate 1 .* nan"),
        ([math.inf], "Candidate 0 .* inf"),
        ([1, object()], "Candidate 1 .* plain value"),
        ([{"a": 1}], "dict"),
        (["\ud800"], "Unicode"),
        ("abc", "expected a list"),
        (3, "expected a list"),
    ],
)
def test_impossible_candidates_are_refused(values, message):
    with pytest.raises(DomainError, match=message) as caught:
        Categorical("op", values, declared_at="model.op")
    assert "model.op" in str(caught.value)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ((0.5, 0.5), "2 probabilities for 3"),
        ((0.5, 0.6, 0.1), "sums to 1.2"),
        ((0, 0, 0), "sums to 0"),
        ((1.5, -0.5, 0), "1.5"),
        ((0.5, 0.5, math.nan), "nan"),
        ((0.5, 0.5, "0"), "'0'"),
        (0.5, "1 probabilities"),
    ],
)
def test_impossible_priors_are_refused(prior, message):
    with pytest.raises(DomainError, match=message):
        Categorical("op", OPS, prior=prior)


@pytest.mark.parametrize("label", ["", None, 3])
def test_a_label_is_a_string(label):
    with pytest.raises(DomainError, match="label"):
        Categorical(label, OPS)


def test_candidates_become_plain():
    choice = Categorical("v", [[1, [2]], -0.0])
    assert choice.values == ((1, (2,)), 0.0)
    assert math.copysign(1, choice.values[1]) == 1


@examples(100)
@given(st.floats(0, 1, exclude_max=True))
def test_shares_of_the_unit_interval(unit):
    choice = Categorical("op", ("a", "b", "c", "d"), prior=(0.25, 0.0, 0.75, 0.0))
    assert choice.from_unit(unit) == ("a" if unit < 0.25 else "c")
    assert Categorical("op", OPS).from_unit(unit) == OPS[int(unit * 3)]


def test_others_leave_out_one_value():
    choice = Categorical("v", (1, 1.0, True))
    assert [repr(value) for value in choice.others(1.0)] == ["1", "True"]
    rng = rng_for(0)
    assert {repr(choice.sample_other(1.0, rng)) for _ in range(50)} == {"1", "True"}


def test_domains_are_compared_with_types():
    assert Categorical("v", (1, 2)) == Categorical("v", [1, 2], declared_at="elsewhere")
    assert Categorical("v", (1, 2)) != Categorical("v", (1.0, 2))
    assert Categorical("v", (1, 2)) != Categorical("v", (True, 2))
    assert Categorical("v", (1, 2)) != Categorical("v", (1, 2), by_index=True)
    assert len({Categorical("v", (1, 2)), Categorical("v", (1, 2)), Categorical("w", (1, 2))}) == 2


def test_indices_of_lists_may_be_strings_as_nni_wrote_them():
    listed = Categorical("op", (0, 1, 2), by_index=True)
    assert listed.parse("1") == 1
    named = Categorical("op", ("a", "b"), by_index=True)
    with pytest.raises(ArchitectureError):
        named.parse("1")
    values = Categorical("width", (1, 2))
    with pytest.raises(ArchitectureError):
        values.parse("1")
