"""`lower`: a model with choices, fixed to an architecture, as graphs.

`retiarii.nn.pytorch.freeze` fixes the model, and the result is traced. Layers of a fixed model have no record of their
constructor call. The record of the layer of the base model is used, with the expressions in it evaluated. If `freeze`
ran a constructor again, which may have computed other arguments than those of the base model, the records of that run
are used.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from retiarii.graph._building.verification import verify
from retiarii.graph._operations.layer_reading import LayerReader, label_of
from retiarii.graph._representation.model import Model
from retiarii.graph._tracing.conversion import convert_with
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.nn.pytorch.constructor_calls import ModuleCall, module_call
from retiarii.nn.pytorch.labels import ChosenValues, first_number
from retiarii.nn.pytorch.origins import module_origins
from retiarii.space.construction import replace_expressions


def lower(model: nn.Module, architecture: Mapping[str, Any] | None = None, example_input: Any = None) -> Model:
    """Fix a model to an architecture, and turn the result into graphs.

    Args:
        model: The base model, with or without choices; it is not changed.
        architecture: Label to value; None for the first candidate of every choice.
        example_input: A tensor, or a tuple of the arguments of ``forward``. With it, model and graph are run and
            compared to the last bit.

    Returns:
        A model without choices. `build_module` makes the network that ``freeze(model, architecture)`` is: the same
        parameter names, and with the same weights the same outputs.

    Raises:
        ArchitectureError: The architecture does not fit the model.
        FreezeError: The model cannot be fixed.
        GraphError: ``forward`` does something that a graph cannot hold, or model and graph differ on the example; see
            `convert_to_graph`.
    """
    graph, network = lower_with_network(model, architecture)
    if example_input is not None:
        verify(network, graph, example_input)
    return graph


def lower_with_network(model: nn.Module, architecture: Mapping[str, Any] | None) -> tuple[Model, nn.Module]:
    """Return what `lower` returns, and the fixed module that it was traced from; see `lower` for what it raises."""
    space = extract_space(model)
    chosen = space.default() if architecture is None else space.architecture(architecture)
    with _construction_records() as records:
        frozen = freeze(model, chosen)
    values = ChosenValues(chosen, first_number(model))
    origins = {new: old for old, new in module_origins(model, frozen)}

    def evaluate(value: Any) -> Any:
        return replace_expressions(value, values.evaluate_or_default)

    return convert_with(LayerReader(origins, evaluate, dict(_labels(origins)), records), frozen), frozen


@contextmanager
def _construction_records() -> Iterator[dict[nn.Module, ModuleCall]]:
    """Collect the constructor calls of modules that are registered in other modules in this thread."""
    records: dict[nn.Module, ModuleCall] = {}
    owner = threading.get_ident()

    def note(parent: nn.Module, name: str, child: nn.Module | None) -> None:
        call = module_call(child)
        if child is not None and call is not None and threading.get_ident() == owner:
            records[child] = call

    handle = register_module_module_registration_hook(note)
    try:
        yield records
    finally:
        handle.remove()


def _labels(origins: Mapping[nn.Module, nn.Module]) -> Iterator[tuple[nn.Module, str]]:
    """Yield the modules that replaced a labelled choice or that are placeholders, with their labels.

    Args:
        origins: Module of the fixed model to the module of the base model that it has its weights from.
    """
    for new, old in origins.items():
        for name, child in new._modules.items():
            if child is not None and child in origins:
                label = label_of(old._modules.get(name)) or label_of(origins[child])
                if label is not None:
                    yield child, label
