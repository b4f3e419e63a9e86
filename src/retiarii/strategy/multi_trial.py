"""`Strategy`: the immutable options of a search algorithm."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection

from retiarii.space import SearchSpace
from retiarii.strategy.search import Search
from retiarii.trial import BaseStrategy, Direction, ObjectivesLike


class Strategy(BaseStrategy):
    """The base class of multi-trial strategies: the options of a search algorithm, without state.

    A strategy can be pickled, compared and used for any number of searches; the state of a search is in the `Search`
    that it starts. To add an algorithm, write one class of each: a `Strategy` that holds and checks the
    options, and a `Search` that proposes and learns. `retiarii.testing.strategies.StrategyConformance` tests both.
    """

    @abstractmethod
    def search(self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE) -> Search:
        """Start a search.

        Args:
            space: The search space.
            seed: The seed of all random choices: the same seed, space and results give the same proposals.
            objectives: The metrics to improve, see `Objectives.of`. `Strategy.direction`, if set, takes precedence for
                a single objective.

        Raises:
            ConfigError: ``seed`` or ``objectives`` is invalid, or this strategy cannot search this space.
        """

    @property
    def fidelities(self) -> Collection[str]:
        """The names of the fidelities in its proposals, such as ``"epochs"``, which the evaluator must support."""
        return ()
