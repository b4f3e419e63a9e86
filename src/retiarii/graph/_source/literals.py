"""`Literals`: Python source for the values in arguments, and the imports that it needs."""

from __future__ import annotations

import builtins
import enum
import functools
import math
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import torch

from retiarii.errors import GraphError
from retiarii.graph._encoding.value_encoding import pack
from retiarii.graph._operations.layer_construction import source_arguments
from retiarii.graph._operations.operation import Input, Inputs, Kind, Operation
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

Write: TypeAlias = Callable[[Any], str]
"""Returns the source for a value."""


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

    def value(self, value: Any, where: str = "", edge: Write | None = None) -> str:
        """Return the source for a value.

        Args:
            value: A plain value, a container, a class, a function, or a dtype, device or tensor of PyTorch.
            where: The path of the node, for messages.
            edge: Returns the source for `Input` and `Inputs` among the values.

        Raises:
            GraphError: There is no source for this value.
        """
        if isinstance(value, Expression):
            raise GraphError(
                f"Node {where!r} has the argument {value!r}, which is not fixed yet. Fix the choices first: "
                "lower(model, architecture).",
                node=where,
            )
        if edge is not None and isinstance(value, (Input, Inputs)):
            return edge(value)
        for kinds, write in _LEAVES:
            if isinstance(value, kinds):
                return write(self, value, where)
        for kinds, write_items in _CONTAINERS:
            if isinstance(value, kinds):
                return write_items(self, value, lambda item: self.value(item, where, edge))
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

    def _sequence(self, value: Any, write: Write) -> str:
        items = [write(item) for item in value]
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

    def _dict(self, value: dict[Any, Any], write: Write) -> str:
        return f"{{{', '.join(f'{write(key)}: {write(item)}' for key, item in value.items())}}}"

    def _slice(self, value: slice, write: Write) -> str:
        return f"slice({', '.join(write(part) for part in (value.start, value.stop, value.step))})"

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
        args, kwargs = source_arguments(value, where)
        return self.call(self.name(value.type, value.target), args, kwargs, where) + value.cast.source

    def _tensor(self, value: torch.Tensor, where: str) -> str:
        self.imports.add("import torch")
        is_short = value.numel() <= _DIGITS and not value.is_meta and bool(value.isfinite().all())
        if is_short or value.numel() == 0:
            shape = "" if value.numel() else f".reshape({tuple(value.shape)})"
            return f"torch.tensor({value.tolist()}, dtype={value.dtype}){shape}"  # all digits
        self.imports.update({"import base64", "import zlib"})
        content = f'bytearray(zlib.decompress(base64.b64decode("{pack(value, where)}")))'
        return f"torch.frombuffer({content}, dtype={value.dtype}).reshape({tuple(value.shape)})"


_LEAVES: list[tuple[Any, Callable[[Literals, Any, str], str]]] = [
    (enum.Enum, Literals._enum),
    ((bool, int, float, complex, str, bytes, type(None), type(Ellipsis)), Literals._plain),
    ((torch.dtype, torch.device, torch.memory_format, torch.layout), Literals._torch),
    (functools.partial, Literals._partial),
    (Operation, Literals._operation),
    (torch.Tensor, Literals._tensor),
]
_CONTAINERS: list[tuple[Any, Callable[[Literals, Any, Write], str]]] = [
    ((list, tuple, set, frozenset), Literals._sequence),
    (dict, Literals._dict),
    (slice, Literals._slice),
]
