"""`summarise`: what a list shows of one experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retiarii.dashboard._reading.watched_experiment import seen_counts
from retiarii.storage import ExperimentRecord, ExperimentState, Store
from retiarii.trial import Trial, TrialState


@dataclass(frozen=True)
class ExperimentSummary:
    """An experiment in a line.

    Attributes:
        record: Its record.
        state: Its state in one word: of `ExperimentState`, or ``"interrupted"`` (its process was killed) or
            ``"stopping"``.
        counts: The number of its trials in each state.
        best: The best trial by the first objective.
        max_trials: The number of trials after which it ends; None without such a limit.
    """

    record: ExperimentRecord
    state: str
    counts: Mapping[TrialState, int]
    best: Trial | None
    max_trials: int | None

    @property
    def num_ended(self) -> int:
        """The number of trials that have ended."""
        return sum(count for state, count in self.counts.items() if state.is_finished)


def state_word(store: Store, record: ExperimentRecord) -> str:
    """Return the state of an experiment in one word, as in `ExperimentSummary`."""
    if record.state is not ExperimentState.RUNNING:
        return str(record.state.value)
    if not store.is_running(record.id):
        return "interrupted"
    return "stopping" if record.stop_requested else "running"


def summarise(store: Store, record: ExperimentRecord) -> ExperimentSummary:
    """Read what a list shows of an experiment.

    Raises:
        StorageError: The store or the experiment cannot be read.
    """
    state = state_word(store, record)
    counts = seen_counts(store.count_trials(record.id), is_running=state in ("running", "stopping"))
    best = store.best_trials(record.id, 1)
    return ExperimentSummary(record, state, counts, best[0] if best else None, _max_trials(record.config))


def _max_trials(config: Mapping[str, Any]) -> int | None:
    settings = config.get("settings")
    found = settings.get("max_trial_number") if isinstance(settings, dict) else None
    return found if isinstance(found, int) and found > 0 else None
