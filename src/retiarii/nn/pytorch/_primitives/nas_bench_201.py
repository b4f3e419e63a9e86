"""`NasBench201Cell`: the densely connected cell of NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from retiarii.errors import DomainError
from retiarii.nn._labels.namespace import ModelNamespace, sublabel
from retiarii.nn.pytorch._primitives.layer_choice import LayerChoice

Factory = Callable[[Any, Any], nn.Module]


class NasBench201Cell(nn.Module):
    """A cell of tensors, in which an operation is chosen for every pair of an earlier and a later tensor.

    Tensor 0 is the input, and each other tensor is the sum of one operation on each earlier tensor; the last one is the
    output. The operation from tensor 1 to tensor 3 has the label ``{label}/1_3``. The paper's cell has four tensors and
    five operations: 15,625 architectures.

    Args:
        op_candidates: Functions of the numbers of input and output features that return a module; in a list, or by name
            in a dict.
        in_features: The features (channels) of the input; may be a choice.
        out_features: Those of all other tensors; may be a choice.
        num_tensors: How many tensors there are, the input included.
        label: The name of the cell. Cells of one label choose the same.

    Raises:
        DomainError: There are fewer than two tensors, or the candidates are impossible.

    Reference:
        Dong and Yang (2020), arXiv:2001.00326, section 2.1; no deviation.

    Examples:
        >>> ops = {"conv": lambda i, o: nn.Conv2d(i, o, 3, padding=1), "pool": lambda i, o: nn.AvgPool2d(3, 1, 1)}
        >>> cell = nn.NasBench201Cell(ops, 16, 16, label="cell")
    """

    def __init__(
        self,
        op_candidates: Sequence[Factory] | Mapping[str, Factory],
        in_features: Any,
        out_features: Any,
        num_tensors: int = 4,
        label: str | None = None,
    ) -> None:
        super().__init__()
        self.label = ModelNamespace.next_label() if label is None else label
        if type(num_tensors) is not int or num_tensors < 2:
            raise DomainError(
                f"NasBench201Cell {self.label!r} has num_tensors={num_tensors!r}, expected an integer of at least 2."
            )
        self.num_tensors = num_tensors
        self.layers = nn.ModuleList()
        for target in range(1, num_tensors):
            edges = nn.ModuleList()
            for source in range(target):
                candidates = _built(op_candidates, in_features if source == 0 else out_features, out_features)
                edges.append(LayerChoice(candidates, label=sublabel(self.label, f"{source}_{target}")))
            self.layers.append(edges)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the last tensor."""
        tensors = [inputs]
        for edges in self.layers:
            terms = [edge(tensor) for edge, tensor in zip(edges, tensors, strict=True)]  # type: ignore[call-overload]  # a ModuleList
            tensors.append(sum(terms[1:], start=terms[0]))
        return tensors[-1]


def _built(candidates: Any, *features: Any) -> Any:
    if isinstance(candidates, Mapping):
        return {name: factory(*features) for name, factory in candidates.items()}
    return [factory(*features) for factory in candidates]
