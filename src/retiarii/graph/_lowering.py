"""`lower`: a model with choices, fixed to an architecture, as graphs.

The model is fixed by `retiarii.nn.pytorch.freeze`, the one mechanism that does it, and the result is traced. Layers of
a fixed model carry no record of how they were built; it is found where they came from in the base model, with the
expressions in it evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from retiarii.graph._convert import convert_with
from retiarii.graph._layers import LayerReader, label_of
from retiarii.graph._model import Model
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.nn.pytorch._chosen import ChosenValues
from retiarii.nn.pytorch._construction import replace_expressions
from retiarii.nn.pytorch._extract import first_number
from retiarii.nn.pytorch._origins import _inner_paths, _roots


def lower(model: nn.Module, architecture: Mapping[str, Any] | None = None) -> Model:
    """Fix a model to an architecture, and turn the result into graphs.

    Args:
        model: The base model, with or without choices; it is not changed.
        architecture: Label to value; None for the first candidate of every choice.

    Returns:
        A model without choices. `Model.to_module` gives the network that ``freeze(model, architecture)`` is: the same
        parameter names, and with the same weights the same outputs.

    Raises:
        ArchitectureError: The architecture does not fit the model.
        FreezeError: The model cannot be fixed.
        GraphError: ``forward`` does something that a graph cannot hold; see `convert_to_graph`.
    """
    space = extract_space(model)
    chosen = space.default() if architecture is None else space.architecture(architecture)
    frozen = freeze(model, chosen)
    values = ChosenValues(chosen, first_number(model))
    origins: dict[nn.Module, nn.Module] = {}
    labels: dict[nn.Module, str] = {}
    for new, old, label in _origins(frozen, model):
        origins[new] = old
        if label is not None:
            labels[new] = label

    def evaluate(value: Any) -> Any:
        return replace_expressions(value, values.evaluate_or_default)

    return convert_with(LayerReader(origins, evaluate, labels), frozen)


def _origins(frozen: nn.Module, base: nn.Module) -> Iterator[tuple[nn.Module, nn.Module, str | None]]:
    """Yield the modules of a fixed model, those of the base model that they were made from, and the labels there."""
    start = _inside(base, _roots.get(frozen, ()))
    if start is None:
        return
    stack: list[tuple[nn.Module, nn.Module, str | None]] = [(frozen, start, None)]
    while stack:
        new, old, label = stack.pop()
        yield new, old, label
        for name, child in new._modules.items():
            origin = _inside(old, (name, *_inner_paths.get(new, {}).get(name, ())))
            if child is not None and origin is not None:
                stack.append((child, origin, label_of(old._modules.get(name)) or label_of(origin)))


def _inside(module: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    """Return the module on the way along ``names``; None where there is none."""
    for name in names:
        child = module._modules.get(name)
        if child is None:
            return None
        module = child
    return module
