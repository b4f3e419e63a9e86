import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retiarii.analysis import TrialTable, TrialTableReader, read_trial_table
from retiarii.errors import CorruptStoreError, NotFoundError
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord, new_experiment_id, open_store
from retiarii.storage._rows.schema import TRIALS
from retiarii.testing.records import completed, failed, running
from retiarii.trial import Failure, FailureKind, Fidelity, Trial, TrialState

PLAIN = ("number", "state", "finish_order", "parent", "violation", "started", "ended")
ODD_TEXTS = ['a,"b', "a,", ',"', "[", "ü\\", '":1', "{"]
VALUES = st.sampled_from([1, 1.0, True, None, 0.25, "conv", *ODD_TEXTS, (), ("a", "b"), ("a,", 2), (1, 2)])
LABELS = st.sampled_from(["op", "cell/width", "", 'a":', "ü", *ODD_TEXTS])
TRIALS_TO_WRITE = st.builds(
    Trial,
    number=st.just(0),
    architecture=st.dictionaries(LABELS, VALUES, max_size=5).map(Architecture),
    metrics=st.none()
    | st.dictionaries(st.sampled_from(["default", "größe"]), st.floats(), min_size=1).map(lambda found: dict(found)),
    started=st.none() | st.floats(0, 2e9),
    ended=st.none() | st.floats(0, 2e9),
    device=st.sampled_from([None, "cpu", "cuda:1"]),
    failure=st.none() | st.builds(Failure, st.sampled_from(FailureKind), st.sampled_from(["", "bug", "ü"])),
    fidelity=st.sampled_from([Fidelity({}), Fidelity(epochs=3), Fidelity({"ü": 0.5})]),
    violation=st.sampled_from([0.0, 0.5, np.inf]),
)
WRITES = st.lists(
    st.tuples(
        st.sampled_from(["start", "end", "end", "run again", "look", "anew"]), st.integers(0, 9), TRIALS_TO_WRITE
    ),
    max_size=12,
)


def decoded(table):
    """Return everything in a table, in a form that can be compared."""
    coded = {"fidelity": table.fidelity, "device": table.device, "failure": table.failure, **table.choices}
    return (
        table.record,
        {name: getattr(table, name).tolist() for name in PLAIN[:5]},
        {name: repr(getattr(table, name).tolist()) for name in PLAIN[5:]},
        {name: repr(column.tolist()) for name, column in table.metrics.items() if not np.isnan(column).all()},
        {
            name: [repr(column.at(row)) if column.codes[row] >= 0 else None for row in range(len(table))]
            for name, column in coded.items()
            if (column.codes >= 0).any() or name in ("fidelity", "device", "failure")
        },
    )


def expected(store, experiment_id):
    return decoded(TrialTable.of(store.get_experiment(experiment_id), store.list_trials(experiment_id)))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with open_store(tmp_path_factory.mktemp("table") / "store.db") as store:
        yield store


@settings(max_examples=30, deadline=None)
@given(writes=WRITES)
def test_a_table_that_is_kept_up_to_date_equals_one_of_all_trials(shared, writes):
    experiment_id = new_experiment_id()
    shared.create_experiment(ExperimentRecord(experiment_id))
    reader, unfinished, count, num_ended = TrialTableReader(experiment_id), [], 0, 0
    for act, place, trial in writes:
        trial = trial.evolve(metrics=trial.metrics and {name: value + 0.0 for name, value in trial.metrics.items()})
        if act == "start":
            shared.write(experiment_id, trials=[trial.evolve(number=count, parent=place if place < count else None)])
            unfinished.append(count)
            count += 1
        elif act == "end" and unfinished:
            ended = trial.evolve(
                number=unfinished.pop(place % len(unfinished)), state=TrialState.COMPLETED, finish_order=num_ended
            )
            shared.write(experiment_id, trials=[ended])
            num_ended += 1
        elif act == "run again" and unfinished:
            shared.write(experiment_id, trials=[trial.evolve(number=unfinished[place % len(unfinished)])])
        elif act == "anew" and place < 3:
            shared.delete_experiment(experiment_id)
            shared.create_experiment(ExperimentRecord(experiment_id))
            unfinished, count, num_ended = [], 0, 0
        elif act == "look":
            assert decoded(reader.refresh(shared)) == expected(shared, experiment_id)
    assert decoded(reader.refresh(shared)) == expected(shared, experiment_id)
    assert reader.refresh(shared) is reader.refresh(shared)
    assert decoded(read_trial_table(shared, experiment_id)) == expected(shared, experiment_id)


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        store.create_experiment(ExperimentRecord("first"))
        yield store


def test_a_long_experiment_is_read_in_steps_and_later_only_what_is_new(store):
    ended = [completed(number) for number in range(12_000)]
    store.write("first", trials=[*ended, running(12_000)])
    reader = TrialTableReader("first")
    steps = list(reader.steps(store))
    assert [len(table) for table in steps] == [5000, 10_000, 12_001, 12_001]
    store.write("first", trials=[failed(12_000, Failure(FailureKind.RAISED, "bug")), running(12_001)])
    with store._backend.writing() as connection:  # damage in a trial that is not read again
        connection.execute(TRIALS.update().where(TRIALS.c.number == 5).values(metrics="{}"))
    table = reader.refresh(store)
    assert table.state.tolist()[-2:] == [2, 0]
    assert table.metric[5] == 0.5
    assert len(steps[-1]) == 12_001
    assert steps[-1].state[-1] == 0  # an earlier table does not change


def test_a_read_that_was_broken_off_goes_on(store):
    store.write("first", trials=[completed(number).evolve(finish_order=7999 - number) for number in range(8000)])
    reader = TrialTableReader("first")
    assert len(next(reader.steps(store))) == 5000
    assert decoded(reader.refresh(store)) == expected(store, "first")


def test_trials_that_end_in_another_order_than_they_start_are_found(store):
    reader = TrialTableReader("first")
    store.write("first", trials=[running(0), running(1), completed(2).evolve(finish_order=0)])
    reader.refresh(store)
    store.write("first", trials=[completed(0).evolve(finish_order=2), completed(1).evolve(finish_order=1)])
    assert reader.refresh(store).finish_order.tolist() == [2, 1, 0]


def test_a_store_that_was_restored_from_an_earlier_copy_is_read_anew(store):
    reader = TrialTableReader("first")
    store.write("first", trials=[completed(number) for number in range(5)])
    reader.refresh(store)
    with store._backend.writing() as connection:
        connection.execute(TRIALS.delete().where(TRIALS.c.number > 2))
    assert len(reader.refresh(store)) == 3
    with store._backend.writing() as connection:
        connection.execute(TRIALS.delete())
    store.write("first", trials=[completed(9).evolve(finish_order=2)])
    assert decoded(reader.refresh(store)) == expected(store, "first")


def test_a_damaged_or_missing_experiment_is_named_and_read_again_when_it_is_back(store, tmp_path):
    reader = TrialTableReader("first")
    store.write("first", trials=[completed(0), running(1)])
    reader.refresh(store)
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("UPDATE trials SET device = 'gpu' WHERE number = 1")
        connection.commit()
    with pytest.raises(CorruptStoreError, match="trial 1 is damaged"):
        reader.refresh(store)
    store.write("first", trials=[completed(1)])
    assert decoded(reader.refresh(store)) == expected(store, "first")
    store.delete_experiment("first")
    with pytest.raises(NotFoundError, match="first"):
        reader.refresh(store)
