"""`read_config`: experiments over a command, from the configuration files of NNI 1.x and 2.x."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retiarii import strategy as strategies
from retiarii.classic._builtin_tuners import TUNERS
from retiarii.classic._parameter_space import ParameterSpace
from retiarii.classic._tuner_strategy import TunerStrategy
from retiarii.classic._yaml_file import Section, plain_data
from retiarii.errors import ConfigError, RetiariiError
from retiarii.evaluator import CommandEvaluator
from retiarii.experiment import RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import Strategy

_FIELDS = (
    "experimentName", "trialConcurrency", "maxTrialNumber", "maxExperimentDuration", "maxTrialDuration",
    "searchSpace", "searchSpaceFile", "trialCommand", "trialCodeDirectory", "trialGpuNumber", "tuner", "assessor",
    "trainingService", "logLevel", "debug", "seed", "storage",
)  # fmt: skip
_TRIAL_FIELDS = ("command", "codeDir", "gpuNum")
_TUNER_FIELDS = ("name", "classArgs", "codeDirectory", "classFileName", "className")
_SERVICE_FIELDS = ("platform", "useActiveGpu", "maxTrialNumberPerGpu", "gpuIndices")
_WITHOUT_EFFECT = (
    "authorName", "experimentWorkingDirectory", "logDir", "logCollection", "multiPhase", "multiThread",
    "nniManagerIp", "tunerGpuIndices", "useAnnotation", "versionCheck",
)  # fmt: skip
_NAMES = [*_FIELDS, "trial", "searchSpacePath", "maxTrialNum", "maxExecDuration", "trainingServicePlatform"]
_PLACES = {
    **dict.fromkeys(_TRIAL_FIELDS, "trial"),
    **dict.fromkeys((*_TUNER_FIELDS, "builtinTunerName"), "tuner"),
    **dict.fromkeys((*_SERVICE_FIELDS, "maxTrialNumPerGpu"), "trainingService"),
}


class _Command(CommandEvaluator):
    """A command that gets its parameters in NNI's form.

    Args:
        command: The command.
        folder: Where it runs.
        space: The search space, which converts architectures to NNI's form.
    """

    def __init__(self, command: str, folder: Path, space: ParameterSpace) -> None:
        super().__init__(command, folder)
        self._space = space

    def parameters(self, architecture: Mapping[str, Any]) -> dict[str, Any]:
        """Return what ``nni.get_next_parameter`` returns."""
        return self._space.parameters(architecture)


@dataclass
class CommandConfig:
    """An experiment over a command.

    Attributes:
        command: What each trial runs, in a shell.
        folder: Where it runs.
        parameters: The search space.
        strategy: Proposes parameters.
        settings: The settings of the experiment.
        without_effect: The fields of the file that have no effect in retiarii, such as ``authorName``.
    """

    command: str
    folder: Path
    parameters: ParameterSpace
    strategy: Strategy
    settings: RetiariiExeConfig
    without_effect: tuple[str, ...] = ()

    def experiment(self) -> RetiariiExperiment:
        """Return the experiment, which ``run(config.settings)`` runs."""
        evaluator = _Command(self.command, self.folder, self.parameters)
        return RetiariiExperiment(self.parameters.space, evaluator, strategy=self.strategy)


def read_config(path: str | Path) -> CommandConfig:
    """Read a configuration file of NNI 1.x or 2.x.

    Paths in it are relative to its folder. A tuner is ``Random``, ``GridSearch``, ``Evolution``, the name of a class of
    `retiarii.strategy` with ``classArgs`` for its arguments, or a class of the user's, whose folder is put on
    ``sys.path``.

    Args:
        path: The YAML file.

    Raises:
        ConfigError: A field is unknown, misplaced, missing or has an impossible value; the message has the line.
    """
    path = Path(path)
    top = Section.read(path)
    folder = path.resolve().parent
    settings = RetiariiExeConfig()
    command, code_folder = _trial(top, folder, settings)
    parameters = _search_space(top, folder)
    strategy = _strategy(top, folder, parameters, settings)
    _set_limits(top, folder, settings)
    _set_service(top, settings)
    without_effect = _without_effect(top)
    top.finish(_NAMES, _PLACES)
    return CommandConfig(command, code_folder, parameters, strategy, settings, without_effect)


def _without_effect(top: Section) -> tuple[str, ...]:
    if top.value(bool, "useAnnotation"):
        raise top.error("useAnnotation", "is true: search spaces in comments are not read. Write a search-space file")
    found = [name for name in _WITHOUT_EFFECT if name in top]
    for name in found:
        top.value(object, name)
    return tuple(found)


def _trial(top: Section, folder: Path, settings: RetiariiExeConfig) -> tuple[str, Path]:
    """Return the command and its folder."""
    trial = top.section("trial")
    if trial is not None:
        command, code = trial.value(str, "command"), trial.value(str, "codeDir")
        gpus = trial.value(int, "gpuNum")
        trial.finish(_TRIAL_FIELDS)
    else:
        command, code = top.value(str, "trialCommand"), top.value(str, "trialCodeDirectory")
        gpus = top.value(int, "trialGpuNumber")
    if command is None:
        raise (trial or top).missing(
            "command" if trial is not None else "trialCommand", "'trialCommand: python train.py'."
        )
    if gpus is not None:
        settings.trial_gpu_number = gpus
    where = folder / Path(code or ".").expanduser()
    if not where.is_dir():
        field = ("codeDir", trial) if trial is not None else ("trialCodeDirectory", top)
        raise field[1].error(field[0], f"is {code!r}, which is no directory")
    return command, where


def _search_space(top: Section, folder: Path) -> ParameterSpace:
    description, file = top.value(dict, "searchSpace"), top.value(str, "searchSpaceFile", "searchSpacePath")
    if description is not None and file is not None:
        raise top.error("searchSpace", "is there beside a search-space file: leave one out")
    if file is not None:
        return ParameterSpace.from_file(folder / Path(file).expanduser())
    if description is None:
        raise top.missing("searchSpaceFile", "'searchSpaceFile: search_space.json'.")
    try:
        return ParameterSpace(plain_data(description))
    except ConfigError as err:
        raise top.error("searchSpace", f"cannot be read: {str(err).rstrip('.')}") from err


def _strategy(top: Section, folder: Path, parameters: ParameterSpace, settings: RetiariiExeConfig) -> Strategy:
    tuner = top.section("tuner")
    if tuner is None:
        raise top.missing("tuner", "a section 'tuner' with 'name: Evolution'.")
    name = tuner.value(str, "name", "builtinTunerName")
    arguments = dict(tuner.value(dict, "classArgs") or {})
    class_name = tuner.value(str, "className")
    code, file = tuner.value(str, "codeDirectory", "codeDir"), tuner.value(str, "classFileName")
    tuner.value((int, str, list), "gpuIndices")
    tuner.finish([*_TUNER_FIELDS, "builtinTunerName", "gpuIndices"])
    mode = arguments.pop("optimize_mode", None)
    if mode not in (None, "maximize", "minimize"):
        raise tuner.error("classArgs", f"have the optimize_mode {mode!r}, expected 'maximize' or 'minimize'")
    if mode is not None:
        settings.optimize_mode = mode
    if (name is None) == (class_name is None):
        raise tuner.missing("name", "'name: Evolution', or 'className' for a tuner of your own.")
    if class_name is not None:
        if mode is not None:
            arguments["optimize_mode"] = mode
        cls = _own_class(tuner, folder / Path(code or ".").expanduser(), file, class_name)
        return _assessed(top, TunerStrategy(_made(tuner, class_name, cls, arguments), parameters))
    field = "name" if "name" in tuner else "builtinTunerName"
    try:
        make = TUNERS.get(name, setting=field)
    except ConfigError as err:
        raise tuner.error(field, str(err).removeprefix(f"{field} ").rstrip(".")) from err
    if mode is not None and "optimize_mode" in inspect.signature(make).parameters:
        arguments["optimize_mode"] = mode
    made = _made(tuner, name, make, arguments)
    return _assessed(top, made if isinstance(made, Strategy) else TunerStrategy(made, parameters))


def _made(section: Section, name: str, make: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a tuner's or strategy's class with the arguments of the file."""
    taken = inspect.signature(make)
    try:
        taken.bind(**arguments)
    except TypeError as err:
        raise section.error(
            "classArgs", f"are {arguments}: {err}. {name} takes {', '.join(taken.parameters) or 'none'}"
        ) from err
    try:
        return make(**arguments)
    except (TypeError, RetiariiError) as err:
        raise section.error("classArgs", f"are {arguments}, which {name} refuses: {str(err).rstrip('.')}") from err


