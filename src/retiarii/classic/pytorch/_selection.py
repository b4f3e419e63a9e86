"""`Selection`: the candidates that a choice selects, and the modules that compute them once they are fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.errors import DomainError
from retiarii.nn.pytorch.primitives import reduce_inputs


@dataclass(frozen=True)
class Selection:
    """Which candidates are selected, and with which weights.

    Attributes:
        length: How many candidates there are.
        chosen: The positions of those that are selected, in order.
        weights: One weight for each of these; None where outputs are not weighted.
    """

    length: int
    chosen: tuple[int, ...]
    weights: tuple[float, ...] | None = None

    @classmethod
    def of_weights(cls, weights: Sequence[float]) -> Selection:
        """Return the selection of all candidates whose weight is not 0."""
        chosen = tuple(position for position, weight in enumerate(weights) if weight)
        return cls(len(weights), chosen, tuple(weights[position] for position in chosen))

    def mask(self) -> Tensor:
        """Return what a mutator would have decided: a tensor of booleans, or of weights, ``[length]``."""
        if self.weights is None:
            return torch.tensor([position in self.chosen for position in range(self.length)])
        mask = torch.zeros(self.length)
        mask[list(self.chosen)] = torch.tensor(self.weights)
        return mask


def reduce_selected(outputs: list[Any], weights: Sequence[Any] | None, reduction: str) -> Any:
    """Weigh the outputs of the selected candidates, and reduce them to one.

    Args:
        outputs: Those of the selected candidates only.
        weights: One number for each, or None.
        reduction: ``"sum"``, ``"mean"`` (divided by the number of outputs, not by the sum of the weights),
            ``"concat"`` along dimension 1, or ``"none"`` for the list.
    """
    if weights is not None:
        outputs = [output * weight for output, weight in zip(outputs, weights, strict=True)]
    return reduce_inputs(outputs, reduction)


class SelectedLayers(nn.Module):
    """What a fixed `LayerChoice` is where one plain layer is not enough.

    That is the case where several layers are selected or weighted, where the result is a list (``reduction="none"``),
    or comes with the mask (``return_mask=True``). Its children are the selected layers, under their names.

    Args:
        names: The names of the selected candidates, in order. The children are attached by the caller.
        selection: Which candidates these are.
        reduction: See `reduce_selected`.
        return_mask: Whether ``forward`` also returns the mask.
    """

    def __init__(self, names: Sequence[str], selection: Selection, reduction: str, return_mask: bool) -> None:
        super().__init__()
        self.names = list(names)
        self.selection = selection
        self.reduction = reduction
        self.return_mask = return_mask

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Reduce the outputs of the selected layers."""
        outputs = [self._modules[name](*args, **kwargs) for name in self.names]  # type: ignore[misc]  # attached
        output = reduce_selected(outputs, self.selection.weights, self.reduction)
        return (output, self.selection.mask()) if self.return_mask else output


class SelectedInputs(nn.Module):
    """What a fixed `InputChoice` is where inputs are weighted, or the result comes with the mask.

    Args:
        choose_from: The names of all inputs, for inputs in a dict.
        selection: Which inputs are selected.
        reduction: See `reduce_selected`.
        return_mask: Whether ``forward`` also returns the mask.
    """

    def __init__(self, choose_from: Sequence[str], selection: Selection, reduction: str, return_mask: bool) -> None:
        super().__init__()
        self.choose_from = list(choose_from)
        self.selection = selection
        self.reduction = reduction
        self.return_mask = return_mask

    def forward(self, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> Any:
        """Reduce the selected inputs."""
        if isinstance(inputs, Mapping):
            chosen = [inputs[self.choose_from[position]] for position in self.selection.chosen]
        else:
            chosen = [inputs[position] for position in self.selection.chosen]
        output = reduce_selected(chosen, self.selection.weights, self.reduction)
        return (output, self.selection.mask()) if self.return_mask else output


def listed_inputs(inputs: Any, choose_from: Sequence[str], where: str) -> list[Tensor]:
    """Return inputs that come in a list or in a dict as a list in the order of the candidates.

    Raises:
        DomainError: There are more or fewer inputs than candidates, or one of the names is missing.
    """
    if isinstance(inputs, Mapping):
        missing = [name for name in choose_from if name not in inputs]
        if missing:
            raise DomainError(
                f"{where} got a dict with the inputs {list(inputs)}, expected the names of choose_from, "
                f"{list(choose_from)}: {missing[0]!r} is missing."
            )
        return [inputs[name] for name in choose_from]
    if not isinstance(inputs, (list, tuple)):
        raise DomainError(f"{where} got inputs of type {type(inputs).__name__}, expected a list or a dict of tensors.")
    if len(inputs) != len(choose_from):
        raise DomainError(f"{where} got {len(inputs)} inputs, expected {len(choose_from)}.")
    return list(inputs)
