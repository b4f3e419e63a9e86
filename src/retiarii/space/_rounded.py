"""`rounded_range`: the values and probabilities of a range whose samples are rounded to multiples of a step."""

from __future__ import annotations

import math

from retiarii.errors import DomainError

_MOST = 100_000


def rounded_range(
    low: float, high: float, step: float, *, log: bool = False
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the values of ``clip(round(x / step) * step, low, high)`` and their probabilities, as NNI draws them.

    ``x`` is drawn from ``low`` to ``high``, evenly, or evenly in its logarithm. The values at the ends stand for about
    half as much of the range as the others. They serve as the candidates and the prior of a choice.

    Args:
        low: The lower end.
        high: The upper end.
        step: The distance of the values.
        log: Whether the logarithm of ``x`` is spread evenly.

    Raises:
        DomainError: The range is empty, has more than 100,000 values or, with ``log``, begins at 0 or below.
    """
    if not low < high or not step > 0 or (log and not low > 0):
        bound = ", and low above 0 for a logarithm" if log else ""
        raise DomainError(f"A rounded range has {low=}, {high=} and {step=}, expected low < high, step > 0{bound}.")
    if not (high - low) / step <= _MOST:
        raise DomainError(f"A rounded range has {low=}, {high=} and {step=}, expected at most {_MOST:,} values.")
    place = math.log if log else float
    shares: dict[float, float] = {}
    for number in range(round(low / step), round(high / step) + 1):
        below, above = (min(max((number + side) * step, low), high) for side in (-0.5, 0.5))
        value = float(min(max(number * step, low), high))
        shares[value] = shares.get(value, 0.0) + place(above) - place(below)
    drawn = {value: share for value, share in shares.items() if share > 0}
    total = math.fsum(drawn.values())
    return tuple(drawn), tuple(share / total for share in drawn.values())
