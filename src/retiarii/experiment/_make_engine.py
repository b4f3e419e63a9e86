"""Which engine builds what an architecture stands for: networks of a model, or nothing at all for a bare space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retiarii.errors import ConfigError
from retiarii.evaluator import Evaluator
from retiarii.experiment._config import RetiariiExeConfig
from retiarii.experiment._names import ENGINES
from retiarii.space import Architecture, Cost, Engine, SearchSpace


class SpaceEngine(Engine):
    """The engine of a bare search space: what an architecture builds is the architecture itself.

    Args:
        space: The space.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space

    @property
    def space(self) -> SearchSpace:
        """The space."""
        return self._space

    def build(self, architecture: Architecture) -> Architecture:
        """Return the architecture, without labels of others."""
        return architecture.restricted([choice.label for choice in self._space])

    @property
    def costs(self) -> Mapping[str, Cost]:
        """Nothing is known of an architecture alone."""
        return {}


def make_engine(model: Any, mutators: Sequence[Any], config: RetiariiExeConfig, evaluator: Evaluator | None) -> Engine:
    """Return the engine that the settings name, or the one that they are; a bare space needs none of ours.

    Args:
        model: The base model, or a search space.
        mutators: Applied in this order; they need graphs, so they bring the graph engine with them.
        config: ``execution_engine``, and ``dummy_input``, with which networks are checked before they are trained.
        evaluator: Mutators find it at ``model.evaluator``.

    Raises:
        ConfigError: There is no such engine, or mutators are given for a bare space.
        UnknownInputsError: An `InputChoice` cannot learn how many inputs it has.
    """
    if isinstance(config.execution_engine, Engine):
        return config.execution_engine
    if isinstance(model, SearchSpace) and ENGINES.is_builtin(config.execution_engine):
        if mutators:
            raise ConfigError("applied_mutators change the graph of a model, and base_model is a bare search space.")
        return SpaceEngine(model)
    name = "base" if mutators and config.execution_engine == "py" else config.execution_engine
    factory = ENGINES.get(name, setting="execution_engine")
    engine = factory(model, mutators, config, evaluator)
    if not isinstance(engine, Engine):
        raise ConfigError(
            f"The execution engine {name!r} returned {engine!r}, expected an instance of retiarii.space.Engine."
        )
    return engine


def joint_space(engine: Engine, evaluator: Evaluator) -> SearchSpace:
    """Return the choices of a model and of its evaluator's arguments as one space.

    Raises:
        LabelConflictError: The same label stands for different domains in the two.
    """
    return engine.space.merge(evaluator.search_space)
