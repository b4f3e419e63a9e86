"""`plain_content`: read a published pickle without running code of it."""

from __future__ import annotations

import io
import math
import pickle
import reprlib
import struct
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from retiarii.benchmarks._tables._formats.pickle_limits import check_pickle
from retiarii.errors import BenchmarkError

_DAMAGE = (ArithmeticError, AttributeError, EOFError, ImportError, LookupError, MemoryError)
_MORE_DAMAGE = (RecursionError, TypeError, ValueError, pickle.UnpicklingError, struct.error)
_MAX_DIMENSIONS = 8
_LIST_BYTES = 8  # that a list of values in an array counts as
_COPIES = 4  # of a value: as text, as bytes, and as lists of single values
_FORMATS = {"b1": "?", "f2": "e", "f4": "f", "f8": "d"}
_FORMATS |= {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


def plain_content(data: bytes, name: str, *, arrays: bool = False) -> Any:
    """Return the content of a pickle: plain data, in which numbers of numpy are numbers of Python.

    Args:
        data: The pickle.
        name: The file's name, for messages.
        arrays: Whether it may have arrays of numpy, which are returned as (nested) lists.

    Raises:
        BenchmarkError: The pickle is damaged, would take far more memory than its size, or names a function or class
            that is not plain data.
    """
    try:
        check_pickle(data)
        return _PlainUnpickler(
            io.BytesIO(data), name, _ALLOWED | _array_parts(len(data)) if arrays else _ALLOWED
        ).load()
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
        self.is_object = code in ("O", "O8")
        self._format, self._order = "" if self.is_object else _FORMATS[code], "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._order = ">" if state[1] == ">" else "<"

    def read(self, data: bytes) -> Any:
        return self.read_all(data, 1)[0]

    def read_all(self, data: bytes, count: int) -> tuple[Any, ...]:
        return struct.unpack(f"{self._order}{count}{self._format}", data)


class _Number:
    """Stands for ``numpy.core.multiarray.scalar``; without attributes, which a pickle could set on a function."""

    __slots__ = ()

    def __call__(self, kind: _NumberType, data: bytes) -> Any:
        return _NumberType.read(kind, data)


class _Budget:
    """How much may be copied from the texts and bytes of a pickle: it can use the same ones again and again."""

    __slots__ = ("_left",)

    def __init__(self, size: int) -> None:
        self._left = size

    def spend(self, size: int) -> None:
        """Take a part of what is left.

        Raises:
            ValueError: There is less.
        """
        self._left -= size
        if self._left < 0:
            raise ValueError("its arrays have more values than the file")


class _Array(list[Any]):
    """Stands for an array of numpy."""

    __slots__ = ("_budget",)

    def __init__(self, budget: _Budget) -> None:
        self._budget = budget

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, is_fortran, data = state
        if is_fortran and len(shape) > 1:
            raise ValueError("an array is stored by columns")
        if len(shape) > _MAX_DIMENSIONS:
            raise ValueError(f"an array has {len(shape)} dimensions")
        self._budget.spend(len(data))
        count = math.prod(shape)
        values: list[Any] = list(data) if kind.is_object else [*_NumberType.read_all(kind, data, count)]
        if len(values) != count:
            raise ValueError(f"an array of {count} has {len(values)} values")
        for size in reversed(shape[1:]):
            self._budget.spend(_LIST_BYTES * len(values) // size)
            values = [values[start : start + size] for start in range(0, len(values), size)]
        self[:] = values


class _NewArray:
    """Stands for ``numpy.core.multiarray._reconstruct``, which makes an array without its values."""

    __slots__ = ("_budget",)

    def __init__(self, budget: _Budget) -> None:
        self._budget = budget

    def __call__(self, *_: object) -> _Array:
        return _Array(self._budget)


class _Encoded:
    """Stands for ``_codecs.encode``, by which the oldest pickles write bytes as text."""

    __slots__ = ("_budget",)

    def __init__(self, budget: _Budget) -> None:
        self._budget = budget

    def __call__(self, text: str, encoding: str) -> bytes:
        if encoding != "latin1":
            raise ValueError(f"bytes are written as {encoding!r}")
        self._budget.spend(len(text))
        return str.encode(text, "latin1")


class _NewOrderedDict:
    """Stands for ``collections.OrderedDict``, to which a pickle adds the items afterwards."""

    __slots__ = ()

    def __call__(self, *content: object) -> OrderedDict[Any, Any]:
        if content:  # a small pickle can ask for many copies of a large dict
            raise ValueError("an ordered dict is a copy of another one")
        return OrderedDict()


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _NewOrderedDict(),
    ("numpy", "dtype"): _NumberType,
    ("numpy.core.multiarray", "scalar"): _Number(),
    ("numpy._core.multiarray", "scalar"): _Number(),
}


def _array_parts(size: int) -> dict[tuple[str, str], Any]:
    """Return the stand-ins for what a pickle of this size needs for arrays."""
    budget = _Budget(_COPIES * size)
    return {
        ("_codecs", "encode"): _Encoded(budget),
        ("numpy", "ndarray"): "numpy.ndarray",  # an argument only
        ("numpy.core.multiarray", "_reconstruct"): _NewArray(budget),
        ("numpy._core.multiarray", "_reconstruct"): _NewArray(budget),
    }


class _PlainUnpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, name: str, allowed: Mapping[tuple[str, str], Any]) -> None:
        super().__init__(file)
        self._name, self._allowed = name, allowed

    def find_class(self, module_name: str, global_name: str) -> Any:
        allowed = self._allowed.get((module_name, global_name))
        if allowed is None:
            raise BenchmarkError(
                f"The pickle in {self._name} asks for {module_name}.{global_name}, which is not plain data, and was "
                "not read: it could run any code. Expected numbers, texts, lists and dicts. Delete the file, and "
                "download it from the benchmark's authors."
            )
        return allowed