def _own_class(section: Section, folder: Path, file: str | None, class_name: str) -> Any:
    """Import the user's tuner. Its folder stays on ``sys.path``, so that a resumed experiment finds it."""
    module_name, _, name = class_name.rpartition(".")
    if file is not None:
        module_name = file.removesuffix(".py").replace("/", ".")
    if not module_name:
        raise section.missing("classFileName", "'classFileName: my_tuner.py', or 'className: my_tuner.MyTuner'.")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as err:
        raise section.error("className", f"is {class_name!r}, which cannot be imported from {folder}: {err}") from err


def _assessed(top: Section, strategy: Strategy) -> Strategy:
    """Wrap a strategy in the assessor that ends trials early, if the file has one."""
    assessor = top.section("assessor")
    if assessor is None:
        return strategy
    name = assessor.value(str, "name", "builtinAssessorName")
    arguments = dict(assessor.value(dict, "classArgs") or {})
    assessor.finish(["name", "builtinAssessorName", "classArgs"])
    arguments.pop("optimize_mode", None)  # there is one, that of the tuner
    if name is None or name.lower() not in ("medianstop", "medianstopping"):
        raise assessor.error(
            "name" if "name" in assessor else "builtinAssessorName", f"is {name!r}, expected Medianstop"
        )
    steps = arguments.pop("start_step", 0)
    if arguments:
        raise assessor.error("classArgs", f"has {sorted(arguments)}, expected 'optimize_mode' and 'start_step'")
    try:
        return strategies.MedianStop(strategy, warmup_steps=steps)
    except ConfigError as err:
        raise assessor.error("classArgs", f"are refused: {str(err).rstrip('.')}") from err


