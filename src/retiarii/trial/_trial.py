"""`Trial`: one evaluation of one architecture, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from retiarii.space import Architecture
from retiarii.trial._metrics import Metrics, default_metric
from retiarii.trial._reports import Reports


class Direction(str, Enum):
    """Whether a larger or a smaller metric is better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    def is_better(self, left: float, right: float) -> bool:
        """Return whether ``left`` is strictly better than ``right``."""
        return left > right if self is Direction.MAXIMIZE else left < right


class TrialState(str, Enum):
    """The life of a trial: running, then one of three ends.

    A trial that was running when its experiment stopped or was killed is `INTERRUPTED`: a resume runs it again. Stores
    have it as running; `Trial.seen` tells the two apart.
    """

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PRUNED = "pruned"
    INTERRUPTED = "interrupted"

    @property
    def is_finished(self) -> bool:
        """Whether nothing will change any more."""
        return self not in (TrialState.RUNNING, TrialState.INTERRUPTED)


class FailureKind(str, Enum):
    """Why a trial failed."""

    RAISED = "raised"  # the user's code raised
    VANISHED = "vanished"  # the process ended without a word: os._exit, SIGKILL, SIGSEGV, ...
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    BAD_METRIC = "bad_metric"  # NaN, not a number, or never reported
    INVALID_MODEL = "invalid_model"  # the architecture does not build
    CANCELLED = "cancelled"  # stopped by the user or at the end of the experiment


@dataclass(frozen=True)
class Failure:
    """Why a trial failed, for people.

    Attributes:
        kind: The class of fault.
        message: One line: the exception, the signal, or the limit that was passed.
        traceback: The remote traceback, where there was an exception.
    """

    kind: FailureKind
    message: str
    traceback: str | None = None


@dataclass(frozen=True)
class Trial:
    """One evaluation of one architecture.

    Attributes:
        number: 0, 1, 2, ... in the order in which the strategy proposed.
        architecture: What is evaluated.
        state: Where it stands.
        metrics: Final metrics, with the key ``"default"``; None unless completed.
        intermediates: Metrics reported on the way, in order: a tuple, or while the trial runs a `Reports`.
        told_before: How many trials the strategy had been told when it proposed this one (for exact resume).
        finish_order: 0, 1, 2, ... in the order in which trials ended; None while running.
        started: Unix time, seconds.
        ended: Unix time, seconds; None while running.
        device: Where it ran: ``"cpu"``, ``"cuda:1"``, ...
        failure: Why it failed, if it did.
        output: The last lines that it printed.
    """

    number: int
    architecture: Architecture
    state: TrialState = TrialState.RUNNING
    metrics: Metrics | None = None
    intermediates: tuple[Metrics, ...] | Reports = ()
    told_before: int = 0
    finish_order: int | None = None
    started: float | None = None
    ended: float | None = None
    device: str | None = None
    failure: Failure | None = None
    output: str = field(default="", repr=False)

    @property
    def metric(self) -> float | None:
        """The metric that strategies compare; None unless completed."""
        return default_metric(self.metrics)

    @property
    def duration_s(self) -> float | None:
        """Seconds from start to end; None while running."""
        if self.started is None or self.ended is None:
            return None
        return self.ended - self.started

    def seen(self, *, is_running: bool) -> Trial:
        """Return the trial as it stands now: one that runs in no process is interrupted.

        Args:
            is_running: Whether a process runs its experiment.
        """
        is_left = self.state is TrialState.RUNNING and not is_running
        return self.evolve(state=TrialState.INTERRUPTED) if is_left else self

    def evolve(self, **changes: Any) -> Trial:
        """Return a copy with some fields changed."""
        return Trial(**{**vars(self), **changes})  # dataclasses.replace() takes three times as long
