"""`verify`: compare a graph with its model on an example, to the last bit."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from retiarii.errors import GraphError
from retiarii.graph._building.module_builder import build_module
from retiarii.graph._building.shape_check import example_arguments
from retiarii.graph._operations.nested_values import is_equal
from retiarii.graph._representation.model import Model
from retiarii.nn.pytorch import Placeholder
from retiarii.nn.pytorch.mutation_utils import Mutable

_SEED = 0
_MODEL_FAILS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError, ArithmeticError)


def verify(model: nn.Module, graph: Model, example_input: Any) -> None:
    """Run a model and its graph with the same weights and the same random numbers, and compare the results.

    Both run twice in training mode and once in evaluation mode, each on a copy: results, buffers and arguments that are
    changed in place must be equal. Floating-point tensors of the example are replaced by random numbers, because a
    batch of zeros hides most differences, and of a batch only two samples are taken where the model permits. A model
    that cannot run on the example, or that a mutator has yet to complete, is not compared; `check` reports it.

    Args:
        model: The module that was traced; it is not changed.
        graph: The graph of the module, without mutations.
        example_input: A tensor, or a tuple of the arguments of ``forward``.

    Raises:
        GraphError: They differ.
    """
    if any(isinstance(module, (Mutable, Placeholder)) for module in model.modules()):
        return
    devices = sorted({value.device.index for value in model.parameters() if value.is_cuda})
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(_SEED)
        inputs = pytree.tree_map_only(torch.Tensor, _noise, example_arguments(example_input))
        if not _has_verified(model, graph, _two_samples(inputs)):
            _has_verified(model, graph, inputs)


def _has_verified(model: nn.Module, graph: Model, inputs: tuple[Any, ...]) -> bool:
    """Compare model and graph; return whether the model could run."""
    for training, call in ((True, "first"), (True, "second"), (False, "first")):
        if call == "first":
            twin = copy.deepcopy(model).train(training)
            built = build_module(graph).train(training)
        try:
            expected = _run(twin, inputs)
        except _MODEL_FAILS:
            return False
        when = f"the {call} call in {'training' if training else 'evaluation'} mode"
        _compare(expected, _result(built, inputs, model), when, model)
    return True


def _two_samples(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    tensors = [leaf for leaf in pytree.tree_leaves(inputs) if isinstance(leaf, torch.Tensor)]
    if len({tensor.shape[:1] for tensor in tensors}) != 1:
        return inputs
    shortened: tuple[Any, ...] = pytree.tree_map_only(
        torch.Tensor, lambda tensor: tensor[:2] if tensor.dim() else tensor, inputs
    )
    return shortened


def _run(network: nn.Module, inputs: tuple[Any, ...]) -> dict[str, Any]:
    torch.manual_seed(_SEED)
    arguments = pytree.tree_map_only(torch.Tensor, torch.clone, inputs)
    result = network(*arguments)
    state = dict(sorted(network.state_dict().items()))  # second names of submodules may come later in the graph
    return {"its result": result, "its arguments": arguments, "its buffers": state}


def _result(built: nn.Module, inputs: tuple[Any, ...], model: nn.Module) -> dict[str, Any]:
    try:
        return _run(built, inputs)
    except _MODEL_FAILS as err:
        raise GraphError(
            f"The graph of {type(model).__name__} fails on the example, and the model does not: "
            f"{type(err).__name__}: {err}. {_WAY_OUT}"
        ) from err


def _compare(expected: Mapping[str, Any], found: Mapping[str, Any], when: str, model: nn.Module) -> None:
    for what, value in expected.items():
        if not is_equal(value, found[what]):
            raise GraphError(
                f"The graph of {type(model).__name__} does not compute what the model computes: on the example, {what} "
                f"differ in {when}. {_WAY_OUT}"
            )


_WAY_OUT = (
    "Tracing recorded one way through forward, which is not the only one. Mark the class that decides between several "
    "with @basic_unit."
)


def _noise(tensor: torch.Tensor) -> torch.Tensor:
    return torch.randn_like(tensor) if tensor.dtype.is_floating_point else tensor.clone()
