"""`TrialWriter`: writes the trials and reports of a running experiment to its store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from retiarii.errors import StoreFullError
from retiarii.storage import Intermediate, Store
from retiarii.trial import Trial

GROUP_S = 0.2
"""How long results of a simulation may wait, in real seconds: a killed simulation computes them again."""


class TrialWriter:
    """Writes what happened in one step of the loop, in one transaction.

    With ``group_s``, several steps are written together, and of a trial that started and ended in them only the end.
    The store always has the state after some step, never one in the middle of a step.

    Args:
        store: The store.
        experiment_id: The id of the experiment.
        free: Called with ended trials when the disk is full; removes files that are not needed, and returns whether
            there were any.
        group_s: How many real seconds steps may wait; 0 writes every step at once.
    """

    def __init__(
        self,
        store: Store,
        experiment_id: str,
        *,
        free: Callable[[Sequence[Trial]], bool],
        group_s: float = 0.0,
    ) -> None:
        self._store, self._id, self._free, self._group_s = store, experiment_id, free, group_s
        self._trials: dict[int, Trial] = {}
        self._reported: list[Intermediate] = []
        self._written = time.monotonic()

    def write(self, trials: Sequence[Trial], reported: Sequence[Intermediate]) -> None:
        """Write the trials that ended and started in one step, and the reports before.

        Raises:
            StorageError: The store cannot be written.
        """
        self._trials.update((trial.number, trial) for trial in trials)
        self._reported += reported
        if not self._group_s or time.monotonic() - self._written >= self._group_s:
            self.flush()

    def flush(self) -> None:
        """Write everything that waits.

        Raises:
            StorageError: The store cannot be written.
        """
        trials, reported = list(self._trials.values()), self._reported
        self._written = time.monotonic()
        if not trials and not reported:
            return
        try:
            self._store.write(self._id, trials=trials, intermediates=reported)
        except StoreFullError:  # perhaps because of files of a trial that failed for lack of space
            if not self._free([trial for trial in trials if trial.state.is_finished]):
                raise
            self._store.write(self._id, trials=trials, intermediates=reported)
        self._trials, self._reported = {}, []
