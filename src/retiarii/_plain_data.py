"""Records as plain JSON data, and back: each value is checked when it is read.

JSON has no NaN and no infinities, so they are written as ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``. Output of
programs may hold any characters; those that neither UTF-8 nor databases accept (NUL and lone surrogates) are replaced.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias, TypeVar

from retiarii.errors import ConfigError, RecordError

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

Reader: TypeAlias = Callable[[Any], T]
"""A function that reads a value from JSON data, or raises a ValueError with the found and the expected value."""

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FAULTS = (ValueError, TypeError, RecursionError, OverflowError)
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def clean_text(text: str) -> str:
    """Return a text with NUL characters and lone surrogates replaced, which databases refuse."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def number_to_json(value: float) -> float | str:
    """Return a number as JSON can hold it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def metrics_to_json(metrics: Mapping[str, float]) -> dict[str, float | str]:
    """Return metrics as JSON can hold them, sorted by name."""
    return {name: number_to_json(value) for name, value in sorted(metrics.items())}


def encode_json(name: str, value: Any) -> str:
    """Return plain data as JSON text, keys in their own order.

    Raises:
        ConfigError: ``value`` is not plain data; the message calls it ``name``.
    """
    try:
        return _ENCODE(value)
    except (TypeError, ValueError, RecursionError) as err:
        raise ConfigError(
            f"The {name} is stored as JSON, and this one cannot be: {err}. Expected a dict of "
            "strings, finite numbers, booleans, None, lists and dicts."
        ) from err


def plain_copy(name: str, value: Any) -> Any:
    """Return a copy of plain data.

    Raises:
        ConfigError: It is something else; the message calls it ``name``.
    """
    return json.loads(encode_json(name, value))


def read_fields(
    what: str, data: Any, readers: Mapping[str, Reader[Any]], *, required: Collection[str]
) -> dict[str, Any]:
    """Read the fields of a record from its JSON data, each with its reader.

    Args:
        what: The record's name in messages, such as ``"a trial"``.
        data: A JSON object.
        readers: The reader of each allowed field.
        required: The fields that must be present; the others may be missing.

    Raises:
        RecordError: ``data`` is no JSON object, or a field is missing, unknown, or has a wrong value.
    """
    if not isinstance(data, Mapping):
        raise RecordError(f"The data of {what} is {shown(data)}, expected a JSON object.")
    unknown = [name for name in data if name not in readers]
    if unknown:
        raise RecordError(
            f"The data of {what} has the unknown fields {shown(unknown)}, expected some of {sorted(readers)}. A newer "
            "version of retiarii may have written it."
        )
    missing = [name for name in required if name not in data]
    if missing:
        raise RecordError(f"The data of {what} lacks the fields {missing}.")
    return {name: _read(what, name, readers[name], value) for name, value in data.items()}


def shown(value: Any) -> str:
    """Return a short representation of a value of any size and depth."""
    return reprlib.repr(value)


# Readers --------------------------------------------------------------------------------------------------------------


def name(value: Any) -> str:
    """Read a text, exactly."""
    if not isinstance(value, str):
        raise ValueError(f"found {shown(value)}, expected a text")
    return value


def text(value: Any) -> str:
    """Read a text, cleaned by `clean_text`."""
    return clean_text(name(value))


def flag(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"found {shown(value)}, expected true or false")
    return value


def count(value: Any) -> int:
    """Read a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"found {shown(value)}, expected a whole number, 0 or more")
    return value


def number(value: Any) -> float:
    """Read a number, or the string that stands for NaN or an infinity."""
    if isinstance(value, str) and value in NON_FINITE:
        return NON_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"found {shown(value)}, expected a number, or one of {list(NON_FINITE)}")
    return float(value)


def amount(value: Any) -> float:
    """Read a number, 0 or more."""
    found = number(value)
    if not found >= 0:
        raise ValueError(f"found {shown(value)}, expected a number, 0 or more")
    return found


def moment(value: Any) -> float:
    """Read a time in seconds."""
    seconds = number(value)
    if not math.isfinite(seconds):
        raise ValueError(f"found {shown(value)}, expected a finite number of seconds")
    return seconds


def metrics(value: Any) -> dict[str, float]:
    """Read metrics."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"found {shown(value)}, expected a JSON object of numbers")
    return {name: _named(name, number, item) for name, item in value.items()}


def plain_object(value: Any) -> dict[str, Any]:
    """Read a JSON object with any content."""
    if not isinstance(value, dict):
        raise ValueError(f"found {shown(value)}, expected a JSON object")
    copy: dict[str, Any] = json.loads(_ENCODE(value))
    return copy


def optional(read: Reader[T]) -> Reader[T | None]:
    """Return a reader that also accepts null, as None."""
    return lambda value: None if value is None else read(value)


def sequence(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """Return a reader of a JSON array whose items another reader reads."""

    def items(value: Any) -> tuple[T, ...]:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError(f"found {shown(value)}, expected a JSON array")
        return tuple(_named(str(place), read, item) for place, item in enumerate(value))

    return items


def one_of(kind: type[E]) -> Reader[E]:
    """Return a reader of the values of an enumeration."""

    def member(value: Any) -> E:
        try:
            return kind(value)
        except (ValueError, TypeError):
            raise ValueError(f"found {shown(value)}, expected one of {[item.value for item in kind]}") from None

    return member


def _named(name: str, read: Reader[T], value: Any) -> T:
    try:
        return read(value)
    except ValueError as err:
        raise ValueError(f"{shown(name)}: {err}") from err


def _read(what: str, name: str, read: Reader[Any], value: Any) -> Any:
    try:
        return read(value)
    except _FAULTS as err:
        reason = str(err) or f"{type(err).__name__}, which means that it is too large or nested too deeply"
        raise RecordError(f"The field {name!r} in the data of {what} cannot be read: {reason.rstrip('.')}.") from err
