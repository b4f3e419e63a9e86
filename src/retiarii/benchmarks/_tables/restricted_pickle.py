"""`plain_content`: read a published pickle without running code of it."""

from __future__ import annotations

import io
import pickle
import reprlib
import struct
from collections import OrderedDict
from typing import Any

from retiarii.errors import BenchmarkError

_DAMAGE = (ArithmeticError, AttributeError, EOFError, ImportError, LookupError, MemoryError)
_MORE_DAMAGE = (RecursionError, TypeError, ValueError, pickle.UnpicklingError, struct.error)
_FORMATS = {"b1": "?", "f2": "e", "f4": "f", "f8": "d"}
_FORMATS |= {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


def plain_content(data: bytes, name: str) -> Any:
    """Return the content of a pickle: plain data, in which numbers of numpy are numbers of Python.

    Args:
        data: The pickle.
        name: The file's name, for messages.

    Raises:
        BenchmarkError: The pickle is damaged, or names a function or class that is not plain data.
    """
    try:
        return _PlainUnpickler(io.BytesIO(data), name).load()
    except (*_DAMAGE, *_MORE_DAMAGE) as err:
        raise BenchmarkError(
            f"The pickle in {name} is damaged ({type(err).__name__}: {err}). Download the file again."
        ) from err


def shown(value: Any) -> str:
    """Return a short text for a value of a pickle: a small pickle can hold lists whose full text fills the memory."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200


class _NumberType:
    """Stands for a ``numpy.dtype`` of a number."""

    def __init__(self, code: str, *_: object) -> None:
        self._format, self._order = _FORMATS[code], "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._order = ">" if state[1] == ">" else "<"

    def read(self, data: bytes) -> Any:
        return struct.unpack(self._order + self._format, data)[0]


class _Number:
    """Stands for ``numpy.core.multiarray.scalar``; without attributes, which a pickle could set on a function."""

    __slots__ = ()

    def __call__(self, kind: _NumberType, data: bytes) -> Any:
        return _NumberType.read(kind, data)


_ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "dtype"): _NumberType,
    ("numpy.core.multiarray", "scalar"): _Number(),
    ("numpy._core.multiarray", "scalar"): _Number(),
}


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, name: str) -> None:
        super().__init__(file)
        self._name = name

    def find_class(self, module_name: str, global_name: str) -> Any:
        allowed = _ALLOWED.get((module_name, global_name))
        if allowed is None:
            raise BenchmarkError(
                f"The pickle in {self._name} asks for {module_name}.{global_name}, which is not plain data, and was "
                "not read: it could run any code. Expected numbers, texts, lists and dicts. Delete the file, and "
                "download it from the benchmark's authors."
            )
        return allowed
