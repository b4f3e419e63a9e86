"""Which engine an experiment uses, and the space that it searches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from retiarii.evaluator import Evaluator
from retiarii.execution import Engine, PythonEngine
from retiarii.experiment._config import RetiariiExeConfig
from retiarii.graph import GraphEngine, Mutator
from retiarii.space import SearchSpace


def make_engine(model: nn.Module, mutators: Sequence[Mutator], config: RetiariiExeConfig) -> Engine:
    """Return the engine that the settings name; mutators need graphs, so they bring the graph engine with them.

    Args:
        model: The base model.
        mutators: Applied in this order.
        config: ``execution_engine``, and ``dummy_input``, with which shapes are checked before a network is built.
    """
    if not mutators and config.execution_engine == "py":
        return PythonEngine(model)
    example = None if config.dummy_input is None else torch.zeros(*config.dummy_input)
    return GraphEngine(model, mutators, example_input=example)


def joint_space(engine: Engine, evaluator: Evaluator) -> SearchSpace:
    """Return the choices of a model and of its evaluator's arguments as one space.

    Raises:
        LabelConflictError: The same label stands for different domains in the two.
    """
    return engine.space.merge(evaluator.search_space())
