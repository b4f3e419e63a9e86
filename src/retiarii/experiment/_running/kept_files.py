"""`KeptFiles`: remove the files of trials, except of the best and of those that later trials may continue."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from heapq import nsmallest

from retiarii._durations import parse_size
from retiarii.experiment._control.callbacks import Callback
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.strategy import Search
from retiarii.trial import Trial, TrialFiles

logger = logging.getLogger(__name__)

_LAST = (math.inf, math.inf, 0)  # the rank of a trial that has no metric to compare


class KeptFiles(Callback):
    """A callback that removes the folder of each trial that is not needed any more.

    The folders of the best trials, of trials that the search may continue, and of trials that running trials continue
    are needed. If the files of continuable trials exceed the limit, those of the worst trials are removed, and the
    search is informed by `Search.forget_checkpoint`. Folders are removed after a trial is stored: a process that is
    killed leaves at most a few unneeded folders, which the next run removes. The numbers of trials that had files to
    continue from are recorded, so that a resumed search is informed about removed ones.

    Args:
        files: The folders of the trials.
        config: The settings ``keep_checkpoints`` (the number of trials) and ``checkpoint_limit`` (the size).
        search: The running search.
    """

    def __init__(self, files: TrialFiles, config: RetiariiExeConfig, search: Search) -> None:
        self._files, self._count, self._search = files, config.keep_checkpoints, search
        self._limit = parse_size(config.checkpoint_limit, name="checkpoint_limit")
        self._best: list[tuple[float, float, int]] = []  # best first, as in Store.best_trials
        self._ranks: dict[int, tuple[float, float, int]] = {}  # of finished trials that have a folder
        self._sizes: dict[int, int] = {}

    def on_experiment_start(self, trials: Sequence[Trial]) -> None:
        """Sweep the folders that earlier runs left; interrupted trials start anew, so theirs are removed."""
        found, ranks = set(self._files.numbers()), {}
        had_files = self._files.noted_continuable()

        def comparable() -> Iterator[tuple[float, float, int]]:
            for trial in trials:
                rank = self._search.objectives.rank(trial)
                if trial.number in found:
                    ranks[trial.number] = rank
                if rank is not None:
                    yield rank

        self._best = nsmallest(self._count, comparable())
        for number in (had_files - found).intersection(self._search.continuable):
            self._search.forget_checkpoint(number)  # its files were removed to save space, or by the user
        self.sweep()
        for number in self._files.numbers():
            self._note(number, ranks.get(number), is_noted=number in had_files)
        self._make_room()

    def on_trial_end(self, trial: Trial) -> None:
        """Let the trial's files take their place, and remove those that are not needed any more."""
        rank = self._search.objectives.rank(trial)
        if rank is not None:
            self._best = sorted([*self._best, rank])[: self._count]
        self._note(trial.number, rank)
        if not self._ranks:
            return  # there are no files
        protected, continuable = self._protected(), self._search.continuable
        for number in [number for number in self._ranks if number not in protected and number not in continuable]:
            self._drop(number)  # few have files, where a million may be continued without any
        self._make_room()

    def free(self, trials: Sequence[Trial]) -> bool:
        """Remove the files of trials that ended without a result; return whether there were any."""
        useless = [trial.number for trial in trials if not trial.is_completed and self._files.kept(trial.number)]
        for number in useless:
            logger.warning("The disk is full: the files of trial %d go at once.", number)
            self._files.remove(number)
        return bool(useless)

    def sweep(self) -> None:
        """Remove the folders of all trials that are not needed, once nothing runs any more."""
        self._files.keep_only(self._needed())

    def _needed(self) -> set[int]:
        return self._protected() | set(self._search.continuable)

    def _protected(self) -> set[int]:
        """Return the trials whose files are always kept."""
        parents = (proposal.parent for proposal in self._search.pending.values())
        return {number for _, _, number in self._best} | {number for number in parents if number is not None}

    def _note(self, number: int, rank: tuple[float, float, int] | None, *, is_noted: bool = False) -> None:
        if self._files.kept(number) is not None:
            self._ranks[number] = rank or _LAST
            self._sizes[number] = self._files.size_bytes(number) if self._limit is not None else 0
            if not is_noted and number in self._search.continuable:
                self._files.note_continuable(number)

    def _drop(self, number: int) -> None:
        self._files.remove(number)
        del self._ranks[number], self._sizes[number]

    def _make_room(self) -> None:
        """Remove files of continuable trials, the worst first, until the limit is kept."""
        if self._limit is None or sum(self._sizes.values()) <= self._limit:
            return
        protected = self._protected()
        for number in sorted(self._ranks.keys() - protected, key=self._ranks.__getitem__, reverse=True):
            logger.info("The files of trial %d go: more than checkpoint_limit are kept to continue trials.", number)
            self._drop(number)
            self._search.forget_checkpoint(number)
            if sum(self._sizes.values()) <= self._limit:
                return
