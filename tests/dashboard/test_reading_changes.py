"""Those who follow a store learn what changes in it, and what keeps it from being read."""

import asyncio
import sqlite3
import subprocess
import threading
from contextlib import asynccontextmanager

import pytest

from retiarii.dashboard._reading import changes as changes_file
from retiarii.dashboard._reading.change import MOST_NUMBERS, Change
from retiarii.dashboard._reading.changes import Changes
from retiarii.dashboard._reading.store_in_place import StoreInPlace
from retiarii.storage import ExperimentRecord, ExperimentState, Intermediate, open_store
from retiarii.testing.records import EPOCH, completed, running
from retiarii.trial import TrialState

PATIENCE_S = 20  # before a test is given up


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def store(path):
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
        yield store


@pytest.fixture
def changes(store, path):
    with open_store(path) as read:
        yield Changes(StoreInPlace(read), interval_s=0.01, slowest_s=0.02)
        for thread in threading.enumerate():
            if thread.name == "retiarii-changes":
                thread.join(PATIENCE_S)
                assert not thread.is_alive(), "nobody follows, so nobody looks"


@asynccontextmanager
async def following(changes, experiment_id="first"):
    """A function that returns the next change; the first, with the present state, has been taken."""
    iterator = changes.follow(experiment_id)

    async def after(act=lambda: None):
        act()
        return await asyncio.wait_for(anext_of(iterator), PATIENCE_S)

    try:
        yield after
    finally:
        await iterator.aclose()


async def anext_of(iterator):
    return await iterator.__anext__()


def test_the_first_change_is_the_present_state(store, changes):
    store.write("first", trials=[completed(0), running(1)])
    store.write_epoch("first", EPOCH)

    async def check():
        async with following(changes) as after:
            first = await after()
            assert (first.state, first.is_running, first.is_complete) == (ExperimentState.RUNNING, False, False)
            assert (first.counts[TrialState.COMPLETED], first.counts[TrialState.INTERRUPTED]) == (1, 1)
            assert first.num_epochs == EPOCH.number + 1

    asyncio.run(check())


def test_trials_that_start_report_and_end_are_listed(store, changes):
    async def check():
        with store.lock("first"):
            async with following(changes) as after:
                assert (await after()).is_running
                change = await after(lambda: store.write("first", trials=[running(0), running(1)]))
                assert (change.started, change.ended, change.is_complete) == ((0, 1), (), True)
                assert change.counts[TrialState.RUNNING] == 2
                change = await after(lambda: store.write("first", intermediates=[Intermediate(1, 0, {"default": 0.5})]))
                assert (change.reported, change.started, change.ended) == ((1,), (), ())
                change = await after(lambda: store.write("first", trials=[completed(1), completed(2)]))
                assert (change.started, change.ended) == ((2,), (1, 2))
                assert (change.counts[TrialState.RUNNING], change.counts[TrialState.COMPLETED]) == (1, 2)

    asyncio.run(check())


def test_the_end_of_the_process_of_an_experiment_is_a_change(store, changes):
    async def check():
        async with following(changes) as after:
            release = store.acquire("first")
            assert (await after()).is_running
            store.write("first", trials=[running(0)])
            assert (await after()).counts[TrialState.RUNNING] == 1
            change = await after(release)
            assert (change.is_running, change.counts[TrialState.INTERRUPTED]) == (False, 1)

    asyncio.run(check())


def test_a_slow_follower_gets_one_change(store, changes):
    async def check():
        async with following(changes) as slow, following(changes) as fast:
            await slow()
            await fast()
            for number in range(3):
                store.write("first", trials=[running(number)])
                await fast()
            change = await slow()
            assert (change.started, change.is_complete, change.counts[TrialState.INTERRUPTED]) == ((0, 1, 2), True, 3)

    asyncio.run(check())


def test_changes_of_too_many_trials_are_not_listed():
    first, second = range(MOST_NUMBERS), range(MOST_NUMBERS, MOST_NUMBERS + 1)
    few = Change("first", started=tuple(first), is_complete=True)
    merged = Change("first", started=tuple(second), is_complete=True).after(few)
    assert (few.bounded(), merged.started, merged.is_complete) == (few, (), False)


