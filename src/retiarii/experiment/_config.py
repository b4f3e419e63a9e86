"""`RetiariiExeConfig`: how an experiment is run, as opposed to what is searched."""

from __future__ import annotations

import difflib
import functools
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, InitVar, asdict, dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from retiarii._lazy import is_a
from retiarii.errors import ConfigError
from retiarii.experiment._duration import parse_duration, parse_size
from retiarii.experiment._names import ENGINES, EXECUTORS
from retiarii.space import Engine
from retiarii.trial import Constraint, Direction, Objectives

if TYPE_CHECKING:
    from retiarii.execution import Executor, Task
    from retiarii.storage import Store

T = TypeVar("T")

_EXECUTOR = "retiarii.execution:Executor"
_STORE = "retiarii.storage:Store"
_OBJECTS = ("constraints", "executor", "execution_engine")  # settings that may hold what is not plain data

LOG_LEVELS = ("trace", "debug", "info", "warning", "error", "fatal")


class _Checked:
    """Refuses settings that do not exist, so that a slip of the keyboard is not a silent default."""

    if not TYPE_CHECKING:  # type checkers would take it for leave to set anything

        def __setattr__(self, name: str, value: Any) -> None:
            self._assign(name, value)

    def _assign(self, name: str, value: Any) -> None:
        known = [item.name for item in fields(self)]  # type: ignore[arg-type] # subclasses are dataclasses
        if name not in known:
            raise _unknown(type(self), name, known)
        object.__setattr__(self, name, value)


def _checked_keywords(cls: type[T]) -> type[T]:
    """Let the constructor that `dataclass` wrote refuse unknown keywords as ``__setattr__`` does."""
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
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else f" The settings are: {', '.join(known)}."
    return ConfigError(f"{cls.__name__} has no setting {name!r}.{hint}")


@_checked_keywords
@dataclass
class TrainingServiceConfig(_Checked):
    """Where trials run.

    Attributes:
        platform: ``"local"`` (every trial in its own process), ``"in_process"`` (in this one: for debugging and for
            evaluations that take less than a millisecond; no isolation, no limits), or the name of an executor that
            another package gives (entry points of the group ``retiarii.executors``).
        use_active_gpu: Whether GPUs on which another program computes are used too. None uses them and says so.
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
    """How an experiment is run.

    ``RetiariiExeConfig("local")`` runs every trial in an isolated process, ``RetiariiExeConfig("in_process")`` runs
    them one after the other in this one. Settings may be given as keywords or set afterwards; one that does not exist
    is an error.

    Args:
        training_service_platform: Where trials run: ``training_service.platform``.

    Attributes:
        experiment_name: For people; any text.
        trial_concurrency: How many trials run at the same time.
        max_trial_number: How many trials at most; None until the strategy ends or the time is up. After `RandomOneShot`
            has trained its supernet, trials are evaluations of subnets, and None means 100.
        max_experiment_duration: How long the search may run, in seconds or as ``"1h30m"``. All runs of an experiment
            count together; the time between them does not. When it is up, running trials are abandoned, and a resume
            with more time runs them again; a trial that runs in this process ends first, and so does an epoch of a
            supernet.
        max_trial_duration: How long one trial may take; a longer one fails as timed out.
        trial_memory_limit: How much memory one trial may take beyond the data it shares, in bytes or as ``"4GB"``.
        trial_gpu_number: GPUs for each trial; None means one if there are any, else none.
        max_failures: Give up when this many trials failed and none succeeded; None never gives up early.
        keep_checkpoints: Of how many trials files are kept, those with the best metrics: the weights, and all else that
            they wrote into their folder (``retiarii.output_dir()``). Files of other trials are removed at their end.
        checkpoint_limit: How much room the files of finished trials may take, in bytes or as ``"4GB"``; None for any
            amount. Those of the best trials and of the parents of running ones stay all the same. Beyond it, strategies
            that continue trials (`ASHA`, `Hyperband`) lose the checkpoints of the worst.
        optimize_mode: ``"maximize"`` or ``"minimize"`` the default metric; a strategy's own ``optimize_mode`` wins.
            None takes what the evaluator knows (`Regression` minimizes), else ``"maximize"``.
        objectives: The metrics to improve, with their directions: ``{"accuracy": "maximize", "params": "minimize"}``.
            Trials are ranked by the first; `RetiariiExperiment.pareto_front` has the best compromises. None stands for
            the default metric, with ``optimize_mode``. ``"params"`` and ``"flops"`` are measured on the network where
            the evaluator does not report them.
        constraints: Bounds, made by `at_most` and `at_least`: on architectures, which are checked while sampling, and
            on metrics, see `Constraint`.
        seed: Of every random choice in the experiment: 0 <= seed < 2**64. None draws one and stores it.
        storage: Where results are kept: a path, ``sqlite:///...``, ``postgresql://...``, a URL of a store that another
            package gives (entry points of the group ``retiarii.stores``), or a `retiarii.storage.Store`; None for
            ``$RETIARII_STORAGE`` or a file in ``~/retiarii-experiments``.
        progress: Whether progress is shown; None shows a live display on a terminal, and lines elsewhere.
        execution_engine: How a model becomes the network of an architecture: ``"py"`` freezes the choices in its code,
            ``"base"`` goes by its graph. Mutators always use graphs. One-shot strategies have an engine of their own,
            ``"oneshot"``, which need not be named. Or an `Engine` of yours, or the name of one that another package
            gives (entry points of the group ``retiarii.engines``).
        executor: An `Executor` that runs the trials, or a function that returns one for a task, instead of the one that
            ``training_service.platform`` names. Settings about processes, GPUs and limits are then its own affair.
        dummy_input: The shape of a batch of input. With it, a network that does not take such an input fails before it
            is trained, as an invalid model: the default engine runs each once on zeros, the graph engine checks its
            shapes, and compares each graph that it traces with its model. An `InputChoice` learns from it how many
            inputs it has. For models with one input of numbers.
        training_service: Where trials run.
        log_level: Of the ``retiarii`` logger.
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
            ConfigError: A setting has an impossible value; the message names it and what is expected.
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
        """Return the settings that are objects and travel beside `to_json`, by name."""
        kept = {name: getattr(self, name) for name in _OBJECTS}
        return {name: value for name, value in kept.items() if value and not isinstance(value, str)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RetiariiExeConfig:
        """Return the config that `to_json` wrote, without its `objects`; settings of a newer version are an error.

        Raises:
            ConfigError: ``data`` has a setting that this version does not know.
        """
        left_out = (*cls._IGNORED, "training_service", "constraints")
        given = {name: value for name, value in data.items() if name not in left_out}
        settings = {name: value for name, value in given.items() if name not in _OBJECTS or value is not None}
        config = cls(**settings)
        config.training_service = TrainingServiceConfig(**data.get("training_service", {}))
        return config


def _plain(value: Any) -> Any:
    """Return a setting as plain data; a store is what opens it again, without a password."""
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
        near = difflib.get_close_matches(str(value), [str(item) for item in allowed], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{name} is {value!r}, expected one of {list(allowed)}.{hint}")
