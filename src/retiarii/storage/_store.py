"""`Store`: experiments and their trials, durable, for one writer and many readers at once."""

from __future__ import annotations

import os
import shlex
import socket
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from retiarii.errors import CorruptStoreError, ExperimentBusyError, NotFoundError, StorageError
from retiarii.storage import _epochs, _examination, _experiments, _log, _trials
from retiarii.storage._artefacts import folder_of, make_folder, refuse_links, remove_folder
from retiarii.storage._backend import Backend
from retiarii.storage._location import locate
from retiarii.storage._postgresql import PostgreSQLBackend
from retiarii.storage._records import EpochRecord, ExperimentLog, ExperimentRecord, FailureReason, Intermediate
from retiarii.storage._sqlite import SQLiteBackend
from retiarii.storage._writer import Writer
from retiarii.trial import Direction, Trial, TrialFiles, TrialState

_CHUNK = 500
_PAUSE_S = 0.02
_INDEXES_FACTOR = 8  # so much faster is looking at indexes than at every row

T = TypeVar("T")


def open_store(storage: str | Path | None = None, *, create: bool = True) -> Store:
    """Open a store, and make it where there is none.

    Args:
        storage: A path, ``"sqlite:///path.db"`` or ``"postgresql://user:password@host/database"``. None takes
            ``$RETIARII_STORAGE``, or else the file ``retiarii.db`` in `experiments_home`.
        create: Whether a store that does not exist is made.

    Returns:
        The store; close it, or use it in a ``with`` statement.

    Raises:
        ConfigError: The URL is malformed or of a kind that is not supported.
        NotFoundError: There is no store, and ``create`` is false.
        CorruptStoreError: What is there is damaged, of a newer schema, or not a store; it is left as it is.
        StoreFullError: There is no space for a new store.
        StorageError: The place cannot be read or written, or the server cannot be reached.
        MissingExtraError: The URL names PostgreSQL and psycopg is not installed.
    """
    location = locate(storage)
    backend: Backend = SQLiteBackend(location) if location.path is not None else PostgreSQLBackend(location)
    try:
        backend.prepare(create=create)
    except BaseException:  # whatever happened, no connection may stay open
        backend.close()
        raise
    return Store(backend)


