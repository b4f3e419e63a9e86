"""`RetiariiExeConfig`: the settings of an experiment."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, InitVar, asdict, dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from retiarii._durations import parse_duration, parse_size
from retiarii._lazy import is_a
from retiarii.errors import ConfigError
from retiarii.experiment._settings.registries import ENGINES, EXECUTORS
from retiarii.space import Engine, nearest
from retiarii.trial import Constraint, Direction, Objectives

if TYPE_CHECKING:
    from retiarii.execution import Executor, Task
    from retiarii.storage import Store

T = TypeVar("T")

_EXECUTOR = "retiarii.execution:Executor"
_STORE = "retiarii.storage:Store"
_OBJECTS = ("constraints", "executor", "execution_engine")  # settings whose values need not be plain data

LOG_LEVELS = ("trace", "debug", "info", "warning", "error", "fatal")


class _Checked:
    """Raises an error for unknown settings, so that a misspelt name is noticed."""

    if not TYPE_CHECKING:  # or type checkers would allow any attribute

        def __setattr__(self, name: str, value: Any) -> None:
            self._assign(name, value)

    def _assign(self, name: str, value: Any) -> None:
        known = [item.name for item in fields(self)]  # type: ignore[arg-type] # subclasses are dataclasses
        if name not in known:
            raise _unknown(type(self), name, known)
        object.__setattr__(self, name, value)


def _checked_keywords(cls: type[T]) -> type[T]:
    """Let the constructor of a dataclass refuse unknown keywords, like ``__setattr__``."""
    make = cls.__init__
    known = [name for name in inspect.signature(make).parameters if name != "self"]

    @functools.wraps(make)
    def init(self: Any, *args: Any, **settings: Any) -> None:
        for name in settings:
            if name not in known:
                raise _unknown(cls, name, known)
        make(self, *args, **settings)

    cls.__init__ = init  # type: ignore[method-assign] # same arguments, another message
    return cls


def _unknown(cls: type, name: str, known: Sequence[str]) -> ConfigError:
    hint = nearest(name, known) or f" The settings are: {', '.join(known)}."
    return ConfigError(f"{cls.__name__} has no setting {name!r}.{hint}")


@_checked_keywords
@dataclass
class TrainingServiceConfig(_Checked):
    """The settings of the processes and GPUs of trials.

    Attributes:
        platform: ``"local"`` (every trial in its own process), ``"in_process"`` (in this process, for debugging and for
            evaluations that take less than a millisecond; no isolation, no limits), ``"simulated"`` (in this process,
            on a simulated clock: for evaluators that say how long they take, such as those of
            `retiarii.benchmarks`), or the name of an executor of another package (entry points of the group
            ``retiarii.executors``).
        use_active_gpu: Whether to use GPUs on which other programs compute. None uses them and logs that.
        max_trial_number_per_gpu: How many trials share one GPU.
        gpu_indices: The GPUs to use; None for all that are visible.
    """

    platform: str = "local"
    use_active_gpu: bool | None = None
    max_trial_number_per_gpu: int = 1
    gpu_indices: Sequence[int] | None = None


@_checked_keywords
@dataclass
class RetiariiExeConfig(_Checked):
    """The settings of an experiment.

    ``RetiariiExeConfig("local")`` runs every trial in an isolated process, ``RetiariiExeConfig("in_process")`` runs
    them one after the other in this one, and ``RetiariiExeConfig("simulated")`` on a simulated clock, on which a day
    passes in seconds. Settings may be given as keywords or set afterwards; an unknown setting
    is an error.

    Args:
        training_service_platform: The value of ``training_service.platform``.

    Attributes:
        experiment_name: A name for display; any text.
        trial_concurrency: How many trials run at the same time.
        max_trial_number: The maximum number of trials; None until the strategy ends or the time is up. After
            `RandomOneShot`
            has trained its supernet, trials are evaluations of subnets, and None means 100.
        max_experiment_duration: How long the search may run, in seconds or as ``"1h30m"``. All runs of an experiment
            count together; the time between them does not. At the limit, running trials are killed, and a resume with
            more time runs them again; a trial in this process, or an epoch of a supernet, is completed first.
        max_trial_duration: The time limit of one trial; a longer trial fails as timed out.
        trial_memory_limit: The memory limit of one trial beyond shared data, in bytes or as ``"4GB"``.
        trial_gpu_number: The number of GPUs for each trial; None means one if there are any, else none.
        max_failures: Stop when this many trials failed and none succeeded; None never stops for failures.
        keep_checkpoints: The number of best trials whose files are kept: the weights, and other files in their folders
            (``retiarii.output_dir()``). Files of other trials are removed when the trials end.
        checkpoint_limit: The maximum size of the files of finished trials, in bytes or as ``"4GB"``; None for no limit.
            Files of the best trials and of the parents of running trials are always kept. Beyond the limit, strategies
            that continue trials (`ASHA`, `Hyperband`) lose the checkpoints of the worst trials.
        optimize_mode: ``"maximize"`` or ``"minimize"`` the default metric; a strategy's own ``optimize_mode`` takes
            precedence. None uses the evaluator's direction (`Regression` minimizes), else ``"maximize"``.
        objectives: The metrics to improve, with their directions: ``{"accuracy": "maximize", "params": "minimize"}``.
            Trials are ranked by the first; `RetiariiExperiment.pareto_front` returns the Pareto front. None means the
            default metric with ``optimize_mode``. ``"params"`` and ``"flops"`` are measured on the network if the
            evaluator does not report them.
        constraints: Bounds on architectures, checked while sampling, and on metrics, made by `at_most` and `at_least`;
            see `Constraint`.
        seed: The seed of every random choice in the experiment: 0 <= seed < 2**64. None draws one and stores it.
        storage: The store for results: a path, ``sqlite:///...``, ``postgresql://...``, the URL of a store of another
            package (entry points of the group ``retiarii.stores``), or a `retiarii.storage.Store`; None for
            ``$RETIARII_STORAGE`` or a file in ``~/retiarii-experiments``.
        progress: Whether progress is shown; None shows a live display on a terminal, and lines elsewhere.
        execution_engine: The engine that builds the network of an architecture: ``"py"`` freezes the choices in the
            model's code, ``"base"`` uses its graph, which mutators need. One-shot strategies have their own engine,
            ``"oneshot"``, which need not be named. It may also be an `Engine`, or the name of an engine of another
            package (entry points of the group ``retiarii.engines``).
        executor: An `Executor` that runs the trials, or a function that returns one for a task, instead of the one
            named by ``training_service.platform``. Settings of processes, GPUs and limits are then not used.
        dummy_input: The shape of a batch of input, for models with one input of numbers. A network that does not accept
            such an input then fails before it is trained, as an invalid model: the default engine runs each network
            once on zeros; the graph engine checks its shapes, and compares each traced graph with its model. It also
            shows how many inputs an `InputChoice` has.
        training_service: The settings of trial processes and GPUs.
        log_level: The level of the ``retiarii`` logger.
        debug: Shorthand for ``log_level="debug"``.
    """

    training_service_platform: InitVar[str | None] = None
    execution_engine: str | Engine = "py"
    _: KW_ONLY
    experiment_name: str | None = None
    trial_concurrency: int = 1
    max_trial_number: int | None = None
    max_experiment_duration: str | float | None = None
    max_trial_duration: str | float | None = None
    trial_memory_limit: str | float | None = None
    trial_gpu_number: int | None = None
    max_failures: int | None = 20
    keep_checkpoints: int = 1
    checkpoint_limit: str | float | None = "10GB"
    optimize_mode: str | None = None
    objectives: Mapping[str, str] | None = None
    constraints: Sequence[Constraint] = ()
    seed: int | None = None
    storage: str | Path | Store | None = None
    executor: Executor | Callable[[Task], Executor] | None = None
    progress: bool | None = None
    dummy_input: Sequence[int] | None = None
    training_service: TrainingServiceConfig = field(default_factory=TrainingServiceConfig)
    log_level: str = "info"
    debug: bool = False
    # Settings of the original that have no meaning here; setting one warns.
    trial_code_directory: str | Path = "."
    experiment_working_directory: str | Path | None = None
    nni_manager_ip: str | None = None

    _IGNORED: ClassVar[dict[str, str]] = {
        "trial_code_directory": "trials run in the current directory",
        "experiment_working_directory": "set 'storage' or $RETIARII_HOME to choose where results are kept",
        "nni_manager_ip": "there is no manager process",
    }

    def __post_init__(self, training_service_platform: str | None) -> None:
        if training_service_platform is not None:
            self.training_service = replace(self.training_service, platform=training_service_platform)

    def _assign(self, name: str, value: Any) -> None:
        super()._assign(name, value)
        if name in self._IGNORED and value != type(self).__dataclass_fields__[name].default:
            warnings.warn(f"{name} has no effect: {self._IGNORED[name]}.", stacklevel=3)

    def validate(self) -> None:
        """Check every setting.

        Raises:
            ConfigError: A setting has an invalid value; the message names the setting and the expected values.
        """
        _at_least(self, "trial_concurrency", 1)
        _at_least(self, "max_trial_number", 1, optional=True)
        _at_least(self, "trial_gpu_number", 0, optional=True)
        _at_least(self, "max_failures", 1, optional=True)
        _at_least(self, "keep_checkpoints", 0)
        _at_least(self, "seed", 0, optional=True)
        if self.seed is not None and self.seed >= 2**64:
            raise ConfigError(f"seed is {self.seed}, expected a whole number below 2**64.")
        _one_of(self, "optimize_mode", [*(item.value for item in Direction), None])
        self._validate_objectives()
        _one_of(self, "log_level", LOG_LEVELS)
        if not isinstance(self.execution_engine, Engine):
            ENGINES.check(self.execution_engine, setting="execution_engine")
        _is_a(self, "experiment_name", (str, NoneType), "a text")
        if not is_a(self.storage, _STORE):
            _is_a(self, "storage", (str, Path, NoneType), "a path, a URL or a Store")
        if self.executor is not None and not is_a(self.executor, _EXECUTOR) and not callable(self.executor):
            raise ConfigError(f"executor is {self.executor!r}, expected an Executor, or a function from a task to one.")
        _is_a(self, "progress", (bool, NoneType), "True, False or None")
        _is_a(self, "debug", (bool,), "True or False")
        _numbers(self, "dummy_input", 1, "the shape of a batch, for example [1, 3, 32, 32]")
        self._validate_service()
        parse_duration(self.max_experiment_duration, name="max_experiment_duration")
        parse_duration(self.max_trial_duration, name="max_trial_duration")
        parse_size(self.trial_memory_limit, name="trial_memory_limit")
        parse_size(self.checkpoint_limit, name="checkpoint_limit")
        if self.training_service.platform == "in_process":
            self._validate_in_process()
        if self.training_service.platform == "simulated" and self.trial_memory_limit is not None:
            raise ConfigError(
                "trial_memory_limit needs trials in processes of their own, and the platform is 'simulated'. Leave it "
                "out."
            )

    def _validate_objectives(self) -> None:
        if self.objectives is not None:
            Objectives.of(self.objectives)
            if self.optimize_mode is not None:
                raise ConfigError(
                    f"optimize_mode is {self.optimize_mode!r} and objectives is {self.objectives!r}: give one of them. "
                    "Objectives have their own directions."
                )
        is_list = isinstance(self.constraints, Sequence) and not isinstance(self.constraints, str)
        if not is_list or not all(isinstance(item, Constraint) for item in self.constraints):
            raise ConfigError(
                f"constraints is {self.constraints!r}, expected a list of constraints, for example "
                "[retiarii.at_most('params', 1e6)]."
            )

    def _validate_service(self) -> None:
        service = self.training_service
        if not isinstance(service, TrainingServiceConfig):
            raise ConfigError(
                f"training_service is {service!r}, expected a TrainingServiceConfig. Change its attributes, as in "
                "config.training_service.platform = 'local'."
            )
        EXECUTORS.check(service.platform, setting="training_service.platform")
        _at_least(service, "max_trial_number_per_gpu", 1)
        _is_a(service, "use_active_gpu", (bool, NoneType), "True, False or None")
        _numbers(service, "gpu_indices", 0, "a list of GPU numbers, for example [0, 1], or None for all")

    def _validate_in_process(self) -> None:
        if self.trial_concurrency != 1:
            raise ConfigError(
                f"trial_concurrency is {self.trial_concurrency}, but the 'in_process' platform runs one trial at a "
                "time. Set it to 1, or use RetiariiExeConfig('local')."
            )
        for name in ("max_trial_duration", "trial_memory_limit"):
            if getattr(self, name) is not None:
                raise ConfigError(
                    f"{name} needs trials in processes of their own, and the platform is 'in_process'. "
                    "Use RetiariiExeConfig('local'), or leave it out."
                )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain data, for the store."""
        settings: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            settings[item.name] = asdict(value) if isinstance(value, TrainingServiceConfig) else _plain(value)
        for name in self.objects():
            settings[name] = None
        return {**settings, "constraints": [str(constraint) for constraint in self.constraints]}

    def objects(self) -> dict[str, Any]:
        """Return the settings that are objects, which `to_json` leaves out, by name."""
        kept = {name: getattr(self, name) for name in _OBJECTS}
        return {name: value for name, value in kept.items() if value and not isinstance(value, str)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RetiariiExeConfig:
        """Read the data that `to_json` returned, without `objects`; settings of a newer version are an error.

        Raises:
            ConfigError: ``data`` has a setting that is unknown in this version.
        """
        left_out = (*cls._IGNORED, "training_service", "constraints")
        given = {name: value for name, value in data.items() if name not in left_out}
        settings = {name: value for name, value in given.items() if name not in _OBJECTS or value is not None}
        config = cls(**settings)
        config.training_service = TrainingServiceConfig(**data.get("training_service", {}))
        return config


def _plain(value: Any) -> Any:
    """Return a setting as plain data; a store becomes its URL, without a password."""
    if is_a(value, _STORE):
        return value.where
    return dict(value) if isinstance(value, Mapping) else str(value) if isinstance(value, Path) else value


def _at_least(config: Any, name: str, low: int, *, optional: bool = False) -> None:
    value = getattr(config, name)
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        allowed = f"a whole number, {low} or more" + (", or None" if optional else "")
        raise ConfigError(f"{name} is {value!r}, expected {allowed}.")


def _is_a(config: Any, name: str, kinds: tuple[type, ...], expected: str) -> None:
    value = getattr(config, name)
    if not isinstance(value, kinds):
        raise ConfigError(f"{name} is {value!r}, expected {expected}.")


def _numbers(config: Any, name: str, low: int, expected: str) -> None:
    value = getattr(config, name)
    is_list = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    if value is not None and not (is_list and value and all(type(item) is int and item >= low for item in value)):
        raise ConfigError(f"{name} is {value!r}, expected {expected}.")


def _one_of(config: Any, name: str, allowed: Any) -> None:
    value = getattr(config, name)
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}, expected one of {list(allowed)}.{nearest(value, allowed)}")
