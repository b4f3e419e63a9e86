"""`FoundSearch`: a search that ends with one proposal, the architecture that a one-shot search found."""

from __future__ import annotations

from retiarii.errors import SearchExhausted
from retiarii.space import Architecture, SearchSpace
from retiarii.strategy import Search
from retiarii.trial import Direction


class FoundSearch(Search):
    """Proposes an architecture, unless it was the last to be proposed.

    Args:
        space: To which it belongs.
        found: The architecture.
        direction: Whether larger or smaller metrics are better.
    """

    def __init__(self, space: SearchSpace, found: Architecture, *, direction: Direction) -> None:
        super().__init__(space, direction=direction)
        self._found = found
        self._last: Architecture | None = None

    def _propose(self, number: int) -> Architecture | None:
        if self._last == self._found:
            raise SearchExhausted("The architecture that was found has been proposed.")
        return self._found

    def _on_ask(self, architecture: Architecture) -> None:
        self._last = architecture
