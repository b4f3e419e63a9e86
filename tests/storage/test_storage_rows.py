import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retiarii._plain_data import clean_text
from retiarii.errors import CorruptStoreError
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord, ExperimentState, Intermediate, open_store
from retiarii.storage._rows.checksum import experiment_checksum
from retiarii.storage._rows.record_rows import (
    experiment_from_row,
    experiment_row,
    intermediate_from_row,
    intermediate_row,
)
from retiarii.storage._rows.row_encoding import decode_metrics, encode_metrics
from retiarii.storage._rows.trial_rows import trial_from_row, trial_row
from retiarii.testing.records import RECORD, zoo
from retiarii.trial import Direction, Failure, FailureKind, Fidelity, Objective, Objectives, Trial, TrialState

CLEAN = st.characters(codec="utf-8", exclude_characters="\0")  # what comes back just as it was
TEXTS = st.text(st.characters(codec="utf-8"))
LINES = st.text(CLEAN)
METRICS = st.dictionaries(TEXTS, st.floats(allow_nan=False), min_size=1)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4), max_leaves=8)
COUNTS = st.integers(0, 2**31 - 1)
TIMES = st.none() | st.floats(-1e11, 1e11)
AMOUNTS = st.integers(1, 2**60) | st.floats(1e-300, 1e300)
FAILURES = st.builds(Failure, st.sampled_from(FailureKind), LINES, st.none() | LINES)
TRIALS = st.builds(
    Trial,
    number=COUNTS,
    architecture=st.builds(Architecture, st.dictionaries(TEXTS, VALUES, max_size=4)),
    state=st.sampled_from([state for state in TrialState if state is not TrialState.INTERRUPTED]),
    metrics=st.none() | METRICS,
    intermediates=st.lists(METRICS, max_size=3).map(tuple),
    told_before=COUNTS,
    finish_order=st.none() | COUNTS,
    started=TIMES,
    ended=TIMES,
    device=st.none() | LINES,
    failure=st.none() | FAILURES,
    output=LINES,
    fidelity=st.builds(Fidelity, st.dictionaries(st.text(min_size=1), AMOUNTS, max_size=3)),
    parent=st.none() | COUNTS,
    objective=st.just("accuracy"),
    violation=st.floats(0.0),
    reason=LINES,
)
OBJECTIVES = st.lists(
    st.builds(Objective, TEXTS, st.sampled_from(Direction)), min_size=1, max_size=4, unique_by=lambda item: item.metric
)


@given(st.dictionaries(TEXTS, st.floats()))
def test_metrics_travel_as_strict_json(metrics):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = encode_metrics(metrics)
    parsed = json.loads(text, parse_constant=refuse)
    assert text == json.dumps(parsed, separators=(",", ":"), sort_keys=True)
    assert repr(decode_metrics(text)) == repr(dict(sorted(metrics.items())))


@given(st.dictionaries(TEXTS, VALUES))
def test_architectures_travel(values):
    trial = Trial(0, Architecture(values), TrialState.COMPLETED, {"default": 0.5})
    back = trial_from_row("id", trial_row("id", trial)[1:])
    assert back.architecture.canonical_json() == trial.architecture.canonical_json()
    assert back == trial


@given(TRIALS)
def test_trials_travel(trial):
    row = trial_row("id", trial)
    back = trial_from_row("id", row[1:], trial.intermediates, objective="accuracy")
    assert back == trial
    assert [type(amount) for amount in back.fidelity.values()] == [type(a) for a in trial.fidelity.values()]
    assert trial_row("id", back) == row


def check_stored_trials(place, trials):
    """Write trials and read them in every way."""
    with open_store(place) as store:
        store.create_experiment(ExperimentRecord("first", objectives=Objectives.of({"accuracy": "minimize"})))
        store.write("first", trials=trials)
        assert store.list_trials("first") == trials
        log = store.load_log("first", with_reports=True)
        light = [trial.evolve(output="", failure=without_traceback(trial.failure)) for trial in trials]
        told = [trial for trial in light if trial.state.is_finished]
        assert log.asked == [trial.proposal for trial in trials]
        assert sorted(log.told, key=lambda trial: trial.number) == told
        assert store.best_trials("first", 100) == Objectives.of({"accuracy": "minimize"}).ranked(trials)
        store.delete_experiment("first")


