"""`Literals`: Python source for the values in arguments, and the imports that it needs."""

from __future__ import annotations

import builtins
import enum
import functools
import math
import re
from collections.abc import Callable
from typing import Any

import torch

from retiarii.errors import GraphError
from retiarii.graph._encoding.value_encoding import pack
from retiarii.graph._operations.operation import Kind, Operation
from retiarii.graph._operations.qualified_names import resolve_any, type_name
from retiarii.graph._operations.safe_names import free_name, keyword_argument, quoted
from retiarii.space import Expression

_MODULES = {
    "torch.nn.functional": ("F", "import torch.nn.functional as F"),
    "torch.nn": ("nn", "from torch import nn"),
    "torch": ("torch", "import torch"),
    "operator": ("operator", "import operator"),
    "math": ("math", "import math"),
}
RESERVED = frozenset({"torch", "nn", "F", "operator", "math", "functools", "base64", "zlib", "self"})
_DIGITS = 64
"""Tensors with more elements are written as bytes."""


class Literals:
    """Writes values and names as source code, and collects the imports.

    Args:
        user_name: Returns the name of a user's class or function in the source; by default the last part
            of its qualified name.

    Attributes:
        imports: The import statements that are needed.
        objects: Name to object, for objects of the user's modules.
    """

    def __init__(self, user_name: Callable[[str, Any], str] | None = None) -> None:
        self.imports: set[str] = set()
        self.objects: dict[str, Any] = {}
        self._user_name = user_name or self._default_user_name

    def name(self, qualified: str, target: Any = None) -> str:
        """Return the source for a class or function.

        Args:
            qualified: Its canonical name.
            target: The object, if it is known.
        """
        parent, _, short = qualified.rpartition(".")
        if parent == "builtins":
            return short
        for module, (alias, statement) in _MODULES.items():
            if parent == module or (module == "torch" and parent.startswith("torch.") and "nn" not in parent):
                self.imports.add(statement)
                return f"{alias}{parent.removeprefix(module)}.{short}"
        if parent.startswith("torch."):
            self.imports.update({"import torch", f"import {parent}"})
            return qualified
        return self._user_name(qualified, target)

    def value(self, value: Any, where: str = "") -> str:
        """Return the source for a value.

        Args:
            value: A plain value, a container, a class, a function, or a dtype, device or tensor of PyTorch.
            where: The path of the node, for messages.

        Raises:
            GraphError: There is no source for this value.
        """
        if isinstance(value, Expression):
            raise GraphError(
                f"Node {where!r} has the argument {value!r}, which is not fixed yet. Fix the choices first: "
                "lower(model, architecture).",
                node=where,
            )
        writer = next((write for kinds, write in _WRITERS if isinstance(value, kinds)), None)
        if writer is not None:
            return writer(self, value, where)
        if isinstance(value, type) or callable(value):
            return self.name(type_name(value), value)
        raise GraphError(
            f"Node {where!r} has the argument {value!r} of type {type(value).__name__}, which cannot be written as "
            "Python code. Expected plain values, classes and functions.",
            node=where,
        )

    def call(self, function: str, args: list[Any], kwargs: dict[str, Any], where: str = "") -> str:
        """Return the source of a call."""
        parts = [self.value(value, where) for value in args]
        parts += [keyword_argument(name, self.value(value, where)) for name, value in kwargs.items()]
        return f"{function}({', '.join(parts)})"

    def _default_user_name(self, qualified: str, target: Any) -> str:
        target = resolve_any(qualified) if target is None else target
        for name, known in self.objects.items():
            if known is target:
                return name
        short = re.sub(r"\W", "_", qualified.rpartition(".")[2])
        name = free_name(short, RESERVED | self.objects.keys() | vars(builtins).keys())
        self.objects[name] = target
        return name

    def _sequence(self, value: Any, where: str) -> str:
        items = [self.value(item, where) for item in value]
        if isinstance(value, torch.Size):
            self.imports.add("import torch")
            return f"torch.Size([{', '.join(items)}])"
        if isinstance(value, tuple) and not hasattr(value, "_fields"):
            return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
        if isinstance(value, tuple):
            return f"{self.name(type_name(type(value)), type(value))}({', '.join(items)})"
        if isinstance(value, (set, frozenset)):
            return f"{{{', '.join(items)}}}" if items else "set()"
        return f"[{', '.join(items)}]"

    def _dict(self, value: dict[Any, Any], where: str) -> str:
        items = (f"{self.value(key, where)}: {self.value(item, where)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"

    def _slice(self, value: slice, where: str) -> str:
        parts = [self.value(part, where) for part in (value.start, value.stop, value.step)]
        return f"slice({', '.join(parts)})"

    def _torch(self, value: Any, where: str) -> str:
        self.imports.add("import torch")
        return f"torch.{value!r}" if isinstance(value, torch.device) else str(value)

    def _plain(self, value: Any, where: str) -> str:
        if isinstance(value, float) and not math.isfinite(value):
            return f'float("{value}")'
        if isinstance(value, str):
            return quoted(value)
        return "..." if value is Ellipsis else repr(value)

    def _enum(self, value: enum.Enum, where: str) -> str:
        return f"{self.name(type_name(type(value)), type(value))}.{value.name}"

    def _partial(self, value: functools.partial[Any], where: str) -> str:
        self.imports.add("import functools")
        return self.call("functools.partial", [value.func, *value.args], dict(value.keywords), where)

    def _operation(self, value: Operation, where: str) -> str:
        if value.kind is not Kind.MODULE:
            raise GraphError(f"Node {where!r} has a choice among its constructor arguments.", node=where)
        return layer_source(self, value, where)

    def _tensor(self, value: torch.Tensor, where: str) -> str:
        self.imports.add("import torch")
        is_short = value.numel() <= _DIGITS and not value.is_meta and bool(value.isfinite().all())
        if is_short or value.numel() == 0:
            shape = "" if value.numel() else f".reshape({tuple(value.shape)})"
            return f"torch.tensor({value.tolist()}, dtype={value.dtype}){shape}"  # all digits
        self.imports.update({"import base64", "import zlib"})
        content = f'bytearray(zlib.decompress(base64.b64decode("{pack(value, where)}")))'
        return f"torch.frombuffer({content}, dtype={value.dtype}).reshape({tuple(value.shape)})"


def layer_source(literals: Literals, operation: Operation, where: str) -> str:
    """Return the constructor call of a layer: required arguments by position, the others by name.

    Raises:
        GraphError: A parameter does not exist, or cannot be written.
    """
    from retiarii.graph._operations.layer_construction import source_arguments  # it constructs what this module writes

    args, kwargs = source_arguments(operation, where)
    return literals.call(literals.name(operation.type, operation.target), args, kwargs, where) + operation.cast.source


_WRITERS: list[tuple[Any, Callable[[Literals, Any, str], str]]] = [
    (enum.Enum, Literals._enum),
    ((bool, int, float, complex, str, bytes, type(None), type(Ellipsis)), Literals._plain),
    ((list, tuple, set, frozenset), Literals._sequence),
    (dict, Literals._dict),
    (slice, Literals._slice),
    ((torch.dtype, torch.device, torch.memory_format, torch.layout), Literals._torch),
    (functools.partial, Literals._partial),
    (Operation, Literals._operation),
    (torch.Tensor, Literals._tensor),
]
