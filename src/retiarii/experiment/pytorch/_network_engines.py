"""The execution engines of PyTorch models, registered for ``config.execution_engine``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from retiarii.errors import UnknownInputsError
from retiarii.evaluator import Evaluator
from retiarii.experiment._settings.config import RetiariiExeConfig
from retiarii.graph import GraphEngine, Mutator
from retiarii.nn.pytorch import extract_space
from retiarii.nn.pytorch.engine import PythonEngine, evaluating
from retiarii.space import Engine


def python_engine(
    model: nn.Module, mutators: Sequence[Mutator], config: RetiariiExeConfig, evaluator: Evaluator | None
) -> PythonEngine:
    """Return the engine that freezes the choices in a model's code.

    Args:
        model: The base model.
        mutators: None.
        config: The setting ``dummy_input``, with which networks are checked before they are trained.
        evaluator: May show its data.

    Raises:
        UnknownInputsError: An `InputChoice` cannot learn how many inputs it has.
    """
    _learn_inputs(model, config.dummy_input, evaluator)
    return PythonEngine(model, config.dummy_input)


def graph_engine(
    model: nn.Module, mutators: Sequence[Mutator], config: RetiariiExeConfig, evaluator: Evaluator | None
) -> GraphEngine:
    """Return the engine that uses graphs.

    Args:
        model: The base model.
        mutators: Applied in this order.
        config: ``dummy_input``, with which graphs are checked and compared with the model.
        evaluator: Mutators find it at ``model.evaluator``.

    Raises:
        UnknownInputsError: An `InputChoice` cannot learn how many inputs it has.
    """
    _learn_inputs(model, config.dummy_input, evaluator)
    example = None if config.dummy_input is None else torch.zeros(*config.dummy_input)
    return GraphEngine(model, mutators, example_input=example, evaluator=evaluator)


def with_graphs(model: nn.Module, engine: Engine) -> GraphEngine:
    """Return the given engine if it is a `GraphEngine`, else a new one for the model."""
    return engine if isinstance(engine, GraphEngine) else GraphEngine(model)


def _learn_inputs(model: nn.Module, shape: Sequence[int] | None, evaluator: Evaluator | None) -> None:
    """Run the model once, so that each `InputChoice` without ``n_candidates`` counts its inputs.

    Raises:
        UnknownInputsError: There is neither a ``dummy_input`` nor an evaluator that can run the model.
    """
    try:
        extract_space(model)
    except UnknownInputsError as error:
        if not _run_once(model, shape, evaluator):
            raise UnknownInputsError(
                f"{error} An experiment runs it by itself with config.dummy_input, the shape of a batch, for example "
                "[1, 3, 32, 32], or with an evaluator that shows its data, as those of "
                "retiarii.evaluator.pytorch.lightning do; a function cannot."
            ) from error


def _run_once(model: nn.Module, shape: Sequence[int] | None, evaluator: Evaluator | None) -> bool:
    """Run a model once, if there is an example input, and restore its mode; return whether it was run."""
    with evaluating(model), torch.no_grad():
        if shape is None:
            return evaluator is not None and evaluator.run_on_example(model)
        model(torch.zeros(*shape))
        return True
