"""`Snapshot`: the state of a module right after its construction, to find out later whether it was changed.

Values are compared by a digest of all bytes, because the usual ways of writing into weights leave no other trace:
``parameter.data.normal_()`` does not count in torch's version counter.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from retiarii.nn.pytorch._recording.digest import digest

# What torch keeps in the ``__dict__`` of every module.
TORCH_STATE = frozenset(vars(nn.Module()))

_PLAIN = frozenset({bool, int, float, str, bytes, tuple, type(None)})


class Snapshot:
    """Digests of the parameters of a module and its children, and their plain attributes.

    Buffers count only where there is no parameter: running statistics change in every forward pass.

    Args:
        module: The module; no reference to it is kept.
    """

    __slots__ = ("_digests", "_structure")

    def __init__(self, module: nn.Module) -> None:
        self._digests = {name: digest(tensor) for name, tensor in _tensors(module)}
        self._structure = tuple(map(_plain_state, module.modules()))

    def changed_tensors(self, module: nn.Module) -> list[str]:
        """Return the names of tensors that were changed or added."""
        return [name for name, tensor in _tensors(module) if self._digests.get(name, ()) != digest(tensor)]

    def changed_structure(self, module: nn.Module) -> bool:
        """Return whether children, plain attributes or hooks were changed."""
        return self._structure != tuple(map(_plain_state, module.modules()))

    def changed_children(self, module: nn.Module) -> bool:
        """Return whether children, also of children, were added, removed, renamed or replaced by another class."""
        return [state[:2] for state in self._structure] != [_plain_state(child)[:2] for child in module.modules()]


def _tensors(module: nn.Module) -> Iterable[tuple[str, Tensor]]:
    if not module._modules:  # most layers; torch's own iterators take longer than the digests
        own: list[tuple[str, Tensor]] = [
            (name, value) for name, value in module._parameters.items() if value is not None
        ]
        return own or [(name, value) for name, value in module._buffers.items() if value is not None]
    parameters = list(module.named_parameters(remove_duplicate=False))
    return parameters or list(module.named_buffers(remove_duplicate=False))


def _plain_state(module: nn.Module) -> tuple[Any, ...]:
    """Return the class, the plain attributes, the names of the children and the number of hooks of one module."""
    state = vars(module)
    plain = [value for name, value in state.items() if type(value) in _PLAIN and name != "training"]
    hooks = sum(len(value) for value in state.values() if type(value) is OrderedDict)
    return getattr(module, "cls_to_become", None) or type(module), list(state["_modules"]), plain, hooks
