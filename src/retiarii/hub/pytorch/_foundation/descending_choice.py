"""`descending_choice`: the choice of a size, the largest first."""

from __future__ import annotations

from collections.abc import Sequence

import retiarii.nn.pytorch as nn


def descending_choice(candidates: Sequence[float], label: str) -> nn.ValueChoice:
    """Return the choice of one of several sizes, the largest first.

    The default is then the largest network, whose initial weights are those of a supernet.
    """
    return nn.ValueChoice(sorted({*candidates}, reverse=True), label=label)
