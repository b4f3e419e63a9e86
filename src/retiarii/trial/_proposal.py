"""`Proposal`: what a strategy wants to be tried next."""

from __future__ import annotations

from dataclasses import dataclass

from retiarii.space import Architecture
from retiarii.trial._fidelity import FULL, Fidelity


@dataclass(frozen=True)
class Proposal:
    """An architecture, together with what its trial is to be given.

    Attributes:
        architecture: What to evaluate.
        fidelity: How much training it gets; empty where the evaluator decides.
        parent: The number of an earlier trial from whose checkpoint this one continues; None to start anew.
    """

    architecture: Architecture
    fidelity: Fidelity = FULL
    parent: int | None = None