def test_the_list_has_the_changes_of_all_experiments(store, changes):
    async def check():
        async with following(changes, None) as after:
            assert await after() == Change(None)
            change = await after(lambda: store.create_experiment(ExperimentRecord("second")))
            assert (change.experiment_id, change.is_deleted) == ("second", False)
            change = await after(lambda: store.update_experiment("first", state=ExperimentState.DONE))
            assert (change.experiment_id, change.state) == ("first", ExperimentState.DONE)
            change = await after(lambda: store.delete_experiment("second"))
            assert (change.experiment_id, change.is_deleted) == ("second", True)

    asyncio.run(check())


def test_an_experiment_that_does_not_exist_yet_is_awaited(store, changes):
    async def check():
        async with following(changes, "second") as after:
            assert (await after()).is_deleted
            assert not (await after(lambda: store.create_experiment(ExperimentRecord("second")))).is_deleted

    asyncio.run(check())


def test_a_store_that_was_moved_away_is_followed_again_when_it_is_back(store, changes, path):
    async def check():
        async with following(changes) as after, following(changes, None) as list_after:
            await after()
            await list_after()
            lost = await after(lambda: path.rename(f"{path}.away"))
            assert "deleted or moved away" in lost.problem
            assert (await list_after()).problem == lost.problem
            back = await after(lambda: path.with_name("store.db.away").rename(path))
            assert (back.problem, back.state) == ("", ExperimentState.RUNNING)
            assert await list_after() == Change(None)

    asyncio.run(check())


def test_a_store_that_was_replaced_is_followed(store, changes, path, tmp_path):
    with open_store(tmp_path / "other.db") as other:
        other.create_experiment(ExperimentRecord("first", state=ExperimentState.DONE))

    async def check():
        async with following(changes) as after:
            await after()
            for end in ("-wal", "-shm", ""):
                path.with_name(f"store.db{end}").unlink()
            assert "deleted" in (await after()).problem
            change = await after(lambda: (tmp_path / "other.db").rename(path))
            assert (change.state, change.is_complete) == (ExperimentState.DONE, False)

    asyncio.run(check())


def test_a_store_that_was_overwritten_is_followed_again_when_it_is_restored(store, changes, path, tmp_path):
    store.write("first", trials=[completed(0)])
    store.close()
    (tmp_path / "other").write_text("Lorem ipsum " * 1000)

    def copy(source, target):  # in a process of its own: a process that closes a file loses its locks of that file
        subprocess.run(["cp", source, target], check=True)

    async def check():
        async with following(changes) as after:
            await after()
            copy(path, tmp_path / "copy")
            change = await after(lambda: copy(tmp_path / "other", path))
            assert "damaged" in change.problem
            change = await after(lambda: copy(tmp_path / "copy", path))
            assert (change.problem, change.counts[TrialState.COMPLETED]) == ("", 1)

    asyncio.run(check())


def test_a_damaged_experiment_does_not_keep_others_from_being_followed(store, changes, path):
    store.create_experiment(ExperimentRecord("second"))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE experiments SET state = 'zombie' WHERE id = 'first'")
    connection.close()

    async def check():
        async with following(changes) as after, following(changes, "second") as after_second:
            assert "'zombie'" in (await after()).problem
            assert (await after_second()).state is ExperimentState.RUNNING

    asyncio.run(check())


def test_followers_are_told_of_a_store_that_does_not_answer(store, changes, path, monkeypatch):
    monkeypatch.setattr(changes_file, "PATIENCE_S", 0.05)
    store.close()
    changes._place.store.close()  # the lock below waits for nobody

    async def check():
        other = sqlite3.connect(path, isolation_level=None)
        for statement in ("PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE"):
            other.execute(statement)
        async with following(changes) as after:
            assert "has not answered" in (await after()).problem
            other.close()
            assert (await after()).state is ExperimentState.RUNNING

    asyncio.run(check())
