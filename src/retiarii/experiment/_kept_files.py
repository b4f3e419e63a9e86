"""`KeptFiles`: of all trials, only the best keep their files."""

from __future__ import annotations

from collections.abc import Sequence

from retiarii.experiment._callbacks import Callback
from retiarii.trial import Direction, Trial, TrialFiles, TrialState


class KeptFiles(Callback):
    """Removes the folder of each trial that is not, or no longer, among the best.

    It is told of trials after they are stored, so that a process that is killed at any instant leaves at most a few
    folders too many, which the next run removes.

    Args:
        files: The folders.
        count: How many are kept.
        direction: Whether larger or smaller metrics are better.
    """

    def __init__(self, files: TrialFiles, count: int, direction: Direction) -> None:
        self._files, self._count = files, count
        self._sign = 1 if direction is Direction.MINIMIZE else -1
        self._best: list[tuple[float, int]] = []  # best first; of equal ones the earlier, as in Store.best_trials

    def on_experiment_start(self, trials: Sequence[Trial]) -> None:
        """Begin with what earlier runs left: files of trials that were interrupted go, for they start anew."""
        self._best = sorted(filter(None, map(self._rank, trials)))[: self._count]
        self.sweep()

    def on_trial_end(self, trial: Trial) -> None:
        """Let the trial's files take their place."""
        rank = self._rank(trial)
        if rank is not None:
            self._best = sorted([*self._best, rank])
        dropped = [number for _, number in self._best[self._count :]] if rank is not None else [trial.number]
        del self._best[self._count :]
        for number in dropped:
            self._files.remove(number)

    def sweep(self) -> None:
        """Remove the folders of all trials but the best, once nothing runs any more."""
        self._files.keep_only({number for _, number in self._best})

    def _rank(self, trial: Trial) -> tuple[float, int] | None:
        if trial.state is not TrialState.COMPLETED or trial.metric is None:
            return None
        return self._sign * trial.metric, trial.number
