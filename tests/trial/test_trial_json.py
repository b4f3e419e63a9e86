import json
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii._plain_data import clean_text
from retiarii.errors import RecordError
from retiarii.space import Architecture
from retiarii.testing.records import zoo
from retiarii.trial import Failure, FailureKind, Fidelity, Trial, TrialState

texts = st.text(max_size=8)
counts = st.integers(0, 10**9)
moments = st.floats(-1e12, 1e12)
metrics = st.dictionaries(texts, st.floats(), max_size=3).map(lambda named: dict(sorted(named.items())))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
fidelities = st.dictionaries(st.text(min_size=1, max_size=4), st.floats(0.1, 1e9) | st.integers(1, 100), max_size=2)
failures = st.builds(Failure, st.sampled_from(FailureKind), texts, st.none() | texts)
trials = st.builds(
    Trial,
    counts,
    st.dictionaries(texts, values, max_size=3).map(Architecture),
    st.sampled_from(TrialState),
    st.none() | metrics,
    st.lists(metrics, max_size=2).map(tuple),
    counts,
    st.none() | counts,
    st.none() | moments,
    st.none() | moments,
    st.none() | texts,
    st.none() | failures,
    texts,
    fidelities.map(Fidelity),
    st.none() | counts,
    texts,
    st.floats(0),
    texts,
)


def cleaned(trial):
    failure = trial.failure
    if failure is not None:
        traceback = None if failure.traceback is None else clean_text(failure.traceback)
        failure = Failure(failure.kind, clean_text(failure.message), traceback)
    return trial.evolve(
        failure=failure,
        device=None if trial.device is None else clean_text(trial.device),
        output=clean_text(trial.output),
        reason=clean_text(trial.reason),
    )


@given(trials)
def test_a_trial_comes_back_through_json(trial):
    text = json.dumps(trial.to_json(), allow_nan=False)
    again = Trial.from_json(json.loads(text))
    expected = cleaned(trial)
    assert repr((again.metrics, again.intermediates)) == repr((expected.metrics, expected.intermediates))  # NaN too
    assert again.evolve(metrics=None, intermediates=()) == expected.evolve(metrics=None, intermediates=())
    assert json.dumps(again.to_json()) == text
    assert again.output.encode().decode() == again.output  # UTF-8 takes every text


@pytest.mark.parametrize("number", range(len(zoo())))
def test_the_zoo_comes_back_through_json(number):
    trial = zoo()[number]
    assert Trial.from_json(json.loads(json.dumps(trial.to_json(), allow_nan=False))) == trial


def test_what_is_left_out_has_its_default():
    assert Trial.from_json({"number": 3, "architecture": {"op": "conv"}}) == Trial(3, Architecture({"op": "conv"}))


class Evil:
    def __reduce__(self):
        return pytest.fail, ("data were unpickled",)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"number": -1}, r"field 'number' in the data of a trial cannot be read: found -1, expected a whole number"),
        ({"number": True}, "found True, expected a whole number"),
        ({"number": 1.5}, "found 1.5, expected a whole number"),
        ({"architecture": [1]}, "field 'architecture'"),
        ({"architecture": {"op": {"nested": 1}}}, "field 'architecture'"),
        ({"architecture": "{"}, "field 'architecture'"),
        ({"state": "dead"}, r"found 'dead', expected one of \['running', 'completed'"),
        ({"state": []}, r"found \[\], expected one of"),
        ({"metrics": {"loss": "high"}}, "'loss': found 'high', expected a number, or one of"),
        ({"metrics": {"loss": 10**400}}, "field 'metrics'"),
        ({"metrics": {1: 1.0}}, "expected a JSON object of numbers"),
        ({"metrics": [0.5]}, "expected a JSON object of numbers"),
        ({"intermediates": "text"}, "expected a JSON array"),
        ({"intermediates": [{"a": 1}, {"a": None}]}, "'1': 'a': found None"),
        ({"started": "Infinity"}, "expected a finite number of seconds"),
        ({"started": math.nan}, "expected a finite number of seconds"),
        ({"failure": {"kind": "magic", "message": ""}}, "'failure'.*'kind'.*found 'magic'"),
        ({"failure": {"kind": "raised"}}, r"lacks the fields \['message'\]"),
        ({"failure": "raised"}, "expected a JSON object"),
        ({"fidelity": {"epochs": -1}}, "'epochs' is -1, expected a finite number above 0"),
        ({"fidelity": ["epochs"]}, "field 'fidelity'"),
        ({"violation": -0.5}, "found -0.5, expected a number, 0 or more"),
        ({"violation": "NaN"}, "found 'NaN', expected a number, 0 or more"),
        ({"output": pickle.dumps(Evil())}, "expected a text"),
        ({"reason": None}, "found None, expected a text"),
        ({"colour": "red"}, r"unknown fields \['colour'\].*newer version"),
    ],
)
def test_data_that_make_no_sense_are_refused(change, complaint):
    with pytest.raises(RecordError, match=complaint):
        Trial.from_json({**Trial(0, Architecture({})).to_json(), **change})


@pytest.mark.parametrize("data", [None, [], "text", b"\x80", 3])
def test_a_trial_is_a_json_object(data):
    with pytest.raises(RecordError, match="expected a JSON object"):
        Trial.from_json(data)


def test_a_trial_needs_a_number_and_an_architecture():
    with pytest.raises(RecordError, match=r"lacks the fields \['number', 'architecture'\]"):
        Trial.from_json({})


def test_data_nested_without_end_are_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for field in Trial(0, Architecture({})).to_json():
        with pytest.raises(RecordError, match=field):
            Trial.from_json({"number": 0, "architecture": {}, field: deep})
    with pytest.raises(RecordError, match="architecture"):
        Trial.from_json({"number": 0, "architecture": {"op": deep}})


@given(st.recursive(scalars | st.floats(), lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=6))
def test_any_other_data_are_refused_or_make_a_trial(data):
    for field in Trial(0, Architecture({})).to_json():
        try:
            again = Trial.from_json({"number": 0, "architecture": {}, field: data})
        except RecordError:
            continue
        json.dumps(again.to_json(), allow_nan=False)
