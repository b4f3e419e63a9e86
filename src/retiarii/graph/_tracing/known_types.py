"""`Known`: the type of a traced value, as far as it is known without running the model.

`known_result` returns the type of a result if the operation alone decides it: from PyTorch's schemas for its
operators, and by computing with sample numbers for arithmetic. Other types are unknown, and questions about them
(``isinstance``, ``hasattr``) are refused by the tracer.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn


@dataclass(frozen=True)
class Known:
    """The type of a traced value.

    Attributes:
        cls: Its class.
        items: The types of its elements, for a tuple of known length.
        each: The type of every element, for a list of unknown length.
    """

    cls: type
    items: tuple[Known | None, ...] | None = None
    each: Known | None = None


TENSOR = Known(torch.Tensor)
INT, FLOAT, BOOL = Known(int), Known(float), Known(bool)
SIZE = Known(torch.Size, each=INT)
READ, LENGTH = getattr, len
"""The functions themselves: while a model is traced, their names stand for questions to the tracer."""
_SAMPLES: Mapping[type, Any] = {int: 3, float: 2.5, bool: True}
_OF_SCHEMA = {"Tensor": TENSOR, "int": INT, "bool": BOOL, "float": FLOAT}
_METHODS: dict[str, Known | None] = {
    "size": None, "dim": INT, "ndimension": INT, "numel": INT, "nelement": INT, "element_size": INT, "get_device": INT,
    "is_floating_point": BOOL, "is_complex": BOOL, "is_contiguous": BOOL, "is_signed": BOOL, "tolist": None,
    "item": None, "numpy": None, "stride": None, "data_ptr": INT, "storage_offset": INT, "type": None,
}  # fmt: skip
_CONVERSIONS = (
    "float half double bfloat16 long int short char byte bool cpu cuda to type_as contiguous clone new_zeros new_ones "
    "new_full new_empty new_tensor requires_grad_ view_as expand_as reshape_as"
)
_METHODS.update({name: TENSOR for name in _CONVERSIONS.split()})
_ATTRIBUTES = {
    "shape": SIZE, "ndim": INT, "dtype": Known(torch.dtype), "device": Known(torch.device), "is_cuda": BOOL,
    "requires_grad": BOOL, "is_leaf": BOOL, "is_sparse": BOOL, "is_quantized": BOOL, "is_meta": BOOL,
    "data": TENSOR, "T": TENSOR, "mT": TENSOR, "H": TENSOR, "mH": TENSOR, "real": TENSOR, "imag": TENSOR,
}  # fmt: skip
_PAIR = Known(tuple, (TENSOR, TENSOR))


def known_result(node: fx.Node) -> Known | None:
    """Return the type of the result of a function or method; None if the operation alone does not decide it."""
    if node.op == "call_method":
        return _of_method(str(node.target), node.args, node.kwargs)
    if node.op != "call_function":
        return None
    target: Any = node.target
    if target is READ:
        return _of_attribute(known_of(node.args[0]), node.args[1])
    if target is operator.getitem:
        return _of_item(known_of(node.args[0]), node.args[1])
    if target is LENGTH:
        return INT
    module = getattr(target, "__module__", None)
    if module in ("_operator", "math"):
        return _of_arithmetic(target, node.args)
    return _of_torch_function(target)


def known_of(value: Any) -> Known | None:
    """Return the type of an argument of a node: another node, or a constant."""
    if isinstance(value, fx.Node):
        known: Known | None = value.meta.get("known")
        return known
    return Known(type(value))


def known_of_module(module: nn.Module) -> Known | None:
    """Return the type of a layer's result; None for user classes whose ``forward`` has no return annotation."""
    if isinstance(module, nn.LSTM):
        return Known(tuple, (TENSOR, _PAIR))
    if isinstance(module, (nn.RNNBase, nn.LSTMCell, nn.MultiheadAttention)):
        return _PAIR
    if getattr(module, "return_indices", False) is True:
        return _PAIR
    annotation = inspect.get_annotations(type(module).forward).get("return")
    if annotation in (torch.Tensor, "torch.Tensor", "Tensor"):
        return TENSOR
    is_layer = type(module).__module__.startswith("torch.nn.modules.")
    return TENSOR if is_layer and not isinstance(module, nn.AdaptiveLogSoftmaxWithLoss) else None


def _of_method(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Known | None:
    owner = known_of(args[0]) if args else None
    if owner is None or not issubclass(owner.cls, torch.Tensor):
        return None
    if name == "size":
        return INT if len(args) > 1 or kwargs else SIZE
    if name in _METHODS:
        return _METHODS[name]
    return _of_schema(name)


def _of_attribute(owner: Known | None, name: Any) -> Known | None:
    if owner is None or not issubclass(owner.cls, torch.Tensor):
        return None
    return _ATTRIBUTES.get(name)


def _of_item(owner: Known | None, key: Any) -> Known | None:
    if owner is None:
        return None
    if issubclass(owner.cls, torch.Tensor):
        return TENSOR
    if isinstance(key, slice):
        return Known(owner.cls, each=owner.each) if owner.items is None else None
    if owner.items is not None and isinstance(key, int) and -len(owner.items) <= key < len(owner.items):
        return owner.items[key]
    return owner.each


def _of_arithmetic(target: Callable[..., Any], args: Sequence[Any]) -> Known | None:
    """Return the type of an operator's result: a tensor if an operand is one, else the type for sample numbers."""
    known = [known_of(value) for value in args]
    if any(item is None for item in known):
        return None
    classes = [item.cls for item in known if item is not None]
    if any(issubclass(cls, torch.Tensor) for cls in classes):
        return TENSOR if target not in (operator.setitem, operator.contains, operator.is_, operator.is_not) else None
    if target in (operator.pow, math.pow) or not all(cls in _SAMPLES for cls in classes):
        return BOOL if target in (operator.eq, operator.ne) else None
    try:
        result = target(*(_SAMPLES[cls] for cls in classes))
    except (TypeError, ValueError, ArithmeticError):
        return None
    return Known(type(result)) if type(result) in _SAMPLES else None


def _of_torch_function(target: Any) -> Known | None:
    name = getattr(target, "__name__", "")
    module = str(getattr(target, "__module__", "") or "")
    if inspect.isfunction(target):  # written in Python: only its annotation counts
        declared = inspect.get_annotations(target).get("return") if module.startswith("torch.") else None
        if declared in (torch.Tensor, "torch.Tensor", "Tensor"):
            return TENSOR
        return TENSOR if module == "torch.functional" and name in ("einsum", "cdist", "norm", "tensordot") else None
    return _of_schema(name) if getattr(torch, name, None) is target or module.startswith("torch") else None


@functools.cache
def _of_schema(name: str) -> Known | None:
    """Return the type that all overloads of a PyTorch operator return; None if they differ."""
    schemas = [
        schema
        for schema in torch._C._jit_get_schemas_for_operator(f"aten::{name}")
        if not any(argument.is_out for argument in schema.arguments)
    ]
    on_tensors = [s for s in schemas if s.arguments and str(s.arguments[0].type) in ("Tensor", "List[Tensor]")]
    found = {tuple(str(result.type) for result in schema.returns) for schema in on_tensors or schemas}
    if len(found) != 1:
        return None
    (types,) = found
    return _OF_SCHEMA.get(types[0]) if len(types) == 1 else None
