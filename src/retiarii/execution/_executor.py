"""The interface between whoever searches and whoever runs trials: jobs in, events out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from retiarii.errors import ConfigError
from retiarii.space import Architecture
from retiarii.trial import FULL, SYSTEM_CLOCK, Clock, Failure, Fidelity, Metrics, TrialState

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class TrialJob:
    """One trial to run.

    Attributes:
        number: The trial's number, unique within an executor.
        architecture: What to evaluate.
        seed: Of every random choice in the trial, 0 <= seed < 2**64.
        fidelity: How much training it is given; empty where the evaluator decides.
        parent: The number of the trial from whose files it continues; None to start anew.
        is_judged: Whether the trial waits, each time it reports, for the answer of whoever polls.
        device: Where the trial computes, as ``torch.device`` takes it; the executor sets it.
    """

    number: int
    architecture: Architecture
    seed: int
    fidelity: Fidelity = FULL
    parent: int | None = None
    is_judged: bool = False
    device: str = "cpu"

    def to_json(self) -> dict[str, Any]:
        """Return the job as plain data."""
        return {
            "number": self.number,
            "architecture": self.architecture.to_json(),
            "seed": self.seed,
            "fidelity": dict(self.fidelity),
            "parent": self.parent,
            "is_judged": self.is_judged,
            "device": self.device,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrialJob:
        """Return the job that `to_json` wrote."""
        architecture, fidelity = Architecture.from_json(data["architecture"]), Fidelity(data["fidelity"])
        return cls(**{**data, "architecture": architecture, "fidelity": fidelity})


@dataclass(frozen=True)
class TrialStarted:
    """A trial got its slot and its process.

    Attributes:
        number: The trial's number.
        device: ``"cpu"``, or the GPUs it was given: ``"cuda:1"``, ``"cuda:0,1"``.
        pid: Its process, and the process group of everything that it starts.
        time: Unix time, seconds.
    """

    number: int
    device: str
    pid: int
    time: float


@dataclass(frozen=True)
class TrialEnded:
    """A trial ended; nothing more is heard of it.

    Attributes:
        number: The trial's number.
        state: Completed, pruned or failed.
        metrics: Final metrics; None unless completed.
        failure: Why it failed; None unless failed.
        output: The last of what it printed (standard output and standard error together).
        time: Unix time, seconds.
        reason: Why it was pruned; empty unless pruned.
    """

    number: int
    state: TrialState
    metrics: Metrics | None
    failure: Failure | None
    output: str
    time: float
    reason: str = ""


Event: TypeAlias = "TrialStarted | TrialEnded"

Report: TypeAlias = Callable[[Metrics], None]
"""Called by a task with metrics on the way; raises `TrialPruned` where the trial is to end."""

OnReport: TypeAlias = Callable[[int, Metrics], "str | None"]
"""Told the number of a trial and the metrics that it reported; returns the reason to end it, None to let it go on."""

Task: TypeAlias = Callable[[TrialJob, Report], Metrics]
"""What a trial does: it returns its final metrics, or raises."""


@dataclass(frozen=True)
class Limits:
    """What one trial may use; None means any amount.

    Attributes:
        timeout_s: Seconds from the start of the task to its end.
        memory_bytes: Main memory that the trial and the processes it starts may take on top of what it shares with
            other trials (torch, the model, the data).

    Raises:
        ConfigError: A limit is not positive.
    """

    timeout_s: float | None = None
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("timeout_s", "memory_bytes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"Limits.{name} is {value!r}, expected a positive number, or None for no limit.")


def let_go_on(number: int, metrics: Metrics) -> None:
    """Let every trial go on, whatever it reports."""


class Executor(ABC):
    """Runs trials and tells what becomes of them.

    Every job that is submitted ends in exactly one `TrialEnded`, unless the executor is closed before or raises
    `ExecutionError`; the events of one trial come in the order in which they happened. What a trial reports on the way
    is given to ``on_report`` while `poll` runs: in order, after an earlier `poll` has returned the trial's start, and
    before its end is returned.

    A trial with ``is_judged`` waits for the answer to each report. Where the answer ends it, `TrialPruned` is raised in
    the trial, right there, and whatever the trial still does, it ends as pruned, with that reason; see `Judgement`.
    Other trials never wait, and are never ended by an answer.

    An executor belongs to the thread that uses it. As a context manager it is closed at the end of the block.
    """

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many trials run at the same time; more may be submitted, they wait for a slot."""

    @property
    def clock(self) -> Clock:
        """Where the time of its trials is read: this machine's clock, unless it simulates them.

        A simulation waits in `poll` by setting its clock forward: to the next event, and by no more than the timeout.
        """
        return SYSTEM_CLOCK

    @abstractmethod
    def submit(self, job: TrialJob) -> None:
        """Run a trial as soon as a slot is free.

        Raises:
            ExecutionError: The executor is closed or broken, or a trial of this number is under way.
        """

    @abstractmethod
    def poll(self, timeout: float | None = None, on_report: OnReport = let_go_on) -> list[Event]:
        """Return what has happened since the last call, waiting for the first event if there is none yet.

        Args:
            timeout: Wait at most so many seconds; None waits as long as a trial is under way. Reports end the wait,
                too.
            on_report: Called in this thread with each report. What it returns for a job with ``is_judged`` is the
                answer that the trial waits for: a reason ends the trial at that report, as pruned. It counts for no
                other job. What it raises leaves `poll`; the report counts as told then, and the trial goes on.

        Returns:
            Events in the order in which they happened; empty if the time is up, or if no trial is under way.

        Raises:
            ExecutionError: Trials cannot be run at all: the task does not load in the other process, or that process
                dies again and again. Everything that happened before was returned by earlier calls.
        """

    @abstractmethod
    def cancel(self, number: int) -> None:
        """Kill a trial; it ends as failed, with the kind ``CANCELLED``. Does nothing if it has ended already."""

    @abstractmethod
    def close(self) -> None:
        """Kill what still runs, wait until it is gone, and let go of everything; may be called again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
