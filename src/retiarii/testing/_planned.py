"""`Planned`: a strategy whose proposals a test defines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from retiarii.errors import SearchExhausted
from retiarii.space import SearchSpace
from retiarii.strategy import Search, Strategy
from retiarii.trial import Direction, Fidelity, ObjectivesLike, Proposal


@dataclass(frozen=True)
class Planned(Strategy):
    """Proposes the first architecture of a space, in one trial after another.

    Args:
        parts: The fidelity and the parent of each trial.
    """

    parts: Sequence[tuple[Fidelity, int | None]]

    @property
    def fidelities(self) -> Collection[str]:
        """The names of all fidelities in the plan."""
        return {name for fidelity, _ in self.parts for name in fidelity}

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> PlannedSearch:
        """Start a search; see `Strategy.search`."""
        return PlannedSearch(self, space, seed=seed, objectives=objectives)


class PlannedSearch(Search):
    """A running `Planned` search."""

    def __init__(self, options: Planned, space: SearchSpace, *, seed: int, objectives: ObjectivesLike) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        self._options = options

    @property
    def continuable(self) -> Collection[int]:
        """The numbers of all trials so far."""
        return range(self.num_asked)

    def _propose(self, number: int) -> Proposal | None:
        if number == len(self._options.parts):
            raise SearchExhausted(f"All {number} planned trials were proposed.")
        if self.pending:
            return None
        fidelity, parent = self._options.parts[number]
        return Proposal(self.space.default(), fidelity, parent)
