"""`Overview`: how an experiment is doing, what is left of it, and what to do about it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from retiarii._durations import parse_duration
from retiarii._readable import age_text, duration_text
from retiarii.dashboard._reading.watched_experiment import seen_counts
from retiarii.errors import ConfigError
from retiarii.storage import EpochRecord, ExperimentRecord, ExperimentState, FailureReason, Store
from retiarii.trial import Trial, TrialState

SLOW_S = 600.0
"""An experiment that runs and has written nothing for so long is worth a look."""


@dataclass(frozen=True)
class SearchProgress:
    """How much of an experiment is done.

    Attributes:
        done: The number of finished trials.
        total: The maximum number of trials; None without a limit.
        spent_s: The running time so far, in seconds.
        limit_s: The maximum running time; None without a limit.
        left_s: The estimated time until the first limit is reached; None if it cannot be estimated, and for
            experiments that do not run.
    """

    done: int = 0
    total: int | None = None
    spent_s: float = 0.0
    limit_s: float | None = None
    left_s: float | None = None

    @property
    def share(self) -> float | None:
        """The share that is done of the limit that is nearer, at most 1; None without limits."""
        shares = [self.done / self.total] if self.total else []
        shares += [self.spent_s / self.limit_s] if self.limit_s else []
        return min(max(shares), 1.0) if shares else None


@dataclass(frozen=True)
class Overview:
    """How an experiment is doing.

    Attributes:
        record: The experiment.
        state: ``"running"``, ``"stopping"``, ``"stopped"``, ``"done"`` or ``"failed"``; an experiment whose process
            was killed is stopped.
        sentence: What happened and what to do, in a sentence or two; empty if all is well.
        command: The command that does it; empty if there is nothing to do.
        counts: The number of trials in each state.
        progress: How much of it is done.
        best: The best trial; None if there is none yet.
        failures: The reasons for which trials failed, most frequent first.
        num_epochs: The number of epochs of a one-shot search.
        last_epoch: The last one.
    """

    record: ExperimentRecord
    state: str
    sentence: str = ""
    command: str = ""
    counts: Mapping[TrialState, int] = field(default_factory=dict)
    progress: SearchProgress = field(default_factory=SearchProgress)
    best: Trial | None = None
    failures: tuple[FailureReason, ...] = ()
    num_epochs: int = 0
    last_epoch: EpochRecord | None = None

    @property
    def is_running(self) -> bool:
        """Whether a process runs the experiment."""
        return self.state in ("running", "stopping")

    @property
    def can_resume(self) -> bool:
        """Whether a resume would continue it."""
        return self.state in ("stopped", "failed")


def overview(store: Store, experiment_id: str) -> Overview:
    """Read how an experiment is doing.

    Args:
        store: The store.
        experiment_id: The experiment.

    Raises:
        NotFoundError: The experiment does not exist.
    """
    is_alive = store.is_running(experiment_id)
    record = store.get_experiment(experiment_id)  # afterwards: a process that ends in between has written its end
    counts = seen_counts(store.count_trials(experiment_id), is_running=is_alive)
    state = shown_state(record, is_alive=is_alive)
    best = store.best_trials(experiment_id, 1)
    epochs = store.list_epochs(experiment_id)
    command = store.command(f"resume {experiment_id}")
    return Overview(
        record=record,
        state=state,
        sentence=_sentence(record, state),
        command=command if state in ("stopped", "failed") else "",
        counts=counts,
        progress=_progress(record, counts, is_alive=is_alive),
        best=best[0] if best else None,
        failures=tuple(store.failure_reasons(experiment_id)),
        num_epochs=len(epochs),
        last_epoch=epochs[-1] if epochs else None,
    )


def shown_state(record: ExperimentRecord, *, is_alive: bool) -> str:
    """Return the state of an experiment as people see it; one whose process was killed is stopped.

    Args:
        record: The experiment.
        is_alive: Whether a process runs it.
    """
    if record.state is not ExperimentState.RUNNING:
        return str(record.state.value)
    if not is_alive:
        return "stopped"
    return "stopping" if record.stop_requested else "running"


def _sentence(record: ExperimentRecord, state: str) -> str:
    ago = age_text(record.updated)
    message = record.message.partition("\n\n")[0].strip().rstrip(".")  # without the traceback that may follow
    if state == "stopped" and record.state is ExperimentState.RUNNING:
        return (
            f"Its process ended unexpectedly {ago}; it may have been killed. Nothing finished is lost. Resume it with:"
        )
    if state == "stopped":
        reason = f" ({message})" if message else ""
        return f"It was stopped {ago}{reason}. Finished trials are kept."
    if state == "failed":
        return f"It failed {ago}: {message or 'no reason was stored'}. Remove the cause, then resume it."
    if state == "running" and time.time() - record.updated > SLOW_S:
        return f"It has written nothing for {duration_text(time.time() - record.updated)}, but its process is alive."
    if state == "done":
        return f"It ended {ago}: {message}." if message else f"It ended {ago}."
    return ""


def _progress(record: ExperimentRecord, counts: Mapping[TrialState, int], *, is_alive: bool) -> SearchProgress:
    settings = record.config.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    found = settings.get("max_trial_number")
    total = found if isinstance(found, int) and found > 0 else None
    done = sum(count for state, count in counts.items() if state.is_finished)
    limit_s = _limit_s(settings.get("max_experiment_duration"))
    left = []
    if total is not None and done and record.spent_s:
        left.append(record.spent_s / done * max(total - done, 0))
    if limit_s is not None:
        left.append(max(limit_s - record.spent_s, 0.0))
    left_s = min(left) if left and is_alive else None
    return SearchProgress(done, total, record.spent_s, limit_s, left_s)


def _limit_s(text: object) -> float | None:
    if not isinstance(text, (str, int, float)):
        return None
    try:
        limit_s = parse_duration(text, name="max_experiment_duration")
    except ConfigError:  # of another version
        return None
    return limit_s if limit_s is not None and math.isfinite(limit_s) else None
