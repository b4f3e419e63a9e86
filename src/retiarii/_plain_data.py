"""Records as plain JSON data, and back: each value is checked when it is read.

JSON has no NaN and no infinities, so they are the strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``. Texts that a
program printed may hold anything; what no UTF-8 text and no database takes (NUL characters and lone surrogates) is
replaced.
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
"""Returns a value from its JSON data, or raises a ValueError that says what was expected and what was found."""

NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FAULTS = (ValueError, TypeError, RecursionError, OverflowError)
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def clean_text(text: str) -> str:
    """Return a text with what databases refuse replaced: NUL characters and lone surrogates."""
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
    """Return plain data as JSON text, in its own order.

    Raises:
        ConfigError: It is something else; the message calls it ``name``.
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
    """Return the fields of a record from its JSON data, each as its reader returns it; some may be left out.

    Args:
        what: What messages call the record, as in ``"trial"``.
        data: A JSON object.
        readers: For each field that there may be, what reads it.
        required: The fields that there must be.

    Raises:
        RecordError: It is no JSON object, a field is missing, unknown, or has a value that makes no sense.
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
    """Return a short representation of a value that may be of any size and depth."""
    return reprlib.repr(value)


# Readers --------------------------------------------------------------------------------------------------------------


def name(value: Any) -> str:
    """Read a text, exactly."""
    if not isinstance(value, str):
        raise ValueError(f"found {shown(value)}, expected a text")
    return value


def text(value: Any) -> str:
    """Read a text, replacing what `clean_text` replaces."""
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
    """Read a number, or the name of one that is not finite."""
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
    """Read a JSON object of anything."""
    if not isinstance(value, dict):
        raise ValueError(f"found {shown(value)}, expected a JSON object")
    copy: dict[str, Any] = json.loads(_ENCODE(value))
    return copy


def optional(read: Reader[T]) -> Reader[T | None]:
    """Return a reader of null, too."""
    return lambda value: None if value is None else read(value)


def sequence(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """Return a reader of a JSON array of what another one reads."""

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
