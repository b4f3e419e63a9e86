"""What a trial may report, and how it becomes numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from retiarii.errors import MetricError

Metrics: TypeAlias = "dict[str, float]"
MetricValue: TypeAlias = "float | Mapping[str, float]"

DEFAULT = "default"


def parse_metrics(reported: Any, *, where: str = "the reported metric", finite: bool = True) -> Metrics:
    """Turn what an evaluator reported into named numbers.

    A plain number ``x`` becomes ``{"default": x}``. Anything with an ``item()`` method (a one-element tensor, a NumPy
    scalar) counts as its number. A mapping needs a ``"default"`` entry, the one that strategies compare.

    Args:
        reported: A number, or a mapping from names to numbers.
        where: What the message calls the metric.
        finite: Whether NaN and infinities are refused for the ``"default"`` metric.

    Returns:
        A new dict with a ``"default"`` entry.

    Raises:
        MetricError: ``reported`` is neither, lacks ``"default"``, or its default is not finite.
    """
    if isinstance(reported, Mapping):
        metrics = {str(name): _number(value, f"{where}[{name!r}]") for name, value in reported.items()}
        if DEFAULT not in metrics:
            raise MetricError(
                f"{where} is a mapping with the keys {sorted(metrics)}, and none of them is 'default'. "
                "Strategies compare the 'default' metric: add it, for example {'default': accuracy, ...}."
            )
    else:
        metrics = {DEFAULT: _number(reported, where)}
    value = metrics[DEFAULT]
    if finite and not math.isfinite(value):
        raise MetricError(
            f"{where} is {value}, which cannot be compared with other trials. Expected a finite number; check the "
            "loss for a division by zero or a learning rate that is too high."
        )
    return metrics


def default_metric(metrics: Mapping[str, float] | None) -> float | None:
    """Return the metric that strategies compare, or None where there is none."""
    return None if metrics is None else metrics.get(DEFAULT)


def _number(value: Any, where: str) -> float:
    plain = value.item() if hasattr(value, "item") and not isinstance(value, (int, float)) else value
    if isinstance(plain, bool) or not isinstance(plain, (int, float)):
        raise MetricError(
            f"{where} is {plain!r} of type {type(plain).__name__}, expected a number (or a mapping from names to "
            "numbers with the key 'default')."
        )
    return float(plain)
