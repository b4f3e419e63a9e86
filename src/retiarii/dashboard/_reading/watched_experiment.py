"""`WatchedExperiment`: finds what has changed in one experiment since the last look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from retiarii.dashboard._reading.change import MOST_NUMBERS, Change
from retiarii.errors import CorruptStoreError, NotFoundError
from retiarii.storage import ExperimentProgress, ExperimentState, Store
from retiarii.trial import TrialState


class WatchedExperiment:
    """Finds what has changed in one experiment since the last look at it.

    Trials are counted only when one has started or ended.

    Args:
        experiment_id: The id of the experiment.
    """

    def __init__(self, experiment_id: str) -> None:
        self.experiment_id = experiment_id
        self._seen: ExperimentProgress | None = None
        self._latest = Change(experiment_id)

    @property
    def may_change_silently(self) -> bool:
        """Whether the death of a process could change it, which no time of update shows."""
        return self._latest.is_running

    @property
    def latest(self) -> Change:
        """Its present state."""
        return self._latest

    def look(self, store: Store) -> Change | None:
        """Return what has changed since the last look, or None for nothing.

        Raises:
            StorageError: The store cannot be read.
        """
        try:
            change = self._now(store)
        except NotFoundError:
            change, self._seen = Change(self.experiment_id, is_deleted=True), None
        except CorruptStoreError as err:
            if err.experiment_id != self.experiment_id:  # the whole store
                raise
            change, self._seen = Change(self.experiment_id, problem=str(err)), None
        is_news = replace(change, is_complete=False) != self._latest
        self._latest = change.without_trials
        return change if is_news else None

    def _now(self, store: Store) -> Change:
        now = store.progress(self.experiment_id)
        is_running = now.state is ExperimentState.RUNNING and store.is_running(self.experiment_id)
        if now.state is ExperimentState.RUNNING and not is_running:
            now = store.progress(self.experiment_id)  # its process may just have written that it is done
        seen, self._seen = self._seen, now
        change = _trials(seen, now)
        counts = self._latest.counts
        if seen is None or change.started or change.ended or not change.is_complete or seen.state is not now.state:
            counts = store.count_trials(self.experiment_id)
        return replace(
            change,
            experiment_id=self.experiment_id,
            state=now.state,
            is_running=is_running,
            stop_requested=now.stop_requested,
            updated=now.updated,
            counts=seen_counts(counts, is_running=is_running),
            num_epochs=now.last_epoch + 1,
        )


def _trials(seen: ExperimentProgress | None, now: ExperimentProgress) -> Change:
    """Return which trials have changed between two looks."""
    if seen is None or now.last_trial < seen.last_trial or now.last_trial - seen.last_trial > MOST_NUMBERS:
        return Change(None)
    fresh = range(seen.last_trial + 1, now.last_trial + 1)
    return Change(
        None,
        started=tuple(fresh),
        ended=tuple(number for number in (*sorted(seen.reports), *fresh) if number not in now.reports),
        reported=tuple(number for number, count in now.reports.items() if count != seen.reports.get(number, 0)),
        is_complete=True,
    ).bounded()


def seen_counts(counts: Mapping[TrialState, int], *, is_running: bool) -> dict[TrialState, int]:
    """Return the number of trials in each state; without a process, running trials are interrupted."""
    unfinished = counts.get(TrialState.RUNNING, 0) + counts.get(TrialState.INTERRUPTED, 0)
    split = {TrialState.RUNNING: unfinished, TrialState.INTERRUPTED: 0}
    if not is_running:
        split = {TrialState.RUNNING: 0, TrialState.INTERRUPTED: unfinished}
    return {**counts, **split}
