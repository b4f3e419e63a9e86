"""`KeptTables`: the tables of trials that are in memory, for all browsers and API clients together."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Condition, Lock, Thread

import numpy as np

from retiarii.analysis import TrialTable, TrialTableReader
from retiarii.dashboard._reading.changes import NO_ANSWER, PATIENCE_S
from retiarii.errors import NotFoundError, RetiariiError, StorageError
from retiarii.storage import Store

logger = logging.getLogger(__name__)

MAX_BYTES = 96 * 2**20
"""The memory that tables may take together; the one that was used last stays in any case."""

_BYTES_OF_VALUE = 250  # a distinct value of a column with its text and code, measured with float choices


@dataclass(frozen=True)
class TrialsNow:
    """The trials of an experiment, as far as they are known now.

    Attributes:
        table: The trials.
        is_complete: Whether these are all trials, as they were when the caller asked or later; not while a large
            experiment is read for the first time.
        problem: Why the store cannot be read at present, as a sentence; the table is then from before.
    """

    table: TrialTable
    is_complete: bool = True
    problem: str = ""


class KeptTables:
    """Keeps tables of trials up to date; those that were not used for longest leave memory.

    Args:
        store: Returns the store.
        max_bytes: The memory that tables may take together.
    """

    def __init__(self, store: Callable[[], Store], *, max_bytes: int = MAX_BYTES) -> None:
        self._store, self._max_bytes = store, max_bytes
        self._lock = Lock()
        self._kept: OrderedDict[str, _KeptTable] = OrderedDict()

    def look(self, experiment_id: str, patience_s: float | None) -> TrialsNow:
        """Return the trials of an experiment as they are now.

        Args:
            experiment_id: The id of the experiment.
            patience_s: After this time what is known by then is returned; None waits for all trials.

        Raises:
            NotFoundError: The experiment does not exist.
            StorageError: The store cannot be read, or does not answer, and nothing is known yet, or all trials are
                wanted.
        """
        with self._lock:
            kept = self._kept.setdefault(experiment_id, _KeptTable(experiment_id, self._store))
            self._kept.move_to_end(experiment_id)
        try:
            return kept.look(patience_s)
        except NotFoundError:
            with self._lock:
                self._kept.pop(experiment_id, None)
            raise
        finally:
            self._trim()

    def _trim(self) -> None:
        with self._lock:
            while len(self._kept) > 1 and sum(kept.num_bytes for kept in self._kept.values()) > self._max_bytes:
                self._kept.popitem(last=False)


class _KeptTable:
    """The table of one experiment; one thread at a time reads for all callers, and goes away when nobody waits.

    Args:
        experiment_id: The id of the experiment.
        store: Returns the store.
    """

    def __init__(self, experiment_id: str, store: Callable[[], Store]) -> None:
        self._id, self._store = experiment_id, store
        self._reader = TrialTableReader(experiment_id)
        self._read_from: Store | None = None
        self._changed = Condition()  # of everything below
        self._now: TrialsNow | None = None
        self._error: RetiariiError | None = None
        self._is_reading = self._is_wanted = False
        self._num_begun = self._num_done = 0

    @property
    def num_bytes(self) -> int:
        """The approximate memory that it takes."""
        now = self._now
        return 0 if now is None else _num_bytes(now.table)

    def look(self, patience_s: float | None) -> TrialsNow:
        """Return what a reading that begins from now on finds, or what is known when the patience ends."""
        with self._changed:
            wanted = self._num_begun + 1  # a reading that goes on already may have missed what the caller heard of
            self._is_wanted = True
            if not self._is_reading:
                self._is_reading = True
                Thread(target=self._read, name=f"retiarii-table-{self._id}", daemon=True).start()
            self._changed.wait_for(lambda: self._num_done >= wanted, patience_s)
            if self._now is None and self._error is None:
                self._changed.wait_for(lambda: self._now is not None or self._error is not None, PATIENCE_S)
            if self._error is not None and (self._now is None or patience_s is None):
                raise self._error
            if self._now is None:
                raise StorageError(NO_ANSWER)
            return self._now if self._num_done >= wanted else replace(self._now, is_complete=False)

    def _read(self) -> None:
        """Read until nobody wants more."""
        while True:
            with self._changed:
                if not self._is_wanted:
                    self._is_reading = False
                    return
                self._num_begun, self._is_wanted, self._error = self._num_begun + 1, False, None
            try:
                self._read_once()
            except RetiariiError as err:
                self._fail(err)
            except Exception as err:
                logger.exception("Reading experiment %s failed", self._id)
                self._fail(StorageError(f"Reading experiment {self._id!r} failed: {type(err).__name__}: {err}"))
            with self._changed:
                self._num_done = self._num_begun
                self._changed.notify_all()

    def _read_once(self) -> None:
        store = self._store()
        if store is not self._read_from:
            self._reader, self._read_from = TrialTableReader(self._id), store
        known = self._now
        for table in self._reader.steps(store):
            if known is None or not known.is_complete:  # the first reading: every part is better than nothing
                self._publish(TrialsNow(table, is_complete=False))
        self._publish(TrialsNow(table))

    def _publish(self, now: TrialsNow) -> None:
        with self._changed:
            self._now, self._error = now, None
            self._changed.notify_all()

    def _fail(self, err: RetiariiError) -> None:
        with self._changed:
            self._error = err
            is_gone = isinstance(err, NotFoundError)
            self._now = None if is_gone or self._now is None else TrialsNow(self._now.table, False, str(err))


def _num_bytes(table: TrialTable) -> int:
    columns = [value for value in vars(table).values() if isinstance(value, np.ndarray)] + list(table.metrics.values())
    coded = [table.fidelity, table.device, table.failure, *table.choices.values()]
    arrays = sum(column.nbytes for column in columns) + sum(column.codes.nbytes for column in coded)
    return arrays + _BYTES_OF_VALUE * sum(len(column.values) for column in coded)
