"""`Decoder`: values and operations from JSON. Only names that `Allowed` accepts become classes and functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch

from retiarii.errors import GraphError
from retiarii.graph._encoding.allowed import Allowed
from retiarii.graph._encoding.value_encoding import unpack
from retiarii.graph._operations.operation import Cast, Input, Inputs, Kind, Operation
from retiarii.graph._operations.qualified_names import type_name
from retiarii.graph._operations.safe_names import path, qualified

MAX_DEPTH = 60
"""How deep the values in a graph may be nested; those of real graphs are less than ten deep."""

_MAX_BITS = 1024
_ATTRIBUTE_KINDS = ("parameter", "buffer", "constant", "training")
_FAULTS = (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError, OverflowError)


class Decoder:
    """Reads what `encode` and `encode_operation` wrote.

    Args:
        allowed: The names that a graph may use.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed

    def value(self, data: Any) -> Any:
        """Return the value that `encode` was given.

        Raises:
            GraphError: ``data`` was not made by `encode`, or names something that is not allowed.
        """
        if isinstance(data, list):
            return [self.value(item) for item in data]
        if not isinstance(data, Mapping):
            return data
        if len(data) == 1:
            ((tag, content),) = data.items()
            if tag in _DECODERS:
                try:
                    return _DECODERS[tag](self, content)
                except _FAULTS as err:
                    raise GraphError(f"{_short(data)} is not a value of a graph: {err}") from err
        raise GraphError(f"{_short(data)} is not a value of a graph.")

    def operation(self, data: Mapping[str, Any]) -> Operation:
        """Return the operation that `encode_operation` was given.

        Raises:
            GraphError: It names something that is not allowed.
            ValueError, KeyError, TypeError: ``data`` was not made by `encode_operation`.
        """
        kind, name = Kind(data["kind"]), data["type"]
        parameters = self.value(data["parameters"]) if "parameters" in data else {}
        if not isinstance(parameters, dict) or not all(isinstance(key, str) for key in parameters):
            raise ValueError(f"{_short(parameters)} are not parameters")
        cell, target = data.get("cell"), None
        if (kind is Kind.GRAPH) != isinstance(cell, str) or kind is Kind.CHOICE:
            raise ValueError(f"{_short(data)} is not an operation that a graph from a file may have")
        if kind is Kind.METHOD:
            self._allowed.check_method(name)
        elif kind is Kind.FUNCTION:
            target = self._allowed.function(qualified(name))
        elif kind is Kind.MODULE:
            target = self._allowed.layer(qualified(name))
        elif kind is Kind.ATTRIBUTE:
            path(parameters["name"])
            if name not in _ATTRIBUTE_KINDS:
                raise ValueError(f"{name!r} is not one of {', '.join(_ATTRIBUTE_KINDS)}")
        canonical = name if target is None else type_name(target)
        cast = _cast(*data["cast"]) if "cast" in data else Cast()
        return Operation(kind, qualified(canonical), parameters, cell, target, cast=cast)

    def check_attribute(self, name: Any) -> None:
        """Check the name of an attribute that a graph reads; raises the errors of `Allowed.check_attribute`."""
        self._allowed.check_attribute(name)

    def _pair(self, content: Any) -> tuple[Any, Any]:
        first, second = content
        return self.value(first), self.value(second)

    def _layer(self, content: Any) -> Operation:
        operation = self.operation(content)
        if operation.kind is not Kind.MODULE:
            raise ValueError("an argument can be a layer, but no other operation")
        return operation

    def _partial(self, content: Any) -> functools.partial[Any]:
        function, args, keywords = content
        return functools.partial(self.value(function), *self.value(args), **self.value(keywords))

    def _type(self, content: Any) -> Any:
        return self._allowed.class_or_function(qualified(content))

    def _member(self, content: Any) -> Any:
        name, member = content
        return self._allowed.member(qualified(name), member)


def check_plain(data: Any) -> None:
    """Check that data is valid JSON data, not nested too deep, and that Python can print its texts and numbers.

    Raises:
        ValueError: It is not.
    """
    _check_plain(data, set())


def _check_plain(data: Any, around: set[int]) -> None:
    if isinstance(data, str):
        data.encode()  # UnicodeEncodeError (a ValueError) for half a surrogate pair
    elif isinstance(data, (list, dict)):
        if id(data) in around or len(around) >= MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        around.add(id(data))
        for item in data if isinstance(data, list) else (*data, *data.values()):
            _check_plain(item, around)
        if isinstance(data, dict) and not all(isinstance(key, str) for key in data):
            raise ValueError("a key is not a string")
        around.remove(id(data))
    elif isinstance(data, int):
        if data.bit_length() > _MAX_BITS:
            raise ValueError(f"it has a number of {data.bit_length()} bits, expected at most {_MAX_BITS}")
    elif data is not None and not isinstance(data, float):
        raise ValueError(f"it has a {type(data).__name__}, which is nothing of JSON")


def whole_number(value: Any) -> int:
    """Return an integer that is not negative.

    Raises:
        ValueError: It is not.
    """
    if type(value) is not int or value < 0:
        raise ValueError(f"{_short(value)} is not a non-negative integer")
    return value


def truth(value: Any) -> bool:
    """Return true or false.

    Raises:
        ValueError: It is neither.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{_short(value)} is neither true nor false")
    return value


def torch_constant(name: Any, kind: type | tuple[type, ...]) -> Any:
    """Return a dtype, a layout or a memory format.

    Raises:
        TypeError: It does not exist.
    """
    value = getattr(torch, name, None)
    if not isinstance(value, kind):
        raise TypeError(f"{name!r} is not a dtype, layout or memory format of PyTorch")
    return value


def _cast(dtype: Any, frozen: Any) -> Cast:
    if dtype is not None:
        torch_constant(dtype, torch.dtype)
    return Cast(dtype, truth(frozen))


def _tensor(content: Any) -> torch.Tensor:
    dtype, shape, text = content
    return unpack(text, torch_constant(dtype, torch.dtype), list(map(whole_number, shape)))


def _slice(parts: list[Any]) -> slice:
    start, stop, step = parts
    return slice(start, stop, step)


def _short(data: Any) -> str:
    text = ascii(data)
    return text if len(text) < 200 else f"{text[:200]}..."


_DECODERS: dict[str, Callable[[Decoder, Any], Any]] = {
    "$float": lambda _, content: float(content),
    "$complex": lambda _, content: complex(float(content[0]), float(content[1])),
    "$size": lambda _, content: torch.Size(map(whole_number, content)),
    "$input": lambda _, content: Input(whole_number(content)),
    "$inputs": lambda _, content: Inputs(truth(content)),
    "$tuple": lambda decoder, content: tuple(decoder.value(item) for item in content),
    "$set": lambda decoder, content: {decoder.value(item) for item in content},
    "$frozenset": lambda decoder, content: frozenset(decoder.value(item) for item in content),
    "$dict": lambda decoder, content: dict(map(decoder._pair, content)),
    "$slice": lambda decoder, content: _slice(list(map(decoder.value, content))),
    "$ellipsis": lambda _, content: ...,
    "$dtype": lambda _, content: torch_constant(content, torch.dtype),
    "$device": lambda _, content: torch.device(content),
    "$torch": lambda _, content: torch_constant(content, (torch.memory_format, torch.layout)),
    "$type": Decoder._type,
    "$enum": Decoder._member,
    "$partial": Decoder._partial,
    "$tensor": lambda _, content: _tensor(content),
    "$layer": Decoder._layer,
}
