"""`Proposal`: an architecture that a strategy proposes, with its fidelity and parent."""

from __future__ import annotations

from dataclasses import dataclass

from retiarii.space import Architecture
from retiarii.trial._fidelity import FULL, Fidelity


@dataclass(frozen=True)
class Proposal:
    """An architecture to evaluate, with the fidelity and the parent of its trial.

    Attributes:
        architecture: The architecture to evaluate.
        fidelity: How much training it gets; empty if the evaluator decides.
        parent: The number of the trial whose checkpoint this one continues from; None to start from new weights.
    """

    architecture: Architecture
    fidelity: Fidelity = FULL
    parent: int | None = None
