"""`make_engine`: the execution engine that the settings name; `SpaceEngine`: the engine of a bare space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retiarii.errors import ConfigError
from retiarii.evaluator import Evaluator
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.experiment._settings.registries import ENGINES
from retiarii.space import Architecture, Cost, Engine, Searchable, SearchSpace


class SpaceEngine(Engine):
    """The engine of a bare search space, which builds nothing: its network is the architecture itself.

    Args:
        space: The space.
        ignored: Labels that architectures have beside those of the space: those of the evaluator.
    """

    def __init__(self, space: SearchSpace, ignored: Iterable[str] = ()) -> None:
        self._space = space
        self._ignored = frozenset(ignored).difference(choice.label for choice in space)

    @property
    def space(self) -> SearchSpace:
        """The space."""
        return self._space

    def build(self, architecture: Architecture) -> Architecture:
        """Return the architecture, without ignored labels.

        Raises:
            ArchitectureError: A label is missing or unknown, or has a value that it cannot have.
        """
        return self._space.architecture(
            {label: value for label, value in architecture.items() if label not in self._ignored}
        )

    @property
    def costs(self) -> Mapping[str, Cost]:
        """No costs."""
        return {}


def make_engine(model: Any, mutators: Sequence[Any], config: RetiariiExeConfig, evaluator: Evaluator | None) -> Engine:
    """Return the engine that the settings name or contain; for a bare space, a `SpaceEngine`.

    Args:
        model: The base model, or a search space.
        mutators: The mutators, applied in this order; with mutators, the graph engine is used.
        config: The settings ``execution_engine`` and ``dummy_input``.
        evaluator: The evaluator, which mutators find at ``model.evaluator``.

    Raises:
        ConfigError: The engine is unknown, or mutators or an engine's name are given for a bare space or for a model
            that has an engine of its own.
        UnknownInputsError: The number of inputs of an `InputChoice` cannot be determined.
    """
    if isinstance(config.execution_engine, Engine):
        return config.execution_engine
    if isinstance(model, SearchSpace) and ENGINES.is_builtin(config.execution_engine):
        if mutators:
            raise ConfigError("applied_mutators change the graph of a model, and base_model is a bare search space.")
        return SpaceEngine(model, () if evaluator is None else [choice.label for choice in evaluator.search_space])
    if isinstance(model, Searchable) and ENGINES.is_builtin(config.execution_engine):
        return _own_engine(model, mutators, config)
    name = "base" if mutators and config.execution_engine == "py" else config.execution_engine
    factory = ENGINES.get(name, setting="execution_engine")
    engine = factory(model, mutators, config, evaluator)
    if not isinstance(engine, Engine):
        raise ConfigError(
            f"The execution engine {name!r} returned {engine!r}, expected an instance of retiarii.space.Engine."
        )
    return engine


def _own_engine(model: Searchable, mutators: Sequence[Any], config: RetiariiExeConfig) -> Engine:
    if mutators or config.execution_engine != "py":
        given = "applied_mutators" if mutators else f"execution_engine={config.execution_engine!r}"
        raise ConfigError(
            f"{given} is for PyTorch models, and base_model is {model!r}, which brings its own engine. Leave it out."
        )
    return model.engine(config.dummy_input)


def joint_space(engine: Engine, evaluator: Evaluator) -> SearchSpace:
    """Return the choices of a model and of its evaluator's arguments as one space.

    Raises:
        LabelConflictError: A label has different domains in the two.
    """
    return engine.space.merge(evaluator.search_space)
