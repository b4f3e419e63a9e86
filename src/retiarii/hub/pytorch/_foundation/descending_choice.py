"""`descending_choice`: the choice of a size, the largest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import retiarii.nn.pytorch as nn
from retiarii.errors import DomainError


def descending_choice(candidates: Sequence[float], label: str) -> nn.ValueChoice:
    """Return the choice of one of several sizes, the largest first.

    The default is then the largest network, whose initial weights are those of a supernet.

    Raises:
        DomainError: The candidates are one value instead of a sequence of numbers.
    """
    if isinstance(candidates, str) or not isinstance(candidates, Iterable):
        raise DomainError(f"The choice {label!r} has the candidates {candidates!r}, expected a sequence of numbers.")
    return nn.ValueChoice(sorted({*candidates}, reverse=True), label=label)
