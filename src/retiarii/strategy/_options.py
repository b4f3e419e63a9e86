"""Checks of strategy options, with messages that name the strategy, the option and its range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

from retiarii.errors import ConfigError


def check_flag(owner: object, name: str) -> None:
    """Check that an option is True or False.

    Raises:
        ConfigError: The check fails.
    """
    _check(owner, name, isinstance(getattr(owner, name), bool), "True or False")


def check_whole(owner: object, name: str, low: int, high: int | None = None, *, high_is: str = "") -> None:
    """Check that an option is a whole number from ``low`` to ``high``.

    Args:
        owner: The strategy.
        name: The option, an attribute of ``owner``.
        low: The smallest value allowed.
        high: The largest value allowed; None for no limit.
        high_is: The meaning of ``high``, for the message.

    Raises:
        ConfigError: The check fails.
    """
    value = getattr(owner, name)
    fits = isinstance(value, int) and not isinstance(value, bool) and low <= value and (high is None or value <= high)
    upper = "up" if high is None else f"to {high}{high_is and f' ({high_is})'}"
    _check(owner, name, fits, f"a whole number from {low} {upper}")


def check_probability(owner: object, name: str) -> None:
    """Check that an option is None or a probability above 0.

    Raises:
        ConfigError: The check fails.
    """
    value = getattr(owner, name)
    fits = value is None or (_is_number(value) and 0 < value <= 1)
    _check(owner, name, fits, "None or a number above 0 and up to 1")


def check_share(owner: object, name: str) -> None:
    """Check that an option is a number from 0 to 1.

    Raises:
        ConfigError: The check fails.
    """
    value = getattr(owner, name)
    _check(owner, name, _is_number(value) and 0 <= value <= 1, "a number from 0 to 1")


def check_positive(owner: object, name: str) -> None:
    """Check that an option is a finite number above 0.

    Raises:
        ConfigError: The check fails.
    """
    value = getattr(owner, name)
    _check(owner, name, _is_number(value) and 0 < value < math.inf, "a finite number above 0")


def check_not_negative(owner: object, name: str) -> None:
    """Check that an option is a finite number, 0 or larger.

    Raises:
        ConfigError: The check fails.
    """
    value = getattr(owner, name)
    _check(owner, name, _is_number(value) and 0 <= value < math.inf, "a finite number, 0 or larger")


def check_amounts(owner: object, low: str, high: str) -> None:
    """Check that two options are finite numbers above 0, the second not smaller than the first.

    Raises:
        ConfigError: The check fails.
    """
    for name in (low, high):
        check_positive(owner, name)
    smallest = getattr(owner, low)
    _check(owner, high, getattr(owner, high) >= smallest, f"at least {low}, which is {smallest}")


def check_name(owner: object, name: str) -> None:
    """Check that an option is a text that is not empty.

    Raises:
        ConfigError: The check fails.
    """
    value = getattr(owner, name)
    _check(owner, name, isinstance(value, str) and bool(value), "a text that is not empty")


def check_one_of(owner: object, name: str, allowed: Sequence[Any]) -> None:
    """Check that an option is one of a few values.

    Raises:
        ConfigError: The check fails.
    """
    *first, last = map(repr, allowed)
    _check(owner, name, getattr(owner, name) in allowed, f"{', '.join(first)} or {last}")


def check_filter(owner: object, name: str) -> None:
    """Check that an option is None or can be called.

    Raises:
        ConfigError: The check fails.
    """
    value = getattr(owner, name)
    _check(owner, name, value is None or callable(value), "None or a function from an Architecture to True or False")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check(owner: object, name: str, fits: bool, expected: str) -> None:
    if not fits:
        raise ConfigError(f"{type(owner).__name__}({name}={getattr(owner, name)!r}): expected {expected}.")
