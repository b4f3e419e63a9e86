"""Checks of the fields of a graph from a file: each returns its value, or raises `ValueError`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from typing import Any

import torch

MAX_DEPTH = 60
"""How deep the values in a graph may be nested; those of real graphs are less than ten deep."""

_MAX_BITS = 1024
_QUALIFIED = re.compile(r"[A-Za-z_]\w*(\.(\w+|<locals>))*")
_PATH = re.compile(r"[^\"'\\\n\r{}]+")


def _check(kind: str, is_one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        if not is_one(value):
            raise ValueError(f"{shown(value)} is not {kind}")
        return value

    return checked


def shown(data: Any) -> str:
    """Return data for a message, cut to 200 characters."""
    text = repr(data)
    return text if len(text) < 200 else f"{text[:200]}..."


text = _check("a string", lambda value: isinstance(value, str))
identifier = _check(
    "an identifier",
    lambda name: isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name),
)
qualified = _check("a qualified name", lambda name: isinstance(name, str) and _QUALIFIED.fullmatch(name))
path = _check(
    "a path of a module",
    lambda name: isinstance(name, str) and _PATH.fullmatch(name) and "" not in name.split("."),
)
whole_number = _check("a non-negative integer", lambda value: type(value) is int and value >= 0)
number = _check("a number", lambda value: value is None or isinstance(value, (int, float)))
truth = _check("true or false", lambda value: isinstance(value, bool))


def one_of(*names: str) -> Callable[[Any], Any]:
    """Return the check for one of a few names."""
    return _check(f"one of {', '.join(names)}", lambda name: name in names)


def torch_constant(name: Any, kind: type | tuple[type, ...]) -> Any:
    """Return a dtype, a layout or a memory format by its name.

    Raises:
        TypeError: It does not exist.
    """
    value = getattr(torch, name, None)
    if not isinstance(value, kind):
        raise TypeError(f"{name!r} is not a dtype, layout or memory format of PyTorch")
    return value


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
