"""`Strategy`: how to search, as an immutable recipe."""

from __future__ import annotations

from abc import abstractmethod

from retiarii.space import SearchSpace
from retiarii.strategy._search import Search
from retiarii.trial import BaseStrategy, Direction


class Strategy(BaseStrategy):
    """How to search: a recipe with options and without state.

    A strategy can be pickled, compared and used for any number of searches; what changes while searching lives in the
    `Search` that it starts. To add an algorithm, write one class of each: a `Strategy` that holds and checks the
    options, and a `Search` that proposes and learns. `retiarii.testing.strategies.StrategyConformance` tests both.
    """

    @abstractmethod
    def search(self, space: SearchSpace, *, seed: int = 0, direction: Direction | str = Direction.MAXIMIZE) -> Search:
        """Start a search.

        Args:
            space: What to search.
            seed: Same seed, same space, same results told: same proposals.
            direction: Whether larger or smaller metrics are better; `Strategy.direction`, where it is set, wins.

        Raises:
            ConfigError: ``seed`` or ``direction`` is impossible, or this strategy cannot search this space.
        """
