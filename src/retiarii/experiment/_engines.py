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

    An `InputChoice` that does not know how many inputs it has learns it from ``dummy_input``, or from the evaluator's
    data.

    Args:
        model: The base model.
        mutators: Applied in this order.
        config: ``execution_engine``, and ``dummy_input``, with which networks are checked before they are trained.
        evaluator: Mutators find it at ``model.evaluator``.

    Raises:
        UnknownInputsError: There is neither a ``dummy_input`` nor an evaluator that shows its data.
    """
    shape = config.dummy_input
    try:
        extract_space(model)
    except UnknownInputsError as error:
        if not _run_once(model, shape, evaluator):
            raise UnknownInputsError(
                f"{error} An experiment runs it by itself with config.dummy_input, the shape of a batch, for example "
                "[1, 3, 32, 32], or with an evaluator that shows its data, as those of "
                "retiarii.evaluator.pytorch.lightning do; a function cannot."
            ) from error
    if not mutators and config.execution_engine != "base":
        return PythonEngine(model, shape)
    example = None if shape is None else torch.zeros(*shape)
    return GraphEngine(model, mutators, example_input=example, evaluator=evaluator)


def _run_once(model: nn.Module, shape: Sequence[int] | None, evaluator: Evaluator | None) -> bool:
    """Run a model once, if something is known to run it on, and leave it in the mode in which it was."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            if shape is None:
                return evaluator is not None and evaluator.run_on_example(model)
            model(torch.zeros(*shape))
            return True
    finally:
        for module, is_training in modes.items():
            module.training = is_training


def joint_space(engine: Engine, evaluator: Evaluator) -> SearchSpace:
    """Return the choices of a model and of its evaluator's arguments as one space.

    Raises:
        LabelConflictError: The same label stands for different domains in the two.
    """
    return engine.space.merge(evaluator.search_space)
