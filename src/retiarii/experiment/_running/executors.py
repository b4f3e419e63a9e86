"""`make_executor`: the executor that the settings name, the user's executor, or the result of the user's function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from retiarii._durations import parse_duration, parse_size
from retiarii.errors import ConfigError
from retiarii.execution import Executor, InProcessExecutor, Limits, SimulatedExecutor, Task, TemplateExecutor
from retiarii.experiment._running.resources import Resources, allocate
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.experiment._settings.registries import EXECUTORS

IN_PROCESS = "in_process"
SIMULATED = "simulated"


@dataclass(frozen=True)
class ExecutorSettings:
    """The settings for an executor.

    Attributes:
        platform: The name of the executor.
        custom: The user's executor, or a function from a task to an executor; None to use ``platform``.
        resources: The number of trials that run at the same time, and their GPUs.
        limits: The resource limits of one trial.
        start_method: How the engine needs trial processes to be started; None for the executor's default.
    """

    platform: str = "local"
    custom: Executor | Callable[[Task], Executor] | None = None
    resources: Resources = field(default_factory=lambda: Resources(1))
    limits: Limits = field(default_factory=Limits)
    start_method: str | None = None

    @classmethod
    def of(cls, config: RetiariiExeConfig, start_method: str | None = None) -> ExecutorSettings:
        """Return the executor settings of an experiment.

        Args:
            config: The experiment's settings.
            start_method: How the engine's processes have to be started.

        Raises:
            ConfigError: There are fewer GPUs than trials ask for.
        """
        platform = config.training_service.platform
        if config.executor is not None:
            return cls(platform, config.executor)
        limits = Limits(
            timeout_s=parse_duration(config.max_trial_duration, name="max_trial_duration"),
            memory_bytes=parse_size(config.trial_memory_limit, name="trial_memory_limit"),
        )
        return cls(platform, None, _resources(platform, config), limits, start_method)

    @property
    def is_in_process(self) -> bool:
        """Whether trials run in this process."""
        if self.custom is None:
            return self.platform in (IN_PROCESS, SIMULATED)
        return isinstance(self.custom, (InProcessExecutor, SimulatedExecutor))

    @property
    def is_simulated(self) -> bool:
        """Whether trials run on the simulated clock of this package."""
        return self.platform == SIMULATED if self.custom is None else isinstance(self.custom, SimulatedExecutor)


def _resources(platform: str, config: RetiariiExeConfig) -> Resources:
    if platform == IN_PROCESS:
        return Resources(1)
    return Resources(config.trial_concurrency) if platform == SIMULATED else allocate(config)


def make_executor(task: Task, settings: ExecutorSettings) -> Executor:
    """Return a new executor, or the user's executor.

    Raises:
        ConfigError: The user's function returned something else than an executor.
    """
    custom = settings.custom
    if isinstance(custom, Executor):
        return custom
    made = EXECUTORS.get(settings.platform)(task, settings) if custom is None else custom(task)
    if not isinstance(made, Executor):
        maker = "config.executor" if custom is not None else f"The executor {settings.platform!r}"
        raise ConfigError(
            f"{maker} returned {made!r}, expected an instance of retiarii.execution.Executor that runs the task it was "
            "given."
        )
    return made


def local(task: Task, settings: ExecutorSettings) -> Executor:
    """Return the executor that runs each trial in its own process."""
    resources = settings.resources
    return TemplateExecutor(
        task,
        slots=resources.slots,
        limits=settings.limits,
        devices=resources.devices,
        start_method=settings.start_method,
    )


def in_process(task: Task, settings: ExecutorSettings) -> Executor:
    """Return the executor that runs trials in this process, one after the other."""
    return InProcessExecutor(task)


def simulated(task: Task, settings: ExecutorSettings) -> Executor:
    """Return the executor that runs trials on a simulated clock."""
    return SimulatedExecutor(task, slots=settings.resources.slots, limits=settings.limits)
