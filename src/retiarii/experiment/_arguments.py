"""Checks of the arguments of `RetiariiExperiment`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from retiarii._lazy import is_a
from retiarii.errors import ConfigError
from retiarii.evaluator import Evaluator, FunctionalEvaluator
from retiarii.experiment._control.callbacks import Callback
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.space import Searchable, SearchSpace
from retiarii.strategy import Random, Strategy
from retiarii.trial import BaseStrategy

_MUTATOR = "retiarii.graph:Mutator"
_ONE_SHOT = "retiarii.oneshot:OneShotStrategy"
_CALL = "RetiariiExperiment(base_model, evaluator, applied_mutators, strategy)"


def is_module(value: object) -> bool:
    """Return whether a value is a PyTorch module, without importing torch."""
    return is_a(value, "torch.nn:Module")


def check_model(model: Any) -> Any:
    """Return the base model or the bare search space, after checking it.

    Raises:
        ConfigError: ``model`` is neither.
    """
    if is_a(model, "keras:Layer"):
        raise ConfigError(
            f"base_model is {_kind(model)}, which is built and has no choices any more. Expected a model of "
            "retiarii.nn.keras: its Sequential, or a call of what is marked with its @model_wrapper."
        )
    if model is None or isinstance(model, (SearchSpace, Searchable)) or is_module(model):
        return model
    if isinstance(model, type):
        raise ConfigError(f"base_model is the class {model.__name__}, expected an instance: {model.__name__}(...).")
    raise ConfigError(
        f"base_model is {_kind(model)}, expected an instance of torch.nn.Module, a model of retiarii.nn.keras, or a "
        f"SearchSpace.{_order(model)}"
    )


def check_evaluator(evaluator: Any, trainer: Any = None) -> Evaluator | None:
    """Return the evaluator; a function becomes a `FunctionalEvaluator`.

    Raises:
        ConfigError: ``evaluator`` is neither, or both arguments are given.
    """
    if evaluator is not None and trainer is not None:
        raise ConfigError("evaluator and trainer are two spellings of one argument, but both are given. Give one.")
    evaluator = trainer if evaluator is None else evaluator
    if evaluator is None or isinstance(evaluator, Evaluator):
        return evaluator
    if callable(evaluator) and not (isinstance(evaluator, type) or is_module(evaluator)):
        return FunctionalEvaluator(evaluator)
    raise ConfigError(
        f"evaluator is {_kind(evaluator)}, expected an Evaluator: FunctionalEvaluator(function), or one of "
        f"retiarii.evaluator.pytorch.lightning, made with its arguments.{_order(evaluator)}"
    )


def check_mutators(mutators: Any) -> tuple[Any, ...]:
    """Return the mutators, after checking them.

    Raises:
        ConfigError: ``mutators`` is not a sequence of mutators.
    """
    if mutators is None:
        return ()
    if is_a(mutators, _MUTATOR):
        raise ConfigError(f"applied_mutators is one mutator, expected a list: [{mutators!r}].")
    if isinstance(mutators, BaseStrategy):
        raise ConfigError(
            f"The third argument, applied_mutators, is the strategy {mutators!r}. Without mutators write "
            f"RetiariiExperiment(base_model, evaluator, strategy=...), or [] for them: {_CALL}."
        )
    if not isinstance(mutators, Iterable):
        raise ConfigError(f"applied_mutators is {_kind(mutators)}, expected a list of mutators (or [] for none).")
    return _checked_items(
        "applied_mutators",
        mutators,
        lambda mutator: is_a(mutator, _MUTATOR),
        "instances of retiarii.graph.Mutator (or [] for none)",
    )


def check_strategy(strategy: Any) -> BaseStrategy:
    """Return the strategy, `Random` if none is given.

    Raises:
        ConfigError: ``strategy`` is not an instance of a strategy.
    """
    if strategy is None:
        return Random()
    if isinstance(strategy, BaseStrategy):
        if isinstance(strategy, Strategy) or is_a(strategy, _ONE_SHOT):
            return strategy
        raise ConfigError(
            f"strategy is {_kind(strategy)}, which derives from BaseStrategy alone. Derive from "
            "retiarii.strategy.Strategy (it proposes architectures) or retiarii.strategy.OneShotStrategy (it trains a "
            "supernet)."
        )
    made = f"{strategy.__name__}()" if isinstance(strategy, type) else "retiarii.strategy.Random()"
    raise ConfigError(
        f"strategy is {_kind(strategy)}, expected an instance of Strategy, for example {made}.{_order(strategy)}"
    )


def check_callbacks(callbacks: Any) -> tuple[Callback, ...]:
    """Return the callbacks, after checking them.

    Raises:
        ConfigError: ``callbacks`` is not a sequence of callbacks.
    """
    if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
        raise ConfigError(f"callbacks is {_kind(callbacks)}, expected a list: callbacks=[...] (or [] for none).")
    return _checked_items(
        "callbacks",
        callbacks,
        lambda callback: isinstance(callback, Callback),
        "instances of a subclass of retiarii.experiment.Callback with methods such as on_trial_end",
    )


def check_port(port: Any) -> None:
    """Check the port, which may be another argument in the wrong position.

    Raises:
        ConfigError: ``port`` is neither None nor a number from 0 to 65535.
    """
    if port is not None and (type(port) is not int or not 0 <= port < 2**16):
        raise ConfigError(
            f"port is {_kind(port)}, expected a number from 0 to 65535. Settings are given by name: "
            "experiment.run(config), RetiariiExperiment.resume(id, max_trial_number=200)."
        )


def check_config(config: Any) -> RetiariiExeConfig:
    """Return the settings, the default ones if none are given, after checking them.

    Raises:
        ConfigError: ``config`` is not a `RetiariiExeConfig`, or a setting has an invalid value.
    """
    if config is None:
        config = RetiariiExeConfig("local")
    if isinstance(config, dict):
        given = ", ".join(f"{name}={value!r}" for name, value in config.items())
        raise ConfigError(f"config is a dict, expected settings made by name: RetiariiExeConfig({given}).")
    if not isinstance(config, RetiariiExeConfig):
        example = f"RetiariiExeConfig({config!r})" if isinstance(config, str) else "RetiariiExeConfig('local')"
        raise ConfigError(f"config is {_kind(config)}, expected an instance of RetiariiExeConfig: {example}.")
    config.validate()
    return config


def _checked_items(name: str, values: Iterable[Any], fits: Callable[[Any], bool], expected: str) -> tuple[Any, ...]:
    checked = tuple(values)
    for value in checked:
        if not fits(value):
            raise ConfigError(f"{name} contains {_kind(value)}, expected {expected}.")
    return checked


def _kind(value: Any) -> str:
    """Return a description of a value for messages; classes, often given instead of instances, are named as such."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, FunctionType):
        return f"the function {value.__name__}"
    text = repr(value)
    return text if len(text) <= 80 and "\n" not in text else f"a {type(value).__name__}"


def _order(value: Any) -> str:
    """Return a hint for arguments in the wrong positions."""
    is_argument = (
        isinstance(value, (Evaluator, FunctionType, BaseStrategy, RetiariiExeConfig))
        or is_module(value)
        or is_a(value, _MUTATOR)
    )
    if isinstance(value, RetiariiExeConfig):
        return " Settings go to run: experiment.run(config)."
    return f" The order is {_CALL}." if is_argument else ""
