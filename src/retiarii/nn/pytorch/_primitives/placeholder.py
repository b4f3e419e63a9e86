"""`Placeholder`: a module in a base model that a mutator replaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from retiarii.nn.pytorch._recording.decorators import basic_unit


@basic_unit
class Placeholder(nn.Module):
    """Marks a place in a base model where a mutator of `retiarii.graph` puts a module.

    A mutator finds it with ``model.get_nodes_by_label(label)`` and reads its arguments from
    ``node.operation.parameters``. In the base model it returns its input. A model cannot be built from a graph that
    has a placeholder left.

    Args:
        label: How mutators find it.
        **related_info: Arguments for mutators; also accepted as one dict named ``related_info``.

    Examples:
        >>> nn.Placeholder("stage1", kernel_size_options=[3, 5], stride=2)
    """

    def __init__(self, label: str, **related_info: Any) -> None:
        super().__init__()
        self.label = label
        self.related_info = self.info(related_info)

    @staticmethod
    def info(given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the information for mutators, whether it was given as keyword arguments or as one dict."""
        inner = given.get("related_info")
        return dict(inner) if len(given) == 1 and isinstance(inner, Mapping) else dict(given)

    def forward(self, x: Tensor) -> Tensor:
        """Return the input."""
        return x
