"""`FoundSearch`: a search that ends with one proposal, the architecture that a one-shot search found."""

from __future__ import annotations

from retiarii.errors import SearchExhausted
from retiarii.space import Architecture, SearchSpace
from retiarii.strategy import Search
from retiarii.trial import Objectives, Proposal


class FoundSearch(Search):
    """Proposes an architecture, unless it was the last to be proposed.

    Args:
        space: To which it belongs.
        found: The architecture.
        objectives: Which metrics are improved.
    """

    def __init__(self, space: SearchSpace, found: Architecture, *, objectives: Objectives) -> None:
        super().__init__(space, objectives=objectives)
        self._found = Proposal(found)
        self._last: Proposal | None = None

    def _propose(self, number: int) -> Proposal | None:
        if self._last == self._found:
            raise SearchExhausted("The architecture that was found has been proposed.")
        return self._found

    def _on_ask(self, proposal: Proposal) -> None:
        self._last = proposal
