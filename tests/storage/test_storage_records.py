import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii._plain_data import clean_text
from retiarii.errors import ConfigError, RecordError
from retiarii.storage import EpochRecord, ExperimentRecord, ExperimentState, Intermediate
from retiarii.testing.records import EPOCH, RECORD
from retiarii.trial import Objectives

texts = st.text(max_size=8)
counts = st.integers(0, 2**64 - 1)
moments = st.floats(-1e12, 1e12)
metrics = st.dictionaries(texts, st.floats(allow_nan=False), max_size=3)
scalars = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
objects = st.dictionaries(texts, plain, max_size=3)
directions = st.dictionaries(texts, st.sampled_from(["maximize", "minimize"]), min_size=1, max_size=3)
experiments = st.builds(
    ExperimentRecord,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
    texts,
    st.sampled_from(ExperimentState),
    directions.map(Objectives.of),
    counts,
    texts,
    objects,
    objects,
    moments,
    moments,
    st.none() | counts,
    st.none() | texts,
    st.just("1.2.3"),
    texts,
    st.booleans(),
)


def through_json(record):
    return type(record).from_json(json.loads(json.dumps(record.to_json(), allow_nan=False)))


@given(experiments)
def test_an_experiment_comes_back_through_json(record):
    cleaned = {name: clean_text(getattr(record, name)) for name in ("name", "strategy", "message")}
    host = None if record.host is None else clean_text(record.host)
    assert through_json(record) == replace(record, **cleaned, host=host)


@given(st.builds(Intermediate, counts, counts, metrics, moments))
def test_an_intermediate_result_comes_back_through_json(report):
    assert through_json(report) == report


@given(st.builds(EpochRecord, counts, objects, metrics, moments))
def test_an_epoch_comes_back_through_json(epoch):
    assert through_json(epoch) == epoch


def test_numbers_that_are_not_finite_come_back():
    odd = {"a": math.nan, "b": math.inf, "c": -math.inf}
    assert repr(through_json(Intermediate(0, 0, odd, 1.0)).metrics) == repr(odd)


@pytest.mark.parametrize("record", [RECORD, EPOCH], ids=lambda record: type(record).__name__)
def test_a_record_and_its_data_share_nothing(record):
    name = "config" if record is RECORD else "record"
    data = record.to_json()
    again = type(record).from_json(data)
    data[name].clear()
    assert again == record
    getattr(again, name).clear()
    assert getattr(record, name)


@pytest.mark.parametrize("name", ["config", "space"])
def test_only_plain_data_become_json(name):
    with pytest.raises(ConfigError, match=f"{name} of an experiment"):
        replace(RECORD, **{name: {"when": object()}}).to_json()


def test_an_id_that_names_no_folder_does_not_become_json():
    with pytest.raises(ConfigError, match="id of an experiment"):
        replace(RECORD, id="../up").to_json()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": "../up"}, "field 'id' .* found '../up', expected 1 to 64 letters"),
        ({"id": None}, "field 'id'"),
        ({"objectives": [["accuracy"]]}, "field 'objectives'"),
        ({"objectives": []}, "field 'objectives'"),
        ({"state": "dead"}, "found 'dead', expected one of"),
        ({"seed": "1"}, "found '1', expected a whole number"),
        ({"config": []}, r"found \[\], expected a JSON object"),
        ({"config": {"a": math.nan}}, "field 'config'"),
        ({"space": {"a": {1, 2}}}, "field 'space'"),
        ({"created": "yesterday"}, "field 'created'"),
        ({"stop_requested": 1}, "found 1, expected true or false"),
        ({"owner": "me"}, r"unknown fields \['owner'\]"),
    ],
)
def test_data_of_an_experiment_that_make_no_sense_are_refused(change, complaint):
    with pytest.raises(RecordError, match=complaint):
        ExperimentRecord.from_json({**RECORD.to_json(), **change})


@pytest.mark.parametrize("kind", [ExperimentRecord, Intermediate, EpochRecord])
@pytest.mark.parametrize("data", [None, [], "text", {}])
def test_other_data_are_refused(kind, data):
    with pytest.raises(RecordError, match=r"expected a JSON object|lacks the fields"):
        kind.from_json(data)


def test_a_change_of_a_record_keeps_the_rest_and_renews_the_time():
    changed = RECORD.changed(name="other")
    assert replace(changed, updated=RECORD.updated) == replace(RECORD, name="other")
    assert changed.updated > RECORD.updated
    assert RECORD.changed(updated=9.0).updated == 9.0
    for field in fields(RECORD):
        if field.name != "id":
            RECORD.changed(**{field.name: getattr(RECORD, field.name)})


@pytest.mark.parametrize(
    "change", [{"id": "other"}, {"stat": "done"}, {"objectives": Objectives.of({"a": "maximize"})}]
)
def test_what_cannot_change(change):
    with pytest.raises(ConfigError, match="change"):
        RECORD.changed(**change)
