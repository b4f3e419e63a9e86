"""`Placeholder`: a spot in a base model that a mutator fills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from retiarii.nn.pytorch._recording.decorators import basic_unit


@basic_unit
class Placeholder(nn.Module):
    """Stands in a base model for what a mutator of `retiarii.graph` is to put there.

    A mutator finds it with ``model.get_nodes_by_label(label)`` and what it was told with ``node.operation.parameters``.
    In the base model it returns its input; a model in which one is left cannot be built from its graph.

    Args:
        label: How mutators find it.
        **related_info: What mutators need to know; also accepted as one dict named ``related_info``.

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
