"""`Executor`: the interface of everything that runs trials: it takes jobs and returns events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
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
        architecture: The architecture to evaluate.
        seed: The seed of every random choice in the trial, 0 <= seed < 2**64.
        fidelity: How much training it gets; empty if the evaluator decides.
        parent: The number of the trial whose files it continues from; None to start from new weights.
        is_judged: Whether the trial waits, after each report, for the answer of the process that calls `poll`.
        device: The device of the trial, as ``torch.device`` takes it; the executor sets it.
        parent_fidelity: How much training the parent got.
        origin_seed: The seed of the trial with which the training began; None if it began with this one.
        started: The time at which an interrupted trial of a simulation started; None for other trials.
        num_reported: How many reports of an interrupted trial of a simulation were passed on before.
    """

    number: int
    architecture: Architecture
    seed: int
    fidelity: Fidelity = FULL
    parent: int | None = None
    is_judged: bool = False
    device: str = "cpu"
    parent_fidelity: Fidelity = FULL
    origin_seed: int | None = None
    started: float | None = None
    num_reported: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the job as plain data, without the fields for simulations, whose trials are in this process."""
        return {
            "number": self.number,
            "architecture": self.architecture.to_json(),
            "seed": self.seed,
            "fidelity": dict(self.fidelity),
            "parent": self.parent,
            "is_judged": self.is_judged,
            "device": self.device,
            "parent_fidelity": dict(self.parent_fidelity),
            "origin_seed": self.origin_seed,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrialJob:
        """Read the data that `to_json` returned."""
        fidelities = {name: Fidelity(data[name]) for name in ("fidelity", "parent_fidelity")}
        return cls(**{**data, **fidelities, "architecture": Architecture.from_json(data["architecture"])})


@dataclass(frozen=True)
class TrialStarted:
    """The event that a trial got a slot and a process.

    Attributes:
        number: The trial's number.
        device: ``"cpu"``, or the GPUs of the trial: ``"cuda:1"``, ``"cuda:0,1"``.
        pid: The id of its process, which is also the id of the process group of everything that it starts.
        time: The Unix time of the start, in seconds.
    """

    number: int
    device: str
    pid: int
    time: float


@dataclass(frozen=True)
class TrialEnded:
    """The event that a trial ended, which is its last event.

    Attributes:
        number: The trial's number.
        state: Completed, pruned or failed.
        metrics: The final metrics; None unless completed.
        failure: The reason for which it failed; None unless failed.
        output: The end of its output (standard output and standard error together).
        time: The Unix time of the end, in seconds.
        reason: The reason for which it was pruned; empty unless pruned.
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
"""The function that a task calls with intermediate metrics; it raises `TrialPruned` to end the trial."""

OnReport: TypeAlias = Callable[[int, Metrics], "str | None"]
"""Called with the number of a trial and the metrics that it reported; returns a reason to prune it, or None."""

Task: TypeAlias = Callable[[TrialJob, Report], Metrics]
"""The function that a trial runs: it returns the final metrics, or raises."""


class TimedTask(ABC):
    """A task that can say how long a trial takes, without running it; a `SimulatedExecutor` needs one."""

    @abstractmethod
    def __call__(self, job: TrialJob, report: Report) -> Metrics:
        """Run one trial, and return its final metrics."""

    @abstractmethod
    def seconds(self, job: TrialJob) -> float | Sequence[float]:
        """Return the seconds from the start of a trial to each of its reports, and to its end, in ascending order.

        A single number is the time to the end, over which the reports are spread evenly.
        """


@dataclass(frozen=True)
class Limits:
    """The resource limits of one trial; None means no limit.

    Attributes:
        timeout_s: The maximum time from the start of the task to its end, in seconds.
        memory_bytes: The maximum main memory of the trial and the processes that it starts, in addition to the memory
            that it shares with other trials (torch, the model, the data).

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
    """Continue every trial: an ``on_report`` that never prunes."""


class Executor(ABC):
    """The base class of executors, which run trials and return their events.

    Each submitted job ends with exactly one `TrialEnded`, unless the executor is closed before or raises
    `ExecutionError`. The events of one trial are returned in the order in which they happened. Intermediate results are
    passed to ``on_report`` while `poll` runs: in order, after an earlier `poll` has returned the trial's start, and
    before its end is returned.

    A trial with ``is_judged`` waits for the answer to each report. If the answer is a reason to prune, `TrialPruned` is
    raised in the trial, and the trial ends as pruned with this reason, whatever it does afterwards; see `Judgement`.
    Other trials do not wait for answers and are not pruned by them.

    An executor must be used from one thread. As a context manager, it is closed at the end of the block.
    """

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many trials run at the same time; further submitted trials wait for a slot."""

    @property
    def clock(self) -> Clock:
        """The clock of its trials: that of this machine, unless the executor simulates trials.

        A simulation waits in `poll` by advancing its clock to the next event, by at most the timeout.
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
        """Return the events since the last call, waiting for the first one if there is none yet.

        Args:
            timeout: The maximum time to wait, in seconds; None waits as long as a trial is under way. Reports end the
                wait, too.
            on_report: Called in this thread with each report. For a job with ``is_judged``, its return value is the
                answer that the trial waits for: a reason prunes the trial at that report. For other jobs, the return
                value is ignored. An exception that it raises leaves `poll`; the trial continues, and the report is not
                passed again.

        Returns:
            Events in the order in which they happened; empty if the time is up, or if no trial is under way.

        Raises:
            ExecutionError: Trials cannot be run at all: the task cannot be loaded in the other process, or that process
                dies repeatedly. All earlier events were returned by earlier calls.
        """

    @abstractmethod
    def cancel(self, number: int) -> None:
        """Kill a trial, which ends as failed with the kind ``CANCELLED``; does nothing if it has ended already."""

    @abstractmethod
    def close(self) -> None:
        """Kill running trials, wait until they have ended, and release all resources; may be called again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
