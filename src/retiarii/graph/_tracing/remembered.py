"""`Remembered`: the state that user code keeps between calls, to find out whether each call changes it.

`StateWatch` refuses changes of modules. This file covers other places where a ``forward`` can count: global names,
classes, objects in attributes, defaults and closures of functions. A change by the first call only (a cache, a warning
that is given once) is accepted if the second call is traced to the same operations; a counter is refused.
"""

from __future__ import annotations

import array
import itertools
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import nn

from retiarii.graph._tracing.user_frames import is_user_file

PLAIN = (int, float, complex, str, bytes, bool, type(None))
_LIBRARIES = ("torch", "retiarii.", "builtins", "collections", "functools", "numpy", "typing", "abc")
_OPAQUE = (nn.Module, torch.Tensor, ModuleType, torch.Generator)
_DEPTH = 5
_MAX_ITEMS = 100_000


class Remembered:
    """The current state of the objects in some namespaces.

    Installed packages are skipped, except those that define classes of the model: their connections, caches and
    registries are not the model's, and other code may change them at the same time.

    Args:
        spaces: Attributes of objects, global names of files.
        owners: The modules in which the classes of the model are defined.
    """

    def __init__(self, spaces: Iterable[Mapping[str, Any]], owners: Iterable[str] = ()) -> None:
        self._packages = {owner.partition(".")[0] for owner in owners}
        self._kept: list[Any] = []  # keeps their ids unique
        self._left = _MAX_ITEMS
        self._values = [
            {name: self._state(value, _DEPTH) for name, value in list(space.items()) if not name.startswith("__")}
            for space in spaces
            if self._is_own(space.get("__name__"))
        ]

    def difference(self, later: Remembered) -> str | None:
        """Return the name of the first object whose state differs in ``later``; None if all are equal."""
        for before, after in zip(self._values, later._values, strict=True):
            for name, state in after.items():
                if before.get(name) != state:
                    return name
        return None

    def _state(self, value: Any, depth: int) -> Any:
        if type(value) in PLAIN:
            return type(value).__name__, repr(value)
        self._left -= 1
        self._kept.append(value)
        if depth == 0 or self._left < 0 or isinstance(value, _OPAQUE):
            return id(value)
        content = _content(value)
        if content is not None:
            return id(value), content
        return id(value), tuple(self._state(item, depth - 1) for item in self._parts(value))

    def _parts(self, value: Any) -> Iterator[Any]:
        """Yield the parts of an object that can be replaced."""
        if isinstance(value, dict):
            yield from (part for item in list(value.items()) for part in item)
        elif isinstance(value, (list, tuple, deque, set, frozenset)):
            yield from sorted(value, key=id) if isinstance(value, (set, frozenset)) else list(value)
        elif isinstance(value, FunctionType):
            yield from _parts_of_function(value)
        else:
            module = (type(value) if not isinstance(value, type) else value).__module__
            if not module.startswith(_LIBRARIES) and self._is_own(module):
                yield from _parts_of_object(value)

    def _is_own(self, module: Any) -> bool:
        """Return whether a module is user code, or a package that defines classes of the model."""
        if not isinstance(module, str) or module.partition(".")[0] in self._packages:
            return True
        file = getattr(sys.modules.get(module), "__file__", None)
        return file is None or (is_user_file(file) and "site-packages" not in file)


def _content(value: Any) -> Any:
    """Return the content of an object that holds numbers only; None for all others."""
    if isinstance(value, (bytearray, array.array)):
        return bytes(value)
    if isinstance(value, itertools.count):
        return repr(value)
    if type(value).__module__ == "numpy" and hasattr(value, "tobytes"):
        return value.shape, value.tobytes()
    return None


def _parts_of_function(function: FunctionType) -> Iterator[Any]:
    if not is_user_file(function.__code__.co_filename):
        return
    yield from (function.__defaults__, function.__kwdefaults__, function.__dict__)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # still empty
            yield None


def _parts_of_object(value: Any) -> Iterator[Any]:
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, Mapping):
        yield from (item for name, item in list(attributes.items()) if not name.startswith("__"))
    for cls in type(value).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            yield getattr(value, name, None)
