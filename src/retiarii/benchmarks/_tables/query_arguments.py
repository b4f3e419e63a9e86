"""Checks of the arguments that the queries of all tables have: conditions with a wildcard, and ``reduction``."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TypeVar

from retiarii.errors import ConfigError

T = TypeVar("T")


def chosen(name: str, value: object, choices: Sequence[T]) -> Sequence[T]:
    """Return the choices that a condition selects: one, or all where it is None.

    Args:
        name: The argument's name, for messages.
        value: The condition.
        choices: What it can be.

    Raises:
        ConfigError: It is none of the choices.
    """
    if value is None:
        return choices
    if isinstance(value, bool) or value not in choices:
        names = [choice for choice in choices if isinstance(choice, str)]
        near = difflib.get_close_matches(str(value).lower(), names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"{name} is {value!r}, expected one of {', '.join(map(repr, choices))}, or None for all.{hint}"
        )
    return (next(choice for choice in choices if choice == value),)  # an int where ``value`` is one of numpy


def means_wanted(reduction: object) -> bool:
    """Return whether ``reduction`` asks for means instead of single trials.

    Raises:
        ConfigError: It is neither None nor ``"none"`` nor ``"mean"``.
    """
    if reduction not in (None, "none", "mean"):
        raise ConfigError(f"reduction is {reduction!r}, expected None, 'none' or 'mean'.")
    return reduction == "mean"
