"""`ChosenInputs`: an `InputChoice` with chosen inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

Reduction = Literal["sum", "mean", "concat", "none"]
REDUCTIONS = ("sum", "mean", "concat", "none")


class ChosenInputs(nn.Module):
    """Picks some of the tensors that it is given, and reduces them to one.

    Args:
        chosen: The indices of the inputs to pick, or their names where the inputs come in a dict; one or several.
        reduction: ``"sum"``, ``"mean"``, ``"concat"`` (along dimension 1), or ``"none"`` for the list itself.
        names: The names of all inputs, where ``chosen`` has names and yet the inputs may come in a list.
    """

    def __init__(
        self,
        chosen: int | str | Sequence[int | str],
        reduction: Reduction = "sum",
        names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.chosen = [chosen] if isinstance(chosen, (int, str)) else list(chosen)
        self.reduction = reduction
        self.names = None if names is None else list(names)

    def forward(self, inputs: Sequence[Tensor] | Mapping[str, Tensor]) -> Any:
        """Return the reduced tensor; None if none is chosen; the list of the chosen ones with reduction "none"."""
        return reduce_inputs([self._pick(inputs, name) for name in self.chosen], self.reduction)

    def _pick(self, inputs: Any, name: int | str) -> Any:
        if isinstance(inputs, Mapping):
            return inputs[name] if isinstance(name, str) else list(inputs.values())[name]
        return inputs[name if isinstance(name, int) or self.names is None else self.names.index(name)]

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"{self.chosen}, reduction={self.reduction!r}"


def reduce_inputs(tensors: list[Tensor], reduction: str) -> Any:
    """Reduce several tensors to one.

    Shapes: equal for ``sum`` and ``mean``, equal but for dimension 1 for ``concat``.
    """
    if reduction == "none":
        return tensors
    if not tensors:
        return None
    if len(tensors) == 1:
        return tensors[0]
    if reduction == "concat":
        return torch.cat(tensors, dim=1)
    total = sum(tensors[1:], start=tensors[0])
    return total / len(tensors) if reduction == "mean" else total
