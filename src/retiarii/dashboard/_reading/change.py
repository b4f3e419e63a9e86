"""`Change`: what has changed in a store, for one experiment or for the list of experiments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from retiarii.storage import ExperimentState
from retiarii.trial import TrialState

MOST_NUMBERS = 1000
"""The maximum number of trials that a change lists."""


@dataclass(frozen=True)
class Change:
    """What has changed since the last change that a follower got.

    Attributes:
        experiment_id: The experiment; None for the list of experiments.
        state: Its present state, as its own process wrote it; None for the list, and if it cannot be read.
        is_running: Whether a process runs it. One in the state ``running`` without a process was killed.
        stop_requested: Whether the running process was asked to stop.
        updated: The Unix time of its last change, in seconds.
        counts: The number of its trials in each state; without a process, running trials are interrupted.
        started: The numbers of trials that have started.
        ended: The numbers of trials that have ended.
        reported: The numbers of running trials that have reported intermediate results.
        num_epochs: The number of epochs of a one-shot search.
        is_complete: Whether the numbers of trials are all that have changed. If not, read everything anew.
        is_deleted: Whether the experiment does not exist, or not any more.
        problem: Why the store or the experiment cannot be read at present, as a sentence; empty if it can.
    """

    experiment_id: str | None
    state: ExperimentState | None = None
    is_running: bool = False
    stop_requested: bool = False
    updated: float | None = None
    counts: Mapping[TrialState, int] = field(default_factory=dict)
    started: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()
    reported: tuple[int, ...] = ()
    num_epochs: int = 0
    is_complete: bool = False
    is_deleted: bool = False
    problem: str = ""

    @property
    def without_trials(self) -> Change:
        """The present state, for a follower that knows nothing of the trials yet."""
        return replace(self, started=(), ended=(), reported=(), is_complete=False)

    def after(self, earlier: Change | None) -> Change:
        """Return this change and an earlier one, of the same experiment, as one change."""
        if earlier is None:
            return self
        return replace(
            self,
            started=(*earlier.started, *self.started),
            ended=(*earlier.ended, *self.ended),
            reported=tuple(dict.fromkeys((*earlier.reported, *self.reported))),
            is_complete=earlier.is_complete and self.is_complete,
        ).bounded()

    def bounded(self) -> Change:
        """Return the change without its numbers of trials if they are too many."""
        if max(len(self.started), len(self.ended), len(self.reported)) <= MOST_NUMBERS:
            return self
        return self.without_trials
