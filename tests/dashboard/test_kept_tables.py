"""Tables of trials that all callers of a reader share."""

from threading import Event, Thread

import pytest

from retiarii.dashboard._reading.kept_tables import KeptTables
from retiarii.dashboard._reading.reader import Reader
from retiarii.errors import NotFoundError, StorageError, StoreLostError
from retiarii.storage import ExperimentRecord, open_store
from retiarii.testing.records import completed, running


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        for experiment in ("first", "second"):
            store.create_experiment(ExperimentRecord(experiment))
        yield store


def test_all_callers_share_one_table_that_has_what_was_written_before_they_asked(store):
    reader, is_over = Reader(store), Event()
    others = [Thread(target=lambda: [reader.table("first") for _ in iter(is_over.is_set, True)]) for _ in range(4)]
    for thread in others:
        thread.start()
    try:
        for number in range(40):
            store.write("first", trials=[running(number)])
            assert len(reader.table("first")) == number + 1
            store.write("first", trials=[completed(number)])
            assert reader.trials_now("first", patience_s=60).table.finish_order[-1] == number
    finally:
        is_over.set()
        for thread in others:
            thread.join()
    assert reader.table("first") is reader.trials_now("first").table


def test_a_large_experiment_is_shown_in_parts_while_it_is_read(store, monkeypatch):
    store.write("first", trials=[completed(number) for number in range(6000)])
    light_trials, goes_on = store.light_trials, Event()

    def slowly(experiment_id, **wanted):
        for rows in light_trials(experiment_id, **wanted):
            yield rows
            assert goes_on.wait(60)

    monkeypatch.setattr(store, "light_trials", slowly)
    reader = Reader(store)
    found = reader.trials_now("first", patience_s=0.01)
    assert (len(found.table), found.is_complete, found.problem) == (5000, False, "")
    goes_on.set()
    assert len(reader.table("first")) == 6000
    assert reader.trials_now("first", patience_s=60).is_complete


def test_trials_from_before_are_not_called_complete_while_later_ones_are_read(store, monkeypatch):
    reader, goes_on, light_trials = Reader(store), Event(), store.light_trials
    store.write("first", trials=[completed(0)])
    before = reader.table("first")
    store.write("first", trials=[completed(1)])
    monkeypatch.setattr(
        store, "light_trials", lambda *wanted, **also: goes_on.wait(60) and light_trials(*wanted, **also)
    )
    found = reader.trials_now("first", patience_s=0.01)
    assert (found.table, found.is_complete) == (before, False)
    goes_on.set()
    assert len(reader.table("first")) == 2


def test_tables_that_were_not_used_for_longest_leave_memory(store):
    for experiment in ("first", "second"):
        store.write(experiment, trials=[completed(number) for number in range(10)])
    kept = KeptTables(lambda: store, max_bytes=1)
    first = kept.look("first", None).table
    assert kept.look("first", None).table is first
    kept.look("second", None)
    assert kept.look("first", None).table is not first


def test_a_deleted_experiment_is_not_found_and_a_new_one_in_its_place_is_read(store):
    reader = Reader(store)
    store.write("first", trials=[completed(0)])
    assert len(reader.table("first")) == 1
    store.delete_experiment("first")
    for look in (reader.table, reader.trials_now):
        with pytest.raises(NotFoundError, match="first"):
            look("first")
    store.create_experiment(ExperimentRecord("first"))
    store.write("first", trials=[running(0), running(1)])
    assert len(reader.table("first")) == 2


def test_while_the_store_is_away_the_trials_from_before_are_shown_with_the_reason(tmp_path, store):
    store.write("first", trials=[completed(0)])
    reader = Reader(store)
    before = reader.table("first")
    path, aside = tmp_path / "store.db", tmp_path / "aside.db"
    path.rename(aside)
    found = reader.trials_now("first")
    assert (found.table, found.is_complete) == (before, False)
    assert "was deleted or moved away" in found.problem
    with pytest.raises(StoreLostError, match="deleted or moved away"):
        reader.table("first")
    with pytest.raises(StorageError):
        reader.trials_now("second")
    aside.rename(path)
    with open_store(path) as other:
        other.write("first", trials=[completed(1)])
    assert len(reader.table("first")) == 2
    reader.store.close()
