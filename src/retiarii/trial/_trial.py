"""`Trial`: the immutable record of one evaluation of one architecture."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from retiarii import _plain_data as plain
from retiarii.space import Architecture
from retiarii.trial._fidelity import FULL, Fidelity
from retiarii.trial._metrics import DEFAULT, Metrics
from retiarii.trial._proposal import Proposal
from retiarii.trial._reports import Reports


class TrialState(str, Enum):
    """The state of a trial: running, then completed, failed or pruned.

    A trial that was running when its experiment stopped or was killed is `INTERRUPTED`, and a resume runs it again. In
    stores it is still marked as running; `Trial.seen` returns it as interrupted.
    """

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    PRUNED = "pruned"
    INTERRUPTED = "interrupted"

    @property
    def is_finished(self) -> bool:
        """Whether the trial has ended for good."""
        return self is not TrialState.RUNNING and self is not TrialState.INTERRUPTED


class FailureKind(str, Enum):
    """Why a trial failed."""

    RAISED = "raised"  # the user's code raised
    VANISHED = "vanished"  # the process ended without reporting: os._exit, SIGKILL, SIGSEGV, ...
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    BAD_METRIC = "bad_metric"  # NaN, not a number, or never reported
    INVALID_MODEL = "invalid_model"  # the architecture does not build
    CANCELLED = "cancelled"  # stopped by the user or at the end of the experiment


@dataclass(frozen=True)
class Failure:
    """The reason for which a trial failed.

    Attributes:
        kind: The kind of failure.
        message: One line: the exception, the signal, or the limit that was exceeded.
        traceback: The remote traceback, where there was an exception.
    """

    kind: FailureKind
    message: str
    traceback: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the failure as plain JSON data."""
        traceback = None if self.traceback is None else plain.clean_text(self.traceback)
        return {"kind": self.kind.value, "message": plain.clean_text(self.message), "traceback": traceback}

    @classmethod
    def from_json(cls, data: Any) -> Failure:
        """Read the data that `to_json` returned.

        Raises:
            RecordError: ``data`` is something else.
        """
        readers = {"kind": plain.one_of(FailureKind), "message": plain.text, "traceback": plain.optional(plain.text)}
        return cls(**plain.read_fields("a failure", data, readers, required=("kind", "message")))


