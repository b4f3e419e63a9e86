"""`encode`: values in graphs as JSON; `Decoder.value` is the exact inverse.

`pack` and `unpack` turn the values of tensors into text and back, exact to the last bit.
"""

from __future__ import annotations

import base64
import enum
import functools
import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import torch

from retiarii.errors import GraphError
from retiarii.graph._operations.layer_construction import check_arguments_known
from retiarii.graph._operations.operation import Cast, Input, Inputs, Kind, Operation
from retiarii.graph._operations.qualified_names import type_name

MAX_BYTES = 64 * 2**20
"""The largest tensor that is written into a text."""


def encode(value: Any, where: str = "") -> Any:
    """Return a value as JSON data.

    Args:
        value: Plain values, containers, classes, functions, and PyTorch's dtypes, devices and small tensors.
        where: The path of the node, for messages.

    Raises:
        GraphError: The value has no JSON form.
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
    """Return an operation as JSON data.

    Raises:
        GraphError: It is a choice, or a parameter has no JSON form.
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


def pack(tensor: torch.Tensor, where: str) -> str:
    """Return the bytes of a tensor, compressed and in base 64.

    Args:
        tensor: Any dense tensor.
        where: The path of the tensor, for messages.

    Raises:
        GraphError: The tensor is too large, or has no values.
    """
    size = tensor.numel() * tensor.element_size()
    if size > MAX_BYTES:
        raise GraphError(
            f"{where!r} has {size} bytes of values, which are too many for a text (at most {MAX_BYTES}). Mark the "
            "class that computes it with @basic_unit, so that its source is exported, or compute it in forward().",
            node=where,
        )
    if tensor.is_meta or tensor.layout is not torch.strided or tensor.is_quantized:
        raise GraphError(
            f"The values of {where!r} cannot be written out: it is a {tensor.layout} tensor on {tensor.device}. "
            "Expected a dense tensor with values.",
            node=where,
        )
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return base64.b64encode(zlib.compress(plain.view(torch.uint8).numpy().tobytes(), 9)).decode()


def unpack(text: str, dtype: torch.dtype, shape: list[int]) -> torch.Tensor:
    """Return the tensor of a text.

    Raises:
        ValueError: The text is damaged or has another number of bytes than the tensor.
    """
    size = torch.Size(shape).numel() * dtype.itemsize
    if size > MAX_BYTES:
        raise ValueError(f"a tensor of {size} bytes is too large for a text")
    reader = zlib.decompressobj()
    try:
        content = reader.decompress(base64.b64decode(text, validate=True), size + 1)
    except zlib.error as err:
        raise ValueError(f"the bytes of a tensor are damaged: {err}") from err
    if len(content) != size:
        raise ValueError(f"a tensor of {size} bytes has {len(content)}")
    flat = torch.frombuffer(bytearray(content), dtype=dtype) if content else torch.empty(0, dtype=dtype)
    return flat.reshape(shape)
