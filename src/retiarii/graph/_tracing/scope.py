"""`Scope`: one module whose ``forward`` is being traced."""

from __future__ import annotations

import re

import torch
from torch import fx, nn

from retiarii.graph._operations.nested_values import is_equal


class Scope:
    """One module that is being traced.

    Attributes:
        module: The module.
        path: Its path in the traced model.
        graph: The operations of its ``forward``.
        children: The finished scopes of the calls in it, by their ``call_module`` node.
        constants: Tensors that are neither parameters nor buffers, by the name of their ``get_attr`` node.
        module_paths: Submodule to its path in the module.
        attributes: Path of a parameter, buffer, constant or ``training`` to its traced value.
    """

    def __init__(self, module: nn.Module, path: str, graph: fx.Graph) -> None:
        self.module = module
        self.path = path
        self.graph = graph
        self.children: dict[fx.Node, Scope] = {}
        self.constants: dict[str, torch.Tensor] = {}
        self.module_paths = {child: name for name, child in module.named_modules()}
        self._tensors: dict[int, str] | None = None
        self.attributes: dict[str, fx.Proxy] = {}

    def tensor_path(self, tensor: torch.Tensor) -> str | None:
        """Return the path of a parameter or buffer in this module, or None."""
        if self._tensors is None:
            named = (*self.module.named_parameters(), *self.module.named_buffers())
            self._tensors = {id(value): name for name, value in named}
        return self._tensors.get(id(tensor))

    @property
    def title(self) -> str:
        """The path and class of the module, for messages."""
        name = type(self.module).__name__
        return f"{self.path!r} (class {name})" if self.path else name

    def does_the_same(self, other: Scope) -> bool:
        """Return whether two traces of a module have the same operations and constants, nested modules included."""
        return (
            self.path == other.path
            and _text(self.graph) == _text(other.graph)
            and is_equal(self.constants, other.constants)
            and len(self.children) == len(other.children)
            and all(
                one.does_the_same(two) for one, two in zip(self.children.values(), other.children.values(), strict=True)
            )
        )


def _text(graph: fx.Graph) -> str:
    """Return all operations as text, without memory addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(graph))