def without_traceback(failure):
    return failure and Failure(failure.kind, failure.message)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("rows") / "store.db"


NUMBERED = st.lists(TRIALS, max_size=5).map(lambda trials: [t.evolve(number=place) for place, t in enumerate(trials)])


@settings(max_examples=50, deadline=None)
@given(trials=NUMBERED)
def test_trials_come_back_from_a_file_as_they_were(place, trials):
    check_stored_trials(place, trials)


@pytest.fixture(scope="module")
def server(postgresql_server):
    import psycopg

    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA rows")
        yield f"{postgresql_server}{'&' if '?' in postgresql_server else '?'}options=-csearch_path%3Drows"
        connection.execute("DROP SCHEMA rows CASCADE")


@pytest.mark.postgres
@settings(max_examples=30, deadline=None)
@given(trials=NUMBERED)
def test_trials_come_back_from_a_server_as_they_were(server, trials):
    check_stored_trials(server, trials)


@given(OBJECTIVES)
def test_objectives_travel(items):
    record = ExperimentRecord("id", objectives=Objectives(tuple(items)), state=ExperimentState.DONE)
    names = ("id", "name", "state", "objectives", "seed", "strategy", "config", "space", "created", "updated")
    more = ("pid", "host", "version", "message", "stop_requested", "tags")
    row = experiment_row({name: getattr(record, name) for name in (*names, *more)})
    row["checksum"] = experiment_checksum(row)
    assert experiment_from_row(row) == record


@given(st.text())
def test_clean_text_is_what_databases_take(text):
    clean = clean_text(text)
    assert clean.encode().decode() == clean == clean_text(clean)
    assert "\0" not in clean
    assert len(clean) == len(text)


def test_the_metric_that_ranks_is_finite():
    trial = Trial(0, Architecture({}), TrialState.COMPLETED, {"default": math.inf})
    assert trial_row("id", trial)[3] is None


# Checksums


def others(value):
    """Return values that could stand in the place of one after the disk has changed it."""
    if isinstance(value, str):
        return [value + "x", value[1:] if value else "y", value.swapcase() + "z", 1]
    if isinstance(value, float):
        return [value + 1.0 if math.isfinite(value) else 0.0, -value if value else 1.0, None]
    if isinstance(value, int):
        return [value ^ 1, value ^ 1 << 20, value + 0.5, None]
    return ["", 0, 0.0]


@pytest.mark.parametrize("number", range(len(zoo())))
def test_every_change_of_a_column_of_a_trial_is_found(number):
    row = trial_row("id", zoo()[number])[1:]
    trial_from_row("id", row)
    for place, value in enumerate(row):
        for other in others(value):
            with pytest.raises(CorruptStoreError, match=r"row of trial .* is damaged"):
                trial_from_row("id", (*row[:place], other, *row[place + 1 :]))
    with pytest.raises(CorruptStoreError):
        trial_from_row("another", row)


def test_every_change_of_a_column_of_a_report_is_found():
    row = list(intermediate_row("id", Intermediate(3, 1, {"default": 0.5}, 10.0)))[1:]
    for place, value in enumerate(row):
        for other in others(value):
            with pytest.raises(CorruptStoreError, match="intermediate result"):
                intermediate_from_row("id", *row[:place], other, *row[place + 1 :])


def test_every_change_of_a_column_of_an_experiment_is_found():
    row = experiment_row({name: getattr(RECORD, name) for name in RECORD.__dataclass_fields__})
    row["checksum"] = experiment_checksum(row)
    assert experiment_from_row(row) == RECORD
    for name, value in row.items():
        for other in others(value):
            if name == "stop_requested" and bool(other) is value:
                continue
            with pytest.raises(CorruptStoreError, match="is damaged"):
                experiment_from_row({**row, name: other})