class Store:
    """Experiments, their trials and what these reported. Made by `open_store`.

    Every method is one transaction: it happens completely or not at all, and nobody sees it half done. What is
    returned are frozen records and copies. One process at a time writes the trials of an experiment, the one that
    holds its `lock`; any number of processes and threads may read meanwhile, and write other experiments. A store may
    be used by several threads. A forked child may go on using it; it gets connections of its own.

    Besides the errors that a method names, each raises `StoreFullError` when the disk is full, `CorruptStoreError`
    when what it reads is damaged, `StoreLostError` when the file was deleted or replaced since it was opened, and
    `StorageError` when the store cannot be reached.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._writer = Writer(backend)
        self._where = str(backend.location)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store at {self._where}>"

    @property
    def url(self) -> str:
        """What `open_store` needs to open this store again, password included."""
        return self._backend.location.spelled(hide_password=False)

    @property
    def where(self) -> str:
        """What to call the store when speaking to people: the path, or the URL without the password."""
        return self._where

    def command(self, words: str) -> str:
        """Return a command line on this store: ``retiarii`` and the words, and ``--storage`` if it is not the default.

        A password of a URL is left out.

        Args:
            words: The command and its arguments, as in ``"resume 0c4tq7wz"``.
        """
        is_default = locate(None) == self._backend.location
        return f"retiarii {words}" if is_default else f"retiarii {words} --storage {shlex.quote(self._where)}"

    def close(self) -> None:
        """Close all connections; may be called twice."""
        self._writer.close()
        self._backend.close()

    # Experiments ------------------------------------------------------------------------------------------------------

    def create_experiment(self, record: ExperimentRecord) -> None:
        """Add an experiment.

        Raises:
            DuplicateError: Its id is taken.
            ConfigError: Its id cannot name a folder, or its configuration or space is not plain JSON data.
        """
        with self._backend.writing() as connection:
            _experiments.create(connection, record, self._where)

    def get_experiment(self, experiment_id: str) -> ExperimentRecord:
        """Return an experiment.

        Raises:
            NotFoundError: There is none of this id.
        """
        return self._read(_experiments.get, experiment_id, self._where)

    def find_experiment(self, text: str) -> ExperimentRecord:
        """Return the experiment whose id is ``text``, else the one whose name it is or whose id begins with it.

        Raises:
            NotFoundError: There is none, or there are several; the message lists them.
            ConfigError: ``text`` is no text.
        """
        return self._read(_experiments.find, text, self._where)

    def list_experiments(self) -> list[ExperimentRecord]:
        """Return all experiments, oldest first.

        Raises:
            CorruptStoreError: One of them is damaged; `scan_experiments` returns the others.
        """
        found = self.scan_experiments()
        for record in found:
            if isinstance(record, CorruptStoreError):
                raise record
        return [record for record in found if isinstance(record, ExperimentRecord)]

    def scan_experiments(self) -> list[ExperimentRecord | CorruptStoreError]:
        """Return all experiments, oldest first, and in the place of each damaged one the error that describes it."""
        return self._read(_experiments.all_of)

    def find_damage(self, *, max_bytes: int | None = None) -> list[CorruptStoreError]:
        """Read everything, and compare it with the checksums that were stored with it.

        Args:
            max_bytes: Do so only if the store is not larger; reading 100 MB takes some seconds. In a store of up to
                eight times that size, indexes are compared with their tables, which is what counts and the order of the
                best trials come from.

        Returns:
            One error for each damaged experiment; `CorruptStoreError.experiment_id` names it.

        Raises:
            CorruptStoreError: The file itself is damaged.
        """
        size = self._backend.size_bytes
        if max_bytes is not None and size > max_bytes:
            if size <= max_bytes * _INDEXES_FACTOR:
                self._backend.check(in_full=True)
            return []
        self._backend.check(in_full=True)
        return self._read(lambda connection: list(_examination.damage(connection)))

    def update_experiment(self, experiment_id: str, **changes: Any) -> None:
        """Change fields of an experiment; its time of update changes by itself.

        Args:
            experiment_id: Which one.
            **changes: Fields of `ExperimentRecord` except ``id``.

        Raises:
            NotFoundError: There is no such experiment.
            ConfigError: There is no such field, or its value is not plain JSON data.
        """
        with self._backend.writing() as connection:
            _experiments.change(connection, experiment_id, changes, self._where)

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment, its trials and its artefacts.

        Raises:
            NotFoundError: There is no such experiment.
            ExperimentBusyError: A process is running it.
            StorageError: The folder of its artefacts cannot be removed; it is gone from the store all the same.
        """
        folder_of(self._backend.location.files, experiment_id)  # before anything is deleted
        with self._locked(experiment_id), self._backend.writing() as connection:
            _experiments.remove(connection, experiment_id, self._where)
        remove_folder(self._backend.location.files, experiment_id)

    # Trials -----------------------------------------------------------------------------------------------------------

    def write(
        self, experiment_id: str, *, trials: Sequence[Trial] = (), intermediates: Sequence[Intermediate] = ()
    ) -> None:
        """Write trials and intermediate results, new and changed ones alike, in one transaction.

        Afterwards the store holds each trial just as given, `Trial.intermediates` included: more of them that were
        stored before are removed. Then ``intermediates`` are added, or replaced where trial and step are the same.
        Metrics may be NaN or infinite. NUL characters and lone surrogates in printed output are replaced.

        Raises:
            NotFoundError: There is no such experiment, or not the trial of an intermediate result.
        """
        self._writer.write(experiment_id, trials, intermediates)

    def get_trial(self, experiment_id: str, number: int) -> Trial:
        """Return a trial.

        Raises:
            NotFoundError: There is no such experiment or trial.
        """
        trial = self._read(_trials.get, self.get_experiment(experiment_id), number)
        if trial is None:
            raise NotFoundError(f"Experiment {experiment_id!r} has no trial {number} in the store {self._where}.")
        return trial

    def iter_trials(self, experiment_id: str, *, states: Collection[TrialState] | None = None) -> Iterator[Trial]:
        """Yield trials by number, a few hundred in memory at a time.

        No transaction stays open between two trials, so a slow reader holds nobody up; it may see changes made
        meanwhile.

        Args:
            experiment_id: Of which experiment.
            states: Only trials in these states; None for all.

        Raises:
            NotFoundError: There is no such experiment.
        """
        return self._chunks(self.get_experiment(experiment_id), states)

    def list_trials(
        self,
        experiment_id: str,
        *,
        states: Collection[TrialState] | None = None,
        after: int = -1,
        limit: int | None = None,
    ) -> list[Trial]:
        """Return trials by number, all or one page of them.

        Args:
            experiment_id: Of which experiment.
            states: Only trials in these states; None for all.
            after: Only trials with larger numbers: that of the last trial of the page before.
            limit: How many at most; None for all. `iter_trials` goes through many without holding them.

        Raises:
            NotFoundError: There is no such experiment.
        """
        return list(islice(self._chunks(self.get_experiment(experiment_id), states, after, limit or _CHUNK), limit))

    def count_trials(self, experiment_id: str) -> dict[TrialState, int]:
        """Return how many trials are in each state, zeros included.

        Raises:
            NotFoundError: There is no such experiment.
        """
        counts = self._read(_trials.count_by_state, experiment_id)
        if not any(counts.values()):
            self.get_experiment(experiment_id)
        return counts

    def best_trials(self, experiment_id: str, k: int, direction: Direction | None = None) -> list[Trial]:
        """Return the ``k`` best completed trials, as `Objectives.rank` orders them.

        Trials that keep the constraints come before those that break them, then the value of the first objective
        counts, then the number.

        Args:
            experiment_id: Of which experiment.
            k: How many at most.
            direction: Which values of that objective are better; None for the experiment's own direction.

        Raises:
            NotFoundError: There is no such experiment.
        """
        record = self.get_experiment(experiment_id)
        return self._read(_trials.best, record, k, record.direction if direction is None else direction)

    def failure_reasons(self, experiment_id: str) -> list[FailureReason]:
        """Return why trials failed, the most frequent reason first.

        Raises:
            NotFoundError: There is no such experiment.
        """
        self.get_experiment(experiment_id)
        return self._read(_trials.failure_reasons, experiment_id)

    def intermediates(self, experiment_id: str, number: int) -> tuple[Intermediate, ...]:
        """Return what a trial reported on the way, in order, with the times.

        Raises:
            NotFoundError: There is no such experiment or trial.
        """
        found = self._read(_trials.intermediates, experiment_id, number)
        if not found:
            self.get_trial(experiment_id, number)
        return found

    def load_log(self, experiment_id: str, *, with_reports: bool = False) -> ExperimentLog:
        """Return what an exact resume of the search needs: proposals by number, ended trials by their end.

        Args:
            experiment_id: Of which experiment.
            with_reports: Whether the trials that ended carry what they reported on the way.

        Raises:
            NotFoundError: There is no such experiment.
            CorruptStoreError: A trial number is left out, so the order cannot be known.
        """
        with self._backend.reading() as connection:
            record = _experiments.get(connection, experiment_id, self._where)
            return _log.log(connection, record, with_reports=with_reports)

    # One-shot searches ------------------------------------------------------------------------------------------------

    def write_epoch(self, experiment_id: str, epoch: EpochRecord) -> None:
        """Write one epoch of a supernet's training, new or in the place of the one that was stored.

        Raises:
            NotFoundError: There is no such experiment.
            ConfigError: Its record is not plain JSON data.
        """
        with self._backend.writing() as connection:
            _epochs.put(connection, experiment_id, epoch, self._where)

    def list_epochs(self, experiment_id: str, *, after: int = -1) -> list[EpochRecord]:
        """Return the epochs of a supernet's training in order; none where the experiment is not one-shot.

        Args:
            experiment_id: Of which experiment.
            after: Only epochs with larger numbers.

        Raises:
            NotFoundError: There is no such experiment.
        """
        found = self._read(_epochs.all_of, experiment_id, after)
        if not found:
            self.get_experiment(experiment_id)
        return found

    # Between processes ------------------------------------------------------------------------------------------------

    def request_stop(self, experiment_id: str) -> None:
        """Ask the process that runs an experiment to stop it.

        Raises:
            NotFoundError: There is no such experiment.
        """
        self.update_experiment(experiment_id, stop_requested=True)

    def stop_requested(self, experiment_id: str) -> bool:
        """Return whether somebody asked the process that runs an experiment to stop it.

        Raises:
            NotFoundError: There is no such experiment.
        """
        return self._read(_experiments.stop_requested, experiment_id, self._where)

    @contextmanager
    def lock(self, experiment_id: str) -> Iterator[None]:
        """Be the only one who runs an experiment.

        Inside, its record names this process, and an earlier request to stop is forgotten. When the process dies, even
        by ``kill -9``, the lock is free again. Children of this process do not have it. The store is checked for
        damage first, so that nothing is written into a damaged one.

        Raises:
            NotFoundError: There is no such experiment.
            ExperimentBusyError: It is being run already; the message names process and host.
            CorruptStoreError: The store is damaged.
        """
        with self._locked(experiment_id):
            self._backend.check()
            self.update_experiment(experiment_id, pid=os.getpid(), host=socket.gethostname(), stop_requested=False)
            try:
                yield
            finally:
                with suppress(StorageError):  # it is for people only, and must not hide why the block ended
                    self.update_experiment(experiment_id, pid=None, host=None)

    def is_running(self, experiment_id: str) -> bool:
        """Return whether a living process holds the lock of an experiment."""
        return self._backend.is_held(experiment_id)

    def directory(self, experiment_id: str) -> Path:
        """Return the folder for artefacts of an experiment (made if missing).

        It is in ``<database file>.files`` beside an SQLite file, for PostgreSQL in ``postgresql.files`` in
        `experiments_home`.

        Raises:
            NotFoundError: There is no such experiment.
            StorageError: The folder cannot be made, or it or something in it is a symbolic link.
        """
        self.get_experiment(experiment_id)
        return make_folder(self._backend.location.files, experiment_id)

    def trial_files(self, experiment_id: str) -> TrialFiles:
        """Return the folders into which the trials of an experiment write; makes nothing.

        Raises:
            NotFoundError: There is no such experiment.
            StorageError: The folder of the experiment, or something in it, is a symbolic link.
        """
        self.get_experiment(experiment_id)
        folder = folder_of(self._backend.location.files, experiment_id)
        refuse_links(folder)
        return TrialFiles(folder)

    def _read(self, query: Callable[..., T], *arguments: Any) -> T:
        with self._backend.reading() as connection:
            return query(connection, *arguments)

    def _chunks(
        self, record: ExperimentRecord, states: Collection[TrialState] | None, last: int = -1, size: int = _CHUNK
    ) -> Iterator[Trial]:
        size = min(size, _CHUNK)
        while chunk := self._read(_trials.chunk, record, last, states, size):
            yield from chunk
            last = chunk[-1].number

    @contextmanager
    def _locked(self, experiment_id: str) -> Iterator[None]:
        try:
            record: ExperimentRecord | None = self.get_experiment(experiment_id)
        except CorruptStoreError:  # it can be deleted all the same
            record = None
        deadline = time.monotonic() + self._backend.patience_s
        while (release := self._backend.acquire(experiment_id)) is None and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        if release is None:
            owner = "another process"
            if record is not None and record.pid is not None:
                owner = f"process {record.pid} on host {record.host!r}"
            raise ExperimentBusyError(
                f"Experiment {experiment_id!r} in the store {self._where} is being run by {owner}. Wait for its end, "
                f"stop it with `retiarii stop {experiment_id}`, or end that process."
            )
        try:
            yield
        finally:
            release()
