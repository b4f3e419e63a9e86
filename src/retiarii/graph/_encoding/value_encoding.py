"""Values in graphs as JSON: `encode`, of which `Decoder.value` is the exact inverse."""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from retiarii.errors import GraphError
from retiarii.graph._encoding.packing import pack
from retiarii.graph._operations.layer_construction import check_arguments_known
from retiarii.graph._operations.operation import Cast, Input, Inputs, Kind, Operation
from retiarii.graph._operations.qualified_names import type_name


def encode(value: Any, where: str = "") -> Any:
    """Return a value as what JSON can hold.

    Args:
        value: Plain values, containers, classes, functions, and PyTorch's dtypes, devices and small tensors.
        where: The path of the node, for messages.

    Raises:
        GraphError: There is no JSON for this value.
    """
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    writer = next((write for kinds, write in _ENCODERS if isinstance(value, kinds)), None)
    if writer is not None:
        return writer(value, where)
    if isinstance(value, type) or callable(value):
        return {"$type": type_name(value)}
    raise GraphError(
        f"Node {where!r} has the argument {value!r} of type {type(value).__name__}, which JSON cannot hold. Expected "
        "plain values, classes and functions; choices must be fixed first.",
        node=where,
    )


def _number(value: Any, where: str) -> Any:
    if isinstance(value, complex):
        return {"$complex": [repr(value.real), repr(value.imag)]}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    return int(value)


def _items(tag: str) -> Callable[[Any, str], Any]:
    return lambda value, where: {tag: [encode(item, where) for item in value]}


def _dict(value: Mapping[Any, Any], where: str) -> Any:
    return {"$dict": [[encode(key, where), encode(item, where)] for key, item in value.items()]}


def _partial(value: functools.partial[Any], where: str) -> Any:
    return {
        "$partial": [encode(value.func, where), encode(list(value.args), where), encode(dict(value.keywords), where)]
    }


def _tensor(value: torch.Tensor, where: str) -> Any:
    return {"$tensor": [str(value.dtype).removeprefix("torch."), list(value.shape), pack(value, where)]}


def _operation(value: Operation, where: str) -> Any:
    return {"$layer": encode_operation(value, where)}


def encode_operation(operation: Operation, where: str) -> dict[str, Any]:
    """Return an operation as what JSON can hold.

    Raises:
        GraphError: It is a choice, or has parameters that JSON cannot hold.
    """
    if operation.kind is Kind.CHOICE:
        raise GraphError(
            f"Node {where!r} is a {operation.short_type} that is not fixed, which JSON cannot hold.", node=where
        )
    check_arguments_known(operation, where)
    data: dict[str, Any] = {"kind": operation.kind.value, "type": operation.type}
    if operation.parameters:
        data["parameters"] = _dict(operation.parameters, where)
    if operation.cell is not None:
        data["cell"] = operation.cell
    if operation.cast != Cast():
        data["cast"] = [operation.cast.dtype, operation.cast.frozen]
    return data


_ENCODERS: list[tuple[Any, Callable[[Any, str], Any]]] = [
    (enum.Enum, lambda value, where: {"$enum": [type_name(type(value)), value.name]}),
    ((int, float, complex), _number),
    (torch.Size, lambda value, where: {"$size": list(value)}),
    (Input, lambda value, where: {"$input": value.slot}),
    (Inputs, lambda value, where: {"$inputs": value.spread}),
    (tuple, _items("$tuple")),
    (list, lambda value, where: [encode(item, where) for item in value]),
    (frozenset, _items("$frozenset")),
    (set, _items("$set")),
    (Mapping, _dict),
    (slice, lambda value, where: {"$slice": [encode(part, where) for part in (value.start, value.stop, value.step)]}),
    (type(Ellipsis), lambda value, where: {"$ellipsis": True}),
    (torch.dtype, lambda value, where: {"$dtype": str(value).removeprefix("torch.")}),
    (torch.device, lambda value, where: {"$device": str(value)}),
    ((torch.memory_format, torch.layout), lambda value, where: {"$torch": str(value).removeprefix("torch.")}),
    (functools.partial, _partial),
    (torch.Tensor, _tensor),
    (Operation, _operation),
]
