"""`Scope`: one module whose ``forward`` is being traced."""

from __future__ import annotations

import torch
from torch import fx, nn


class Scope:
    """One module that is being looked into.

    Attributes:
        module: The module.
        path: Its path in the traced model.
        graph: What its ``forward`` did.
        children: The finished scopes of the calls in it, by their ``call_module`` node.
        constants: Tensors that are neither parameters nor buffers, by the name of their ``get_attr`` node.
        module_paths: Submodule to its path in the module.
        attributes: The values that stand for parameters, buffers, constants and ``training``, by their path.
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

    def text(self) -> str:
        """The operations of this scope and those inside, to compare two traces."""
        return "\n".join([self.path, str(self.graph), *(child.text() for child in self.children.values())])
