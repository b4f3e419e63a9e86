"""`nni.choice` and the other functions of NNI 3.0 that make choices, here made of retiarii's choices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from retiarii.errors import ConfigError, DomainError
from retiarii.nn.pytorch import FloatRange, LayerChoice, ModelParameterChoice, ValueChoice
from retiarii.space import Expression, rounded_range


def choice(label: str, choices: Sequence[Any]) -> ValueChoice | LayerChoice:
    """Return a choice of one value; a `LayerChoice` if all candidates are modules."""
    if all(isinstance(candidate, nn.Module) for candidate in choices):
        return LayerChoice(list(choices), label=label)
    return ValueChoice(choices, label=label)


def uniform(label: str, low: float, high: float) -> FloatRange:
    """Return a choice of a number from an interval."""
    return FloatRange(float(low), float(high), label=label)


def loguniform(label: str, low: float, high: float) -> FloatRange:
    """Return a choice of a number with a uniformly distributed logarithm."""
    return FloatRange(float(low), float(high), log=True, label=label)


def quniform(label: str, low: float, high: float, quantize: float) -> ValueChoice:
    """Return a choice of a rounded number: ``clip(round(uniform(low, high) / quantize) * quantize, low, high)``.

    As in NNI, the two outermost values are half as probable as the others.
    """
    return _rounded(label, low, high, quantize, log=False)


def qloguniform(label: str, low: float, high: float, quantize: float) -> ValueChoice:
    """Return a choice of a number that `loguniform` draws, rounded to a multiple of ``quantize``."""
    return _rounded(label, low, high, quantize, log=True)


def numerical(
    low: float = -math.inf,
    high: float = math.inf,
    *,
    mu: float | None = None,
    sigma: float | None = None,
    log_distributed: bool = False,
    quantize: float | None = None,
    label: str,
) -> FloatRange | ValueChoice:
    """Return a choice of a number with a distribution in NNI's description.

    Raises:
        ConfigError: The distribution has no bounds, such as a normal distribution.
    """
    if mu is not None or sigma is not None or math.isinf(low) or math.isinf(high):
        raise ConfigError(
            f"Numerical {label!r} has no bounds. Choices of numbers are bounded here: use nni.uniform, or "
            "retiarii.nn.pytorch.FloatRange, with the range that you would accept."
        )
    if quantize is not None:
        return _rounded(label, low, high, quantize, log=log_distributed)
    return (loguniform if log_distributed else uniform)(label, low, high)


def ensure_frozen(
    mutable: Any, *, strict: bool = True, sample: Mapping[str, Any] | None = None, retain_context: bool = True
) -> Any:
    """Return the value of a choice in the ``__init__`` of a `ModelSpace`; other objects are returned unchanged.

    The constructor then runs once for each architecture, as with `ModelParameterChoice`.

    Args:
        mutable: A choice of values, or an expression of such choices.
        strict: Not used: there is always a value.
        sample: An architecture to take the values from, instead of that of the model being built.
        retain_context: Not used: a label always has one value in a model.

    Raises:
        ConfigError: ``mutable`` contains a continuous choice, or is an expression with a choice of other objects than
            plain values.
        NoContextError: ``sample`` is missing, and no constructor of a `ModelSpace` is running.
    """
    if not isinstance(mutable, Expression):
        return mutable
    if sample is not None:
        return mutable.evaluate(sample)
    if isinstance(mutable, ValueChoice):
        return ModelParameterChoice(mutable.candidates, prior=mutable.prior, label=mutable.label)
    values: dict[str, Any] = {}
    for variable in mutable.variables():
        if not isinstance(variable, ValueChoice) or variable.contents is not None:
            raise ConfigError(
                f"ensure_frozen got an expression with the choice {variable.label!r}, whose "
                "candidates are not all plain values. Give it one nni.choice, and compute with what it returns."
            )
        values[variable.label] = ensure_frozen(variable)
    return mutable.evaluate(values)


def _rounded(label: str, low: float, high: float, step: float, *, log: bool) -> ValueChoice:
    try:
        values, prior = rounded_range(low, high, step, log=log)
    except DomainError as err:
        raise ConfigError(f"Choice {label!r} has {low=}, {high=} and quantize={step!r}: {err}") from err
    return ValueChoice(list(values), prior=list(prior), label=label)
