"""`KeptFiles`: of all trials, only the best keep their files, and those that later trials may continue."""

from __future__ import annotations

from collections.abc import Sequence

from retiarii.experiment._callbacks import Callback
from retiarii.experiment._config import RetiariiExeConfig
from retiarii.strategy import Search
from retiarii.trial import Trial, TrialFiles


class KeptFiles(Callback):
    """Removes the folder of each trial that is not, or no longer, needed.

    Needed are those of the best trials, those that the search may continue, and those that running trials continue.
    It is told of trials after they are stored, so that a process that is killed at any instant leaves at most a few
    folders too many, which the next run removes.

    Args:
        files: The folders.
        config: Says how many of the best trials keep theirs.
        search: The running search.
    """

    def __init__(self, files: TrialFiles, config: RetiariiExeConfig, search: Search) -> None:
        self._files, self._count, self._search = files, config.keep_checkpoints, search
        self._best: list[tuple[float, float, int]] = []  # best first, as in Store.best_trials
        self._kept: set[int] = set()  # finished trials whose folders are there

    def on_experiment_start(self, trials: Sequence[Trial]) -> None:
        """Begin with what earlier runs left: files of trials that were interrupted go, for they start anew."""
        self._best = sorted(filter(None, map(self._search.objectives.rank, trials)))[: self._count]
        self.sweep()
        self._kept = set(self._files.numbers())

    def on_trial_end(self, trial: Trial) -> None:
        """Let the trial's files take their place, and remove those that are not needed any more."""
        rank = self._search.objectives.rank(trial)
        if rank is not None:
            self._best = sorted([*self._best, rank])[: self._count]
        self._kept.add(trial.number)
        needed = self._needed()
        for number in self._kept - needed:
            self._files.remove(number)
        self._kept &= needed

    def sweep(self) -> None:
        """Remove the folders of all trials that are not needed, once nothing runs any more."""
        self._files.keep_only(self._needed())

    def _needed(self) -> set[int]:
        best = {number for _, _, number in self._best}
        parents = {proposal.parent for proposal in self._search.pending.values() if proposal.parent is not None}
        return best | parents | set(self._search.continuable)
