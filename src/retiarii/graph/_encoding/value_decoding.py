"""`Decoder`: values and operations from JSON. Only names that `Allowed` accepts become classes and functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch

from retiarii.errors import GraphError
from retiarii.graph._encoding.allowed import Allowed
from retiarii.graph._encoding.field_checks import one_of, path, qualified, shown, torch_constant, truth, whole_number
from retiarii.graph._encoding.value_encoding import unpack
from retiarii.graph._operations.operation import Cast, Input, Inputs, Kind, Operation
from retiarii.graph._operations.qualified_names import type_name

_attribute_kind = one_of("parameter", "buffer", "constant", "training")
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
                    raise GraphError(f"{shown(data)} is not a value of a graph: {err}") from err
        raise GraphError(f"{shown(data)} is not a value of a graph.")

    def operation(self, data: Mapping[str, Any]) -> Operation:
        """Return the operation that `encode_operation` was given.

        Raises:
            GraphError: It names something that is not allowed.
            ValueError, KeyError, TypeError: ``data`` was not made by `encode_operation`.
        """
        kind, name = Kind(data["kind"]), data["type"]
        parameters = self.value(data["parameters"]) if "parameters" in data else {}
        if not isinstance(parameters, dict) or not all(isinstance(key, str) for key in parameters):
            raise ValueError(f"{shown(parameters)} are not parameters")
        cell, target = data.get("cell"), None
        if (kind is Kind.GRAPH) != isinstance(cell, str) or kind is Kind.CHOICE:
            raise ValueError(f"{shown(data)} is not an operation that a graph from a file may have")
        if kind is Kind.METHOD:
            self._allowed.check_method(name)
        elif kind is Kind.FUNCTION:
            target = self._allowed.function(qualified(name))
        elif kind is Kind.MODULE:
            target = self._allowed.layer(qualified(name))
        elif kind is Kind.ATTRIBUTE:
            path(parameters["name"])
            _attribute_kind(name)
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
