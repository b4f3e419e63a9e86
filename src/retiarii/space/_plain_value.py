"""Plain values: the values that candidates and architectures may have.

A value is None, a bool, an int, a finite float, a string, or a tuple of values: exactly the values that JSON can hold
(tuples as lists). In Python ``1``, ``1.0`` and ``True`` are equal; as decisions they are different, so candidates are
compared by `identity`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Hashable, Iterable, Sequence
from numbers import Integral
from typing import Any, TypeAlias

Value: TypeAlias = Any

_MAX_SHOWN = 12
_MAX_LENGTH = 300
MAX_BITS = 13_000  # Python writes and reads integers of at most 4,300 digits


def plain_value(raw: Any) -> Value:
    """Return the canonical form of a value: lists become tuples, ``-0.0`` becomes ``0.0``.

    Subclasses of ``int``, ``float`` and ``str`` (enumerations, NumPy's ``float64``) and other integer types (NumPy's
    ``int64``) become the plain type.

    Raises:
        ValueError: ``raw`` is not a plain value; the message is a clause without subject and full stop.
    """
    try:
        return _plain(raw)
    except RecursionError as err:
        raise ValueError("nests lists too deeply") from err


def _plain(raw: Any) -> Value:
    if raw is None or raw is True or raw is False:
        return raw
    if isinstance(raw, float):
        return _finite(float(raw))
    if isinstance(raw, str):
        return _text(str.__str__(raw))
    if isinstance(raw, (tuple, list)):
        return tuple(_plain(item) for item in raw)
    if isinstance(raw, Integral):
        number = int(raw)
        if number.bit_length() > MAX_BITS:
            raise ValueError(f"is an integer of {number.bit_length():,} bits, expected at most {MAX_BITS:,}")
        return number
    hint = " (use its .item())" if hasattr(raw, "item") else ""
    raise ValueError(
        f"is {brief(raw)} of type {type(raw).__name__}{hint}, expected a plain value: None, a bool, an int, a float, "
        "a str, or a list or tuple of these"
    )


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(f"is {number}, which JSON cannot hold; expected a finite number")
    return number + 0.0  # -0.0 and 0.0 are one decision


def _text(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as err:
            raise ValueError(f"is {text!r}, which is not valid Unicode text") from err
    return text


def identity(value: Value) -> Hashable:
    """Return a key for comparing plain values: equal only if values and types are equal."""
    if type(value) is tuple:
        return tuple, tuple(identity(item) for item in value)
    return type(value), value


def loose_identity(value: Value) -> Hashable:
    """Return a key like `identity`, except that an int equals the float of the same value."""
    if type(value) is tuple:
        return tuple, tuple(loose_identity(item) for item in value)
    return (bool, value) if isinstance(value, bool) else value


def distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return the values without duplicates; 1, 1.0 and True are different. Values need not be plain."""
    seen: set[Hashable] = set()
    unhashable: list[Any] = []
    kept = []
    for value in values:
        try:
            key = identity(value)
            new = key not in seen
            seen.add(key)
        except TypeError:  # lists and the like, made by apply()
            new = value not in unhashable
            unhashable.append(value)
        if new:
            kept.append(value)
    return tuple(kept)


def as_json(value: Value) -> Any:
    """Return a value as ``json`` would read it back: tuples as lists."""
    return [as_json(item) for item in value] if type(value) is tuple else value


def brief(value: Any) -> str:
    """Return the text of a value for messages; of a very long one, the beginning."""
    text = repr(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}... ({len(text):,} characters)"


def shown(values: Sequence[Value]) -> str:
    """Return candidates as text, without brackets; of many candidates, the middle is left out."""
    if len(values) <= _MAX_SHOWN:
        return ", ".join(map(repr, values))
    head = ", ".join(map(repr, values[: _MAX_SHOWN - 2]))
    return f"{head}, ..., {values[-1]!r}"


def nearest(got: Any, candidates: Iterable[Value]) -> str:
    """Return ``" Did you mean X?"`` with the candidate that is most similar to ``got``, or an empty string."""
    known = list(candidates)
    if _is_number(got):
        numbers = [item for item in known if _is_number(item)]
        if numbers:  # fractions, because the difference of an int and a float may overflow
            from fractions import Fraction  # exact, and few need it

            return f" Did you mean {min(numbers, key=lambda item: abs(Fraction(item) - Fraction(got)))!r}?"
    by_text = {str(item): item for item in known}
    found = difflib.get_close_matches(str(got), by_text, n=1, cutoff=0.5)
    return f" Did you mean {by_text[found[0]]!r}?" if found else ""


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))
