"""Spaces and architectures from files that anybody may have written."""

import contextlib
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retiarii.errors import ArchitectureError, SpaceError
from retiarii.space import Architecture, Integer, SearchSpace

ODD = st.sampled_from(["\ud800", "\0", "", 10**400, -(10**400), [], {}, None, True, 1e308, [[[1]]]])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | ODD,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["label", "values"]), inner, max_size=3)
    ),
    max_leaves=4,
)
LABELS = st.sampled_from("abc") | ODD
NUMBERS = st.integers(-3, 9) | st.floats(-3, 9) | ODD
VALUES = st.lists(st.sampled_from([1, 2, "x", None]) | JSON, max_size=4) | JSON
TESTS = st.fixed_dictionaries({"label": LABELS, "values": VALUES})
CHOICES = st.fixed_dictionaries(
    {"kind": st.sampled_from(["categorical", "subset", "integer", "float"]) | ODD, "label": LABELS},
    optional={
        "values": VALUES,
        "low": NUMBERS,
        "high": NUMBERS,
        "step": NUMBERS,
        "log": st.booleans() | ODD,
        "min_chosen": NUMBERS,
        "max_chosen": NUMBERS,
        "prior": st.lists(NUMBERS, max_size=4) | ODD,
        "condition": st.lists(st.lists(TESTS, max_size=2), max_size=2) | JSON,
        "declared_at": st.text(max_size=3) | ODD,
    },
)
SPACES = st.fixed_dictionaries({"choices": st.lists(CHOICES | JSON, max_size=4) | JSON}) | JSON


@pytest.mark.parametrize("count", [150, pytest.param(5000, marks=pytest.mark.slow)])
def test_a_space_from_a_file_works_or_is_refused(count):
    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(SPACES)
    def check(data):
        try:
            space = SearchSpace.from_json(data)
        except SpaceError:
            return
        space.describe()
        assert SearchSpace.from_json(json.loads(json.dumps(space.to_json()))) == space
        architecture = space.sample(random.Random(0))
        assert len(space.encode(architecture)) == len(space.feature_names)
        assert Architecture.from_json(architecture.canonical_json()) == architecture
        assert space.architecture(architecture.to_json()) == architecture

    check()


@given(st.dictionaries(LABELS.filter(lambda label: isinstance(label, str)), JSON) | JSON)
@settings(max_examples=100, deadline=None, database=None)
def test_an_architecture_from_a_file_works_or_is_refused(data):
    with contextlib.suppress(ArchitectureError):
        architecture = Architecture.from_json(data)
        assert Architecture.from_json(architecture.canonical_json()).key == architecture.key


@pytest.mark.parametrize(
    ("choice", "complaint"),
    [
        ({"kind": [], "label": "a"}, "has the kind"),
        ({"kind": "categorical", "label": "a", "values": [1], "declared_at": [3]}, "declared_at of choice 'a' is"),
        ({"kind": "categorical", "label": "\ud800", "values": [1]}, "not valid Unicode"),
        ({"kind": "categorical", "label": "a", "values": [10**5000]}, r"an integer of 16,610 bits"),
        ({"kind": "integer", "label": "a", "low": 0, "high": 10**5000}, r"high=\.\.\., an integer of 16,610 bits"),
    ],
)
def test_what_is_wrong_is_named(choice, complaint):
    with pytest.raises(SpaceError, match=complaint):
        SearchSpace.from_json({"choices": [choice]})


def test_integers_of_any_size_are_encoded():
    choice = Integer("a", 0, 4 * 10**400)
    assert choice.encode(10**400) == [0.25]
    assert Integer("a", -(10**400), 10**400).encode(0) == [0.5]
