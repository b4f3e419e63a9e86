"""Metrics of trials: the types, and the conversion of reported values to named numbers."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from numbers import Real
from typing import Any, TypeAlias

from retiarii.errors import MetricError

Metrics: TypeAlias = "dict[str, float]"
MetricValue: TypeAlias = "float | Mapping[str, float]"

DEFAULT = "default"
"""The name of a metric that is reported as a plain number."""


def parse_metrics(reported: Any, *, where: str = "the reported metric") -> Metrics:
    """Convert a value that an evaluator reported to named numbers.

    A plain number ``x`` becomes ``{"default": x}``. Anything with an ``item()`` method (a one-element tensor, a NumPy
    scalar) counts as its number. `Objectives.check` checks that the objectives are present and finite.

    Args:
        reported: A number, or a mapping from names to numbers.
        where: The name of the metric in messages.

    Returns:
        A new dict with at least one entry.

    Raises:
        MetricError: ``reported`` is neither of these, is empty, has a number that is no float, or raises when read.
    """
    try:
        return _named_numbers(reported, where)
    except MetricError:
        raise
    except Exception as error:  # the object is the user's: any method of it may raise anything
        raise MetricError(
            f"{where} is an object of type {type(reported).__name__} that raised {type(error).__name__} when it was "
            "read. Expected a number, or a mapping from names to numbers."
        ) from error


def _named_numbers(reported: Any, where: str) -> Metrics:
    if type(reported) is dict and reported and all(map(_is_plain, reported.items())):
        return dict(reported)
    if isinstance(reported, Mapping):
        metrics = {str(name): _number(value, f"{where}[{name!r}]") for name, value in reported.items()}
        if len(metrics) < len(reported):
            raise MetricError(
                f"{where} has the names {reprlib.repr(list(reported))}, some of which are equal as strings. "
                "Give each metric a name of its own."
            )
        if not metrics:
            raise MetricError(f"{where} is an empty mapping, expected names of metrics with their numbers.")
        return metrics
    return {DEFAULT: _number(reported, where)}


def _is_plain(item: tuple[Any, Any]) -> bool:
    return type(item[0]) is str and type(item[1]) is float


def _number(value: Any, where: str) -> float:
    plain = value if isinstance(value, (int, float)) or not hasattr(value, "item") else _item(value, where)
    if isinstance(plain, bool) or not isinstance(plain, (int, float, Real)):
        raise MetricError(
            f"{where} is {reprlib.repr(plain)} of type {type(plain).__name__}, expected a number (or a mapping from "
            "names to numbers)."
        )
    try:
        return float(plain)
    except OverflowError:
        found = "number"
        if isinstance(plain, int):
            found = f"whole number of about {plain.bit_length() * math.log10(2):.0f} digits"
        raise MetricError(f"{where} is a {found}, expected one that fits a float (below 1.8e308).") from None


def _item(value: Any, where: str) -> Any:
    """Return the number in a one-element tensor or array, or any object with an ``item()`` method."""
    try:
        return value.item()
    except Exception as error:  # the object is the user's: its method may raise anything
        shape = f" with the shape {tuple(value.shape)}" if _has_elements(value) else ""
        raise MetricError(
            f"{where} is an object of type {type(value).__name__}{shape}, expected a number or an object of one "
            f"element; its item() raised {type(error).__name__}: {error}. Reduce it first, for example with mean()."
        ) from error


def _has_elements(value: Any) -> bool:
    return isinstance(getattr(value, "shape", None), tuple) and value.shape != ()