@dataclass(frozen=True)
class Trial:
    """One evaluation of one architecture.

    Attributes:
        number: 0, 1, 2, ... in the order in which the strategy proposed.
        architecture: The evaluated architecture.
        state: Running, completed, failed, pruned or interrupted.
        metrics: The final metrics of a completed trial, or the last reported ones of a pruned trial; else None.
        intermediates: The intermediate metrics, in order: a tuple, or a `Reports` while the trial runs.
        told_before: How many results the strategy had received when it proposed this trial (for exact resume).
        finish_order: 0, 1, 2, ... in the order in which trials ended; None while the trial runs.
        started: The Unix time of its start, in seconds.
        ended: The Unix time of its end, in seconds; None while the trial runs.
        device: The device on which it ran: ``"cpu"``, ``"cuda:1"``, ...
        failure: The reason for which it failed; None if it did not fail.
        output: The last lines of its output.
        fidelity: How much training it got; empty if the evaluator decided.
        parent: The number of the trial whose checkpoint it continued from; None if it started from new weights.
        objective: The name of the metric by which the experiment ranks its trials.
        violation: By how much its metrics break the constraints on metrics, 0 if they keep all; see
            `Constraint.violation`.
        reason: The reason for which it was pruned.
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
    fidelity: Fidelity = FULL
    parent: int | None = None
    objective: str = DEFAULT
    violation: float = 0.0
    reason: str = ""

    @property
    def metric(self) -> float | None:
        """The metric by which trials are ranked; None where it was not reported."""
        return None if self.metrics is None else self.metrics.get(self.objective)

    @property
    def is_completed(self) -> bool:
        """Whether the evaluation ended with a result."""
        return self.state is TrialState.COMPLETED

    @property
    def was_cancelled(self) -> bool:
        """Whether the trial was stopped from outside, so that its failure says nothing about the architecture."""
        return self.failure is not None and self.failure.kind is FailureKind.CANCELLED

    @property
    def is_feasible(self) -> bool:
        """Whether the metrics keep all constraints on metrics."""
        return self.violation == 0

    @property
    def proposal(self) -> Proposal:
        """The proposal that this trial evaluates."""
        return Proposal(self.architecture, self.fidelity, self.parent)

    @property
    def duration_s(self) -> float | None:
        """Seconds from start to end; None while running."""
        if self.started is None or self.ended is None:
            return None
        return self.ended - self.started

    def seen(self, *, is_running: bool) -> Trial:
        """Return the trial with its present state: a running trial that no process runs is interrupted.

        Args:
            is_running: Whether a process runs the trial's experiment.
        """
        is_left = self.state is TrialState.RUNNING and not is_running
        return self.evolve(state=TrialState.INTERRUPTED) if is_left else self

    def reported(self, metrics: Metrics) -> Trial:
        """Return the running trial with one more intermediate result, in constant time."""
        reports = self.intermediates
        reports = reports if isinstance(reports, Reports) else Reports(reports)
        return self.evolve(intermediates=reports.then(metrics))

    def evolve(self, **changes: Any) -> Trial:
        """Return a copy with some fields changed; a search makes several for each trial.

        Raises:
            TypeError: A field does not exist.
        """
        if not changes.keys() <= _FIELDS:
            raise TypeError(f"evolve() got {sorted(changes.keys() - _FIELDS)}, which are no fields of a trial.")
        copy = object.__new__(Trial)
        vars(copy).update(vars(self), **changes)  # dataclasses.replace() takes ten times as long
        return copy

    def to_json(self) -> dict[str, Any]:
        """Return the trial as plain JSON data.

        Numbers that are not finite are the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``. NUL characters and
        lone surrogates in texts are replaced.
        """
        return {
            "number": self.number,
            "architecture": self.architecture.to_json(),
            "state": self.state.value,
            "metrics": None if self.metrics is None else plain.metrics_to_json(self.metrics),
            "intermediates": [plain.metrics_to_json(metrics) for metrics in self.intermediates],
            "told_before": self.told_before,
            "finish_order": self.finish_order,
            "started": self.started,
            "ended": self.ended,
            "device": None if self.device is None else plain.clean_text(self.device),
            "failure": None if self.failure is None else self.failure.to_json(),
            "output": plain.clean_text(self.output),
            "fidelity": dict(self.fidelity),
            "parent": self.parent,
            "objective": self.objective,
            "violation": plain.number_to_json(self.violation),
            "reason": plain.clean_text(self.reason),
        }

    @classmethod
    def from_json(cls, data: Any) -> Trial:
        """Read the data that `to_json` returned; fields other than number and architecture may be missing.

        Every value is checked; no code is run.

        Raises:
            RecordError: ``data`` is something else.
        """
        return cls(**plain.read_fields("a trial", data, _READERS, required=("number", "architecture")))


_FIELDS = frozenset(Trial.__dataclass_fields__)

_READERS: dict[str, plain.Reader[Any]] = {
    "number": plain.count,
    "architecture": Architecture.from_json,
    "state": plain.one_of(TrialState),
    "metrics": plain.optional(plain.metrics),
    "intermediates": plain.sequence(plain.metrics),
    "told_before": plain.count,
    "finish_order": plain.optional(plain.count),
    "started": plain.optional(plain.moment),
    "ended": plain.optional(plain.moment),
    "device": plain.optional(plain.text),
    "failure": plain.optional(Failure.from_json),
    "output": plain.text,
    "fidelity": lambda value: Fidelity(plain.plain_object(value)),
    "parent": plain.optional(plain.count),
    "objective": plain.name,
    "violation": plain.amount,
    "reason": plain.text,
}
