"""`TrialTableReader`: the table of an experiment's trials, read fast and kept up to date."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from retiarii._paused_collector import paused_collector
from retiarii.analysis._table_columns import TableColumns
from retiarii.analysis._trial_table import TrialTable
from retiarii.errors import CorruptStoreError
from retiarii.storage import ExperimentRecord, LightTrial, Store

_FAULTS = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


class TrialTableReader:
    """Reads the trials of one experiment as a table, and later only those that are new, have ended, or run.

    It relies on how experiments write trials: one that has ended (`Trial.finish_order`) does not change any more.
    If the experiment was deleted and made again, or the store was restored from a copy, everything is read anew.

    Args:
        experiment_id: The id of the experiment.
    """

    def __init__(self, experiment_id: str) -> None:
        self._id = experiment_id
        self._created: float | None = None
        self._columns = TableColumns()

    def refresh(self, store: Store) -> TrialTable:
        """Return the trials as they are now; the same table if nothing has changed.

        Args:
            store: The store that has the experiment.

        Raises:
            NotFoundError: The experiment does not exist.
            CorruptStoreError: A row is damaged.
        """
        for table in self.steps(store):
            found = table
        return found

    def steps(self, store: Store) -> Iterator[TrialTable]:
        """Yield the table while it is read: each has some thousand trials more, the last one all.

        Args:
            store: The store that has the experiment.

        Raises:
            NotFoundError: The experiment does not exist.
            CorruptStoreError: A row is damaged.
        """
        record = store.get_experiment(self._id)
        if record.created != self._created:
            self._forget(record)
        is_first = not len(self._columns.number)
        if not is_first and not self._add_news(store):
            self._forget(record)
            is_first = True
        if is_first:
            parts = store.light_trials(self._id)
            while True:
                with paused_collector():
                    trials = next(parts, None)
                    if trials is None:
                        break
                    self._add(trials)
                yield self._columns.table(record)
        yield self._columns.table(record)

    def _forget(self, record: ExperimentRecord) -> None:
        self._columns, self._created = TableColumns(), record.created

    def _add_news(self, store: Store) -> bool:
        """Add what is new; return whether the rows that must come back have done so."""
        number, finish_order = self._columns.number, self._columns.finish_order
        last = _num_ended(finish_order) - 1  # all trials up to this place are known
        expected = number[(finish_order < 0) | (finish_order == last)]
        for trials in store.light_trials(self._id, ended_from=max(last, 0)):
            if any(trial.finish_order == last and trial.number not in expected for trial in trials):
                return False
            expected = np.setdiff1d(expected, [trial.number for trial in trials])
            self._add(trials)
        return not len(expected)

    def _add(self, trials: list[LightTrial]) -> None:
        try:
            self._columns.add(trials)
        except _FAULTS as err:
            raise CorruptStoreError(
                f"One of the trials {trials[0].number} to {trials[-1].number} of experiment {self._id!r} is damaged "
                f"({type(err).__name__}: {err}). Restore the store from a copy, or delete the experiment.",
                experiment_id=self._id,
            ) from err


def read_trial_table(store: Store, experiment_id: str) -> TrialTable:
    """Return the trials of an experiment as a table.

    Args:
        store: The store.
        experiment_id: The id of the experiment.

    Raises:
        NotFoundError: The experiment does not exist.
        CorruptStoreError: A row is damaged.
    """
    return TrialTableReader(experiment_id).refresh(store)


def _num_ended(finish_order: npt.NDArray[np.int32]) -> int:
    """Return the first place in the order of ends that no trial has."""
    is_taken = np.zeros(len(finish_order) + 1, np.bool_)
    is_taken[finish_order[(finish_order >= 0) & (finish_order < len(finish_order))]] = True
    return int(np.argmin(is_taken))
