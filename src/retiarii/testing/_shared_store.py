"""The part of `StorageConformance` about threads, processes, locks, forks and ``kill -9``."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from retiarii.errors import ExperimentBusyError
from retiarii.storage import ExperimentRecord, Store, open_store
from retiarii.testing._extra import pytest
from retiarii.testing.records import completed

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


class SharedStoreConformance:
    """Tests that use the fixtures ``storage`` and ``store`` of `StorageConformance`, which inherits from this class."""

    @needs_fork
    def test_many_processes_may_create_it_at_once(self, storage: str | Path) -> None:
        with contextlib.ExitStack() as children:
            started = [children.enter_context(child(_create, storage, f"e{number}")) for number in range(4)]
            assert [connection.recv() for _, connection in started] == ["created"] * 4
        with open_store(storage) as store:
            assert sorted(record.id for record in store.list_experiments()) == ["e0", "e1", "e2", "e3"]

    def test_threads_share_a_store(self, store: Store) -> None:
        def work(first: int) -> None:
            for number in range(first, first + 20):
                store.write("first", trials=[completed(number)])
                store.get_trial("first", number)

        threads = [threading.Thread(target=work, args=(20 * index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.list_trials("first") == [completed(number) for number in range(80)]

    def test_a_request_to_stop_reaches_another_process(self, storage: str | Path, store: Store) -> None:
        assert not store.stop_requested("first")
        with open_store(storage) as other:
            other.request_stop("first")
        assert store.stop_requested("first")

    def test_a_lock_is_held_once(self, storage: str | Path, store: Store) -> None:
        store.request_stop("first")
        with store.lock("first"), open_store(storage) as other:
            record = other.get_experiment("first")
            assert (record.pid, record.stop_requested, other.is_running("first")) == (os.getpid(), False, True)
            with pytest.raises(ExperimentBusyError, match=f"process {os.getpid()} on host"), other.lock("first"):
                pass
            with pytest.raises(ExperimentBusyError, match=f"process {os.getpid()} on host"):
                other.delete_experiment("first")
        assert (store.get_experiment("first").pid, store.is_running("first")) == (None, False)
        with store.lock("first"):
            pass

    def test_locks_of_two_experiments_are_independent(self, store: Store) -> None:
        store.create_experiment(ExperimentRecord("second"))
        with store.lock("first"):
            assert not store.is_running("second")
            with store.lock("second"):
                assert store.is_running("second")

    @needs_fork
    def test_a_killed_process_leaves_no_lock_though_its_child_lives(self, storage: str | Path, store: Store) -> None:
        with child(_lock_and_fork, storage) as (process, connection):
            assert connection.recv() == "locked"
            assert store.is_running("first")
            process.kill()
            process.join()
            with store.lock("first"):
                assert store.get_experiment("first").pid == os.getpid()
            connection.send("end")  # the grandchild ran the whole time
            assert connection.recv() == "ended"

    @needs_fork
    def test_a_forked_child_and_its_parent_both_go_on(self, store: Store) -> None:
        with store.lock("first"):
            store.write("first", trials=[completed(0)])
            with child(_write_inherited, store) as (_, connection):
                store.write("first", trials=[completed(2)])
                assert connection.recv() == "written"
            assert store.is_running("first")
            store.write("first", trials=[completed(3)])
        assert store.list_trials("first") == [completed(number) for number in range(4)]

    @needs_fork
    def test_two_experiments_are_written_at_once_and_read(self, storage: str | Path, store: Store) -> None:
        store.create_experiment(ExperimentRecord("second"))
        with child(_write_many, storage, "second", 0, 100) as (process, connection):
            for number in range(100):
                store.write("first", trials=[completed(number)])
                numbers = [trial.number for trial in store.list_trials("second")]
                assert numbers == list(range(len(numbers)))
            while connection.recv() != 99:
                pass
            process.join()
        assert store.list_trials("first") == store.list_trials("second")

    @needs_fork
    def test_kill_9_in_the_middle_of_writing_loses_no_committed_trial(self, storage: str | Path, store: Store) -> None:
        rng, written = random.Random(3), 0
        for _ in range(12):
            with child(_write_many, storage, "first", written, 10**9) as (process, connection):
                for _ in range(rng.randrange(1, 60)):
                    written = connection.recv() + 1
                process.kill()
                process.join()
                with contextlib.suppress(EOFError):
                    while True:
                        written = connection.recv() + 1
            trials = store.list_trials("first")
            assert len(trials) - written in (0, 1)  # the last may have been committed but not announced
            assert trials == [completed(number) for number in range(len(trials))]
            written = len(trials)


@contextlib.contextmanager
def child(work: Callable[..., None], *arguments: Any) -> Iterator[tuple[multiprocessing.Process, Connection]]:
    """Run ``work(connection, *arguments)`` in a forked process that does not outlive the block."""
    context: Any = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_only_with, args=(ours, work, theirs, *arguments))
    process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()


def _only_with(ours: Connection, work: Callable[..., None], theirs: Connection, *arguments: Any) -> None:
    ours.close()  # so that the child notices when the parent's end is closed
    work(theirs, *arguments)


def _create(connection: Connection, storage: str | Path, experiment_id: str) -> None:
    with open_store(storage) as store:
        store.create_experiment(ExperimentRecord(experiment_id))
    connection.send("created")


def _write_many(connection: Connection, storage: str | Path, experiment_id: str, first: int, end: int) -> None:
    with open_store(storage) as store:
        for number in range(first, end):
            store.write(experiment_id, trials=[completed(number)])
            connection.send(number)


def _write_inherited(connection: Connection, store: Store) -> None:
    store.write("first", trials=[completed(1)])
    assert store.get_trial("first", 0) == completed(0)
    connection.send("written")


def _lock_and_fork(connection: Connection, storage: str | Path) -> None:
    with open_store(storage) as store, store.lock("first"):
        if os.fork():
            connection.send("locked")
            os.waitpid(-1, 0)
        else:
            with contextlib.suppress(EOFError):
                connection.recv()
                connection.send("ended")
            os._exit(0)
