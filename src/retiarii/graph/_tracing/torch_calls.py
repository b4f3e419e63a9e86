"""`TorchCalls`: records calls of PyTorch functions that have no traced value among their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from retiarii.graph._operations.qualified_names import CREATION_FUNCTIONS
from retiarii.graph._tracing.questions import Questions

_METADATA = {"shape", "ndim", "dtype", "device", "requires_grad", "is_leaf", "layout", "is_cuda", "is_meta", "itemsize"}
_QUERIES = {
    torch.Tensor.size, torch.Tensor.dim, torch.Tensor.numel, torch.Tensor.nelement, torch.Tensor.ndimension,
    torch.Tensor.element_size, torch.Tensor.is_floating_point, torch.Tensor.is_complex, torch.is_floating_point,
    torch.is_complex, torch.numel, torch.Tensor.__hash__, torch.Tensor.__len__,
}  # fmt: skip


class TorchCalls(TorchFunctionMode):
    """Records functions that create tensors or use parameters and buffers; functions of constants run at once.

    Args:
        tracer: The tracer.
        value_of: Returns the traced value of a parameter or buffer of the module that is being traced; None for
            other tensors.
        check_constant: Refuses tensors that share memory with a parameter or buffer.
    """

    def __init__(
        self,
        tracer: Questions,
        value_of: Callable[[torch.Tensor], Any],
        check_constant: Callable[[torch.Tensor], None],
    ) -> None:
        super().__init__()
        self._check_constant = check_constant
        self._tracer = tracer
        self._value_of = value_of

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if not self._tracer.is_inside:
            return func(*args, **kwargs)
        if func in CREATION_FUNCTIONS:
            return self._tracer.create_proxy("call_function", func, args, kwargs)
        tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if not tensors or func in _QUERIES or _property_name(func) in _METADATA:
            return func(*args, **kwargs)
        if _is_in_place(func) and args and args[0] is tensors[0] and self._value_of(tensors[0]) is None:
            self._refuse_change()
        if any(self._value_of(tensor) is not None for tensor in tensors):
            return self._record(func, args, kwargs)
        for tensor in tensors:
            self._check_constant(tensor)
        versions = [tensor._version for tensor in tensors]
        result = func(*args, **kwargs)
        if versions != [tensor._version for tensor in tensors]:
            self._refuse_change()
        return result

    def _refuse_change(self) -> NoReturn:
        self._tracer.refuse(
            "forward changes a tensor in place that is neither a parameter nor a buffer, nor made from its inputs. "
            "Make it a buffer, or compute a new one."
        )

    def _record(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function with traced values instead of parameters and buffers."""

        def traced(leaf: Any) -> Any:
            value = self._value_of(leaf) if isinstance(leaf, torch.Tensor) else None
            return leaf if value is None else value

        args, kwargs = pytree.tree_map(traced, (args, kwargs))
        name = _property_name(func)
        if name is not None:
            return getattr(args[0], name)
        if torch.overrides.is_tensor_method_or_property(func):
            return self._tracer.create_proxy("call_method", func.__name__, args, kwargs)
        return func(*args, **kwargs)


def _is_in_place(func: Any) -> bool:
    name = str(getattr(func, "__name__", ""))
    return (name.endswith("_") and not name.endswith("__")) or name == "__setitem__" or name.startswith("__i")


def _property_name(func: Any) -> str | None:
    """Return the name of the attribute that a function reads: ``shape`` for ``torch.Tensor.shape.__get__``."""
    if getattr(func, "__name__", None) != "__get__":
        return None
    return str(getattr(getattr(func, "__self__", None), "__name__", None))
