"""Which engine an experiment uses, and the space that it searches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from retiarii.errors import UnknownInputsError
from retiarii.evaluator import Evaluator
from retiarii.execution import Engine, PythonEngine
from retiarii.experiment._config import RetiariiExeConfig
from retiarii.graph import GraphEngine, Mutator
from retiarii.nn.pytorch import extract_space
from retiarii.space import SearchSpace


def make_engine(
    model: nn.Module, mutators: Sequence[Mutator], config: RetiariiExeConfig, evaluator: Evaluator | None = None
) -> Engine:
    """Return the engine that the settings name; mutators need graphs, so they bring the graph engine with them.

    Args:
        model: The base model.
        mutators: Applied in this order.
        config: ``execution_engine``, and ``dummy_input``, with which shapes are checked before a network is built, and
            an `InputChoice` learns how many inputs it has.
        evaluator: Mutators find it at ``model.evaluator``.
    """
    example = None if config.dummy_input is None else torch.zeros(*config.dummy_input)
    if example is not None:
        _show(model, example)
    if not mutators and config.execution_engine != "base":
        return PythonEngine(model)
    return GraphEngine(model, mutators, example_input=example, evaluator=evaluator)


@torch.no_grad()
def _show(model: nn.Module, example: torch.Tensor) -> None:
    """Run a model that has to see an input before its choices are known, and leave it in the mode in which it was."""
    try:
        extract_space(model)
    except UnknownInputsError:
        was_training = model.training
        model.eval()(example)
        model.train(was_training)


def joint_space(engine: Engine, evaluator: Evaluator) -> SearchSpace:
    """Return the choices of a model and of its evaluator's arguments as one space.

    Raises:
        LabelConflictError: The same label stands for different domains in the two.
    """
    return engine.space.merge(evaluator.search_space)
