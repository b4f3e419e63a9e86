"""`SQLStore`: experiments and their trials in an SQLite file or a PostgreSQL database."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from retiarii.errors import CorruptStoreError, NotFoundError
from retiarii.storage._artefacts import folder_of, make_folder, refuse_links, remove_folder
from retiarii.storage._database import (
    damage_search,
    drawing_queries,
    epoch_queries,
    experiment_queries,
    light_queries,
    log_queries,
    progress_queries,
    trial_queries,
)
from retiarii.storage._database.backend import Backend
from retiarii.storage._database.postgresql import PostgreSQLBackend
from retiarii.storage._database.sqlite import SQLiteBackend
from retiarii.storage._database.writer import Writer
from retiarii.storage._experiment_records import (
    EpochRecord,
    ExperimentLog,
    ExperimentProgress,
    ExperimentRecord,
    FailureReason,
    Intermediate,
)
from retiarii.storage._light_trial import LightTrial
from retiarii.storage._location import Location, locate, other_url
from retiarii.storage._store import LIGHT_CHUNK, Store
from retiarii.trial import Direction, Trial, TrialFiles, TrialState

_CHUNK = 500
_PAUSE_S = 0.02
_INDEXES_FACTOR = 8  # checking indexes is this many times faster than checking every row

T = TypeVar("T")


def open_database(location: Location, *, create: bool) -> Store:
    """Open the store in a database, as `open_store` does.

    Args:
        location: The location of the store.
        create: Whether a store that does not exist is made.
    """
    backend: Backend = SQLiteBackend(location) if location.path is not None else PostgreSQLBackend(location)
    try:
        backend.prepare(create=create)
    except BaseException:  # no connection may stay open
        backend.close()
        raise
    return SQLStore(backend)


class SQLStore(Store):
    """A store in an SQLite file or a PostgreSQL database.

    Every method is one transaction. A forked child gets connections of its own.

    Args:
        backend: The database, prepared.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._writer = Writer(backend)
        self._where = str(backend.location)

    @property
    def url(self) -> str:
        """See `Store.url`."""
        return self._backend.location.spelled(hide_password=False)

    @property
    def where(self) -> str:
        """See `Store.where`."""
        return self._where

    def _is_default(self) -> bool:
        return other_url(None) is None and locate(None) == self._backend.location

    def close(self) -> None:
        """See `Store.close`."""
        self._writer.close()
        self._backend.close()

    # Experiments ------------------------------------------------------------------------------------------------------

    def create_experiment(self, record: ExperimentRecord) -> None:
        """See `Store.create_experiment`."""
        with self._backend.writing() as connection:
            experiment_queries.create(connection, record, self._where)

    def get_experiment(self, experiment_id: str) -> ExperimentRecord:
        """See `Store.get_experiment`."""
        return self._read(experiment_queries.get, experiment_id, self._where)

    def find_experiment(self, text: str) -> ExperimentRecord:
        """See `Store.find_experiment`."""
        return self._read(experiment_queries.find, text, self._where)

    def scan_experiments(self) -> list[ExperimentRecord | CorruptStoreError]:
        """See `Store.scan_experiments`."""
        return self._read(experiment_queries.all_of)

    def update_times(self) -> dict[str, float]:
        """See `Store.update_times`."""
        return self._read(progress_queries.update_times)

    def progress(self, experiment_id: str) -> ExperimentProgress:
        """See `Store.progress`."""
        return self._read(progress_queries.progress, experiment_id, self._where)

    def find_damage(self, *, max_bytes: int | None = None) -> list[CorruptStoreError]:
        """See `Store.find_damage`."""
        size = self._backend.size_bytes
        if max_bytes is not None and size > max_bytes:
            if size <= max_bytes * _INDEXES_FACTOR:
                self._backend.check(in_full=True)
            return []
        self._backend.check(in_full=True)
        return self._read(lambda connection: list(damage_search.damage(connection)))

    def update_experiment(self, experiment_id: str, **changes: Any) -> None:
        """See `Store.update_experiment`."""
        with self._backend.writing() as connection:
            experiment_queries.change(connection, experiment_id, changes, self._where)

    def delete_experiment(self, experiment_id: str) -> None:
        """See `Store.delete_experiment`."""
        folder_of(self._backend.location.files, experiment_id)  # before anything is deleted
        with self.exclusive(experiment_id), self._backend.writing() as connection:
            experiment_queries.remove(connection, experiment_id, self._where)
        remove_folder(self._backend.location.files, experiment_id)

    # Trials -----------------------------------------------------------------------------------------------------------

    def write(
        self, experiment_id: str, *, trials: Sequence[Trial] = (), intermediates: Sequence[Intermediate] = ()
    ) -> None:
        """See `Store.write`."""
        self._writer.write(experiment_id, trials, intermediates)

    def get_trial(self, experiment_id: str, number: int) -> Trial:
        """See `Store.get_trial`."""
        trial = self._read(trial_queries.get, self.get_experiment(experiment_id), number)
        if trial is None:
            raise NotFoundError(f"Experiment {experiment_id!r} has no trial {number} in the store {self._where}.")
        return trial

    def iter_trials(
        self, experiment_id: str, *, states: Collection[TrialState] | None = None, after: int = -1
    ) -> Iterator[Trial]:
        """See `Store.iter_trials`."""
        return self._chunks(self.get_experiment(experiment_id), states, after)

    def list_trials(
        self,
        experiment_id: str,
        *,
        states: Collection[TrialState] | None = None,
        after: int = -1,
        limit: int | None = None,
    ) -> list[Trial]:
        """See `Store.list_trials`."""
        return list(islice(self._chunks(self.get_experiment(experiment_id), states, after, limit or _CHUNK), limit))

    def light_trials(self, experiment_id: str, *, ended_from: int | None = None) -> Iterator[list[LightTrial]]:
        """See `Store.light_trials`."""
        self.get_experiment(experiment_id)
        return self._light_chunks(experiment_id, ended_from)

    def count_trials(self, experiment_id: str) -> dict[TrialState, int]:
        """See `Store.count_trials`."""
        counts = self._read(trial_queries.count_by_state, experiment_id)
        if not any(counts.values()):
            self.get_experiment(experiment_id)
        return counts

    def best_trials(self, experiment_id: str, k: int, direction: Direction | None = None) -> list[Trial]:
        """See `Store.best_trials`."""
        record = self.get_experiment(experiment_id)
        return self._read(trial_queries.best, record, k, record.direction if direction is None else direction)

    def failure_reasons(self, experiment_id: str) -> list[FailureReason]:
        """See `Store.failure_reasons`."""
        self.get_experiment(experiment_id)
        return self._read(trial_queries.failure_reasons, experiment_id)

    def intermediates(self, experiment_id: str, number: int) -> tuple[Intermediate, ...]:
        """See `Store.intermediates`."""
        found = self._read(trial_queries.intermediates, experiment_id, number)
        if not found:
            self.get_trial(experiment_id, number)
        return found

    def load_log(self, experiment_id: str, *, with_reports: bool = False) -> ExperimentLog:
        """See `Store.load_log`."""
        with self._backend.reading() as connection:
            record = experiment_queries.get(connection, experiment_id, self._where)
            return log_queries.log(connection, record, with_reports=with_reports)

    # One-shot searches ------------------------------------------------------------------------------------------------

    def write_epoch(self, experiment_id: str, epoch: EpochRecord) -> None:
        """See `Store.write_epoch`."""
        with self._backend.writing() as connection:
            epoch_queries.put(connection, experiment_id, epoch, self._where)

    def list_epochs(self, experiment_id: str, *, after: int = -1) -> list[EpochRecord]:
        """See `Store.list_epochs`."""
        found = self._read(epoch_queries.all_of, experiment_id, after)
        if not found:
            self.get_experiment(experiment_id)
        return found

    # Drawings ---------------------------------------------------------------------------------------------------------

    def write_drawing(self, experiment_id: str, drawing: dict[str, Any]) -> None:
        """See `Store.write_drawing`."""
        with self._backend.writing() as connection:
            drawing_queries.put(connection, experiment_id, drawing, self._where)

    def read_drawing(self, experiment_id: str) -> dict[str, Any] | None:
        """See `Store.read_drawing`."""
        found = self._read(drawing_queries.get, experiment_id)
        if found is None:
            self.get_experiment(experiment_id)
        return found

    # Between processes ------------------------------------------------------------------------------------------------

    def stop_requested(self, experiment_id: str) -> bool:
        """See `Store.stop_requested`."""
        return self._read(experiment_queries.stop_requested, experiment_id, self._where)

    def acquire(self, experiment_id: str) -> Callable[[], None] | None:
        """See `Store.acquire`."""
        deadline = time.monotonic() + self._backend.patience_s
        while (release := self._backend.acquire(experiment_id)) is None and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        return release

    def is_running(self, experiment_id: str) -> bool:
        """See `Store.is_running`."""
        return self._backend.is_held(experiment_id)

    def verify(self) -> None:
        """See `Store.verify`."""
        self._backend.verify()

    def check(self) -> None:
        """See `Store.check`."""
        self._backend.check()

    # Files ------------------------------------------------------------------------------------------------------------

    def directory(self, experiment_id: str) -> Path:
        """See `Store.directory`."""
        self.get_experiment(experiment_id)
        return make_folder(self._backend.location.files, experiment_id)

    def trial_files(self, experiment_id: str) -> TrialFiles:
        """See `Store.trial_files`."""
        self.get_experiment(experiment_id)
        folder = folder_of(self._backend.location.files, experiment_id)
        refuse_links(folder)
        return TrialFiles(folder)

    def _read(self, query: Callable[..., T], *arguments: Any) -> T:
        with self._backend.reading() as connection:
            return query(connection, *arguments)

    def _light_chunks(self, experiment_id: str, ended_from: int | None) -> Iterator[list[LightTrial]]:
        last, count = -1, LIGHT_CHUNK
        while count == LIGHT_CHUNK:
            with self._backend.reading() as connection:
                found = light_queries.chunk(
                    connection, experiment_id, after=last, ended_from=ended_from, count=LIGHT_CHUNK
                )
            count = len(found)
            if found:
                last = found[-1].number
                yield found

    def _chunks(
        self, record: ExperimentRecord, states: Collection[TrialState] | None, last: int, size: int = _CHUNK
    ) -> Iterator[Trial]:
        size = min(size, _CHUNK)
        while chunk := self._read(trial_queries.chunk, record, last, states, size):
            yield from chunk
            last = chunk[-1].number