def _set_limits(top: Section, folder: Path, settings: RetiariiExeConfig) -> None:
    values = {
        "experiment_name": top.value(str, "experimentName"),
        "trial_concurrency": top.value(int, "trialConcurrency"),
        "max_trial_number": top.value(int, "maxTrialNumber", "maxTrialNum"),
        "max_experiment_duration": top.value((str, int, float), "maxExperimentDuration", "maxExecDuration"),
        "max_trial_duration": top.value((str, int, float), "maxTrialDuration"),
        "log_level": top.value(str, "logLevel"),
        "debug": top.value(bool, "debug"),
        "seed": top.value(int, "seed"),
        "storage": top.value(str, "storage"),
    }
    for name, value in values.items():
        if value is not None:
            setattr(settings, name, value)
    if settings.storage is not None and "://" not in str(settings.storage):
        settings.storage = folder / Path(str(settings.storage)).expanduser()


def _set_service(top: Section, settings: RetiariiExeConfig) -> None:
    platform = top.value(str, "trainingServicePlatform")
    for name in ("trainingService", "localConfig"):
        service = top.section(name)
        if service is None:
            continue
        platform = service.value(str, "platform") or platform
        active = service.value(bool, "useActiveGpu")
        per_gpu = service.value(int, "maxTrialNumberPerGpu", "maxTrialNumPerGpu")
        indices = service.value((list, int, str), "gpuIndices")
        service.finish([*_SERVICE_FIELDS, "maxTrialNumPerGpu"])
        if active is not None:
            settings.training_service.use_active_gpu = active
        if per_gpu is not None:
            settings.training_service.max_trial_number_per_gpu = per_gpu
        if indices is not None:
            settings.training_service.gpu_indices = _indices(service, indices)
    if platform not in (None, "local"):
        field = "trainingServicePlatform" if "trainingServicePlatform" in top else "trainingService"
        raise top.error(field, f"names the platform {platform!r}, expected 'local'")


def _indices(section: Section, given: Any) -> list[int]:
    items = given if isinstance(given, list) else str(given).split(",")
    try:
        return [int(item) for item in items]
    except (TypeError, ValueError) as err:
        raise section.error("gpuIndices", f"is {given!r}, expected numbers of GPUs") from err
