"""`Strategy`: how to search, as an immutable recipe."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection

from retiarii.space import SearchSpace
from retiarii.strategy._search import Search
from retiarii.trial import BaseStrategy, Direction, ObjectivesLike


class Strategy(BaseStrategy):
    """How to search: a recipe with options and without state.

    A strategy can be pickled, compared and used for any number of searches; what changes while searching lives in the
    `Search` that it starts. To add an algorithm, write one class of each: a `Strategy` that holds and checks the
    options, and a `Search` that proposes and learns. `retiarii.testing.strategies.StrategyConformance` tests both.
    """

    @abstractmethod
    def search(self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE) -> Search:
        """Start a search.

        Args:
            space: What to search.
            seed: Same seed, same space, same results told: same proposals.
            objectives: Which metrics are improved, see `Objectives.of`; `Strategy.direction`, where it is set, wins for
                a single one.

        Raises:
            ConfigError: ``seed`` or ``objectives`` is impossible, or this strategy cannot search this space.
        """

    @property
    def fidelities(self) -> Collection[str]:
        """The names of the fidelities in its proposals, such as ``"epochs"``; the evaluator has to know them."""
        return ()
