"""Values in graphs as JSON: `encode` and `decode` are exact inverses, and decoding never imports or runs anything."""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from retiarii.errors import GraphError
from retiarii.graph._construct import check_arguments_known
from retiarii.graph._operation import Cast, Input, Inputs, Kind, Operation
from retiarii.graph._references import EnumReference, PartialReference, TypeReference
from retiarii.graph._safe_names import identifier, path, qualified
from retiarii.graph._types import type_name


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


def decode(data: Any) -> Any:
    """Return the value that `encode` was given.

    Raises:
        GraphError: ``data`` was not made by `encode`.
    """
    if isinstance(data, list):
        return [decode(item) for item in data]
    if not isinstance(data, Mapping):
        return data
    if len(data) == 1:
        ((tag, content),) = data.items()
        if tag in _DECODERS:
            try:
                return _DECODERS[tag](content)
            except (TypeError, ValueError, KeyError, AttributeError) as err:
                raise GraphError(f"{data!r} is not a value of a graph: {err}") from err
    raise GraphError(f"{data!r} is not a value of a graph.")


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


def _partial(value: functools.partial[Any] | PartialReference, where: str) -> Any:
    function = value.func if isinstance(value, functools.partial) else value.function
    return {"$partial": [encode(function, where), encode(list(value.args), where), encode(dict(value.keywords), where)]}


def _tensor(value: torch.Tensor, where: str) -> Any:
    if value.numel() > 65536:
        raise GraphError(f"Node {where!r} has a tensor of {value.numel()} elements among its arguments.", node=where)
    items = value.detach().cpu()
    plain = [repr(item) for item in items.flatten().tolist()]
    return {"$tensor": [str(value.dtype).removeprefix("torch."), list(value.shape), plain]}


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


def decode_operation(data: Mapping[str, Any]) -> Operation:
    """Return the operation that `encode_operation` was given."""
    parameters = decode(data["parameters"]) if "parameters" in data else {}
    if Kind(data["kind"]) is Kind.ATTRIBUTE:
        path(parameters["name"])
    cast = _decode_cast(*data["cast"]) if "cast" in data else Cast()
    return Operation(Kind(data["kind"]), qualified(data["type"]), parameters, data.get("cell"), cast=cast)


def _decode_cast(dtype: Any, frozen: Any) -> Cast:
    if dtype is not None:
        _torch(dtype, torch.dtype)
    if not isinstance(frozen, bool):
        raise TypeError(f"{frozen!r} is neither true nor false")
    return Cast(dtype, frozen)


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
    (TypeReference, lambda value, where: {"$type": value.name}),
    (EnumReference, lambda value, where: {"$enum": [value.type, value.member]}),
    ((functools.partial, PartialReference), _partial),
    (torch.Tensor, _tensor),
    (Operation, _operation),
]

_TRUTH = {"True": True, "False": False}


def _decode_tensor(content: Any) -> torch.Tensor:
    dtype, shape, items = content
    return torch.tensor([_decode_number(item) for item in items], dtype=_torch(dtype, torch.dtype)).reshape(shape)


def _decode_number(text: str) -> float | int | bool:
    if text in _TRUTH:
        return _TRUTH[text]
    return float(text) if any(letter in text for letter in ".en") else int(text)


def _torch(name: str, kind: type | tuple[type, ...]) -> Any:
    value = getattr(torch, name)
    if not isinstance(value, kind):
        raise TypeError(f"torch.{name} is a {type(value).__name__}")
    return value


def _decode_partial(content: Any) -> PartialReference:
    function, args, keywords = content
    return PartialReference(decode(function), tuple(decode(args)), decode(keywords))


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "$float": float,
    "$complex": lambda content: complex(float(content[0]), float(content[1])),
    "$size": torch.Size,
    "$input": Input,
    "$inputs": Inputs,
    "$tuple": lambda content: tuple(decode(item) for item in content),
    "$set": lambda content: {decode(item) for item in content},
    "$frozenset": lambda content: frozenset(decode(item) for item in content),
    "$dict": lambda content: {decode(key): decode(item) for key, item in content},
    "$slice": lambda content: slice(*(decode(part) for part in content)),
    "$ellipsis": lambda content: ...,
    "$dtype": lambda content: _torch(content, torch.dtype),
    "$device": torch.device,
    "$torch": lambda content: _torch(content, (torch.memory_format, torch.layout)),
    "$type": lambda content: TypeReference(qualified(content)),
    "$enum": lambda content: EnumReference(qualified(content[0]), identifier(content[1])),
    "$partial": _decode_partial,
    "$tensor": _decode_tensor,
    "$layer": decode_operation,
}
