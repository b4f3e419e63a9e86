"""`ExperimentWatch`: what ``retiarii show --watch`` reads again and again."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retiarii.analysis import BestSoFar, TrialTable, TrialTableReader, best_so_far
from retiarii.trial import TrialState

if TYPE_CHECKING:
    from retiarii.storage import EpochRecord, ExperimentRecord, Store
    from retiarii.trial import Trial

MAX_SHOWN = 8
"""The number of running trials, and of trials that ended last, that are shown."""

_GRACE_S = 3.0
_RECENT = 50  # trials from which the remaining time is estimated


@dataclass(frozen=True)
class Seen:
    """An experiment at one moment.

    Attributes:
        record: The experiment.
        table: Its trials.
        best: The best so far.
        running: Trials that run, the first ones by number.
        last: The trials that ended last, the latest first.
        epochs: The epochs of a supernet.
        state: ``"running"``, ``"done"``, ``"stopped"``, ``"failed"``, or ``"dead"`` if its process was killed.
    """

    record: ExperimentRecord
    table: TrialTable
    best: BestSoFar
    running: list[Trial]
    last: list[Trial]
    epochs: list[EpochRecord]
    state: str

    @property
    def num_ended(self) -> int:
        """The number of trials that have ended."""
        return len(self.table) - self.num_running

    @property
    def num_running(self) -> int:
        """The number of trials that run."""
        return int(self.table.is_in(TrialState.RUNNING).sum())

    @property
    def total(self) -> int | None:
        """The largest number of trials; None without a limit."""
        limit = self.record.config.get("settings", {}).get("max_trial_number")
        return limit if isinstance(limit, int) else None

    @property
    def left_s(self) -> float | None:
        """The estimated time until the largest number of trials is reached; None if it is unknown."""
        if self.total is None or self.state != "running":
            return None
        ended = np.sort(self.table.ended[np.isfinite(self.table.ended)])[-_RECENT:]
        if len(ended) < 2:
            return None
        left = max(self.now - float(ended[0]), 0.0) / (len(ended) - 1) * max(self.total - self.num_ended, 0)
        return left if left >= 1 else None

    @property
    def now(self) -> float:
        """The time on the clock of the experiment: of a simulated one, the last that it stored."""
        service = self.record.config.get("settings", {}).get("training_service", {})
        return self.record.spent_s if service.get("platform") == "simulated" else time.time()

    @property
    def failures(self) -> list[tuple[tuple[str, str], int]]:
        """The kinds and messages of failures with their numbers, the most frequent first."""
        codes = self.table.failure.codes
        counts = Counter(codes[self.table.is_in(TrialState.FAILED) & (codes >= 0)].tolist())
        return [(self.table.failure.values[code], count) for code, count in counts.most_common()]


class ExperimentWatch:
    """Reads an experiment that another process may be running; only what is new is read again.

    Args:
        store: The store.
        experiment_id: The experiment.
    """

    def __init__(self, store: Store, experiment_id: str) -> None:
        self._store, self._id = store, experiment_id
        self._reader = TrialTableReader(experiment_id)
        self._epochs: list[EpochRecord] = []
        self._last_alive = time.monotonic()

    def look(self) -> Seen:
        """Return the experiment as it is now.

        Raises:
            NotFoundError: It was deleted.
            StorageError: The store cannot be read.
        """
        record = self._store.get_experiment(self._id)
        is_alive = self._store.is_running(self._id)
        table = self._reader.refresh(self._store)
        after = self._epochs[-1].number if self._epochs else -1
        self._epochs += self._store.list_epochs(self._id, after=after)
        by_end = np.argsort(table.finish_order)[::-1]
        last = [int(table.number[row]) for row in by_end[:MAX_SHOWN] if table.finish_order[row] >= 0]
        return Seen(
            record,
            table,
            best_so_far(table),
            self._store.list_trials(self._id, states=[TrialState.RUNNING], limit=MAX_SHOWN),
            [self._store.get_trial(self._id, number) for number in last],
            self._epochs,
            self._state(record, is_alive=is_alive),
        )

    def _state(self, record: ExperimentRecord, *, is_alive: bool) -> str:
        """Return the state; a process takes a moment from the creation of its experiment to the lock."""
        now = time.monotonic()
        if is_alive:
            self._last_alive = now
        silent_s = max(now - self._last_alive, time.time() - record.updated)
        if record.state.value == "running" and not is_alive and silent_s > _GRACE_S:
            return "dead"
        return record.state.value
