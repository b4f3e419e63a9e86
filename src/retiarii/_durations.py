"""Durations and sizes as text: ``"1h30m"``, ``"90s"``, ``"4GB"``."""

from __future__ import annotations

import math
import re

from retiarii.errors import ConfigError

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)\s*([dhms])\s*)+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?")


def parse_duration(value: str | float | None, *, name: str) -> float | None:
    """Return a duration in seconds.

    Args:
        value: A number of seconds, or text of numbers with the units d, h, m, s (``"1h30m"``); None stays None.
        name: The setting's name, for the message.

    Raises:
        ConfigError: ``value`` is neither, or not positive.
    """
    if value is None:
        return None
    if isinstance(value, str) and _DURATION.fullmatch(value.strip().lower()):
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([dhms])", value.lower())
        value = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return _positive(value, name, "a positive number of seconds, or text such as '90s', '30m' or '1h30m'")


def parse_size(value: str | float | None, *, name: str) -> int | None:
    """Return a size in bytes.

    Args:
        value: A number of bytes, or text with a unit (``"512MB"``, ``"4GB"``; 1 kB is 1024 bytes); None stays None.
        name: The setting's name, for the message.

    Raises:
        ConfigError: ``value`` is neither, or not positive.
    """
    if value is None:
        return None
    match = _SIZE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match:
        value = float(match[1]) * _BYTES[match[2]]
    return int(_positive(value, name, "a positive number of bytes, or text such as '512MB' or '4GB'"))


def _positive(value: object, name: str, expected: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value <= 0:  # type: ignore[arg-type, operator] # checked first
        raise ConfigError(f"{name} is {value!r}, expected {expected}.")
    return float(value)  # type: ignore[arg-type] # a number, checked above
