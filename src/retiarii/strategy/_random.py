"""`Random`: independent random architectures."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from retiarii.space import Architecture, SearchSpace, rng_for
from retiarii.strategy._options import check_filter, check_flag
from retiarii.strategy._unseen import Unseen
from retiarii.strategy.multi_trial import Strategy
from retiarii.strategy.search import Search
from retiarii.trial import Direction, ObjectivesLike, Proposal


@dataclass(frozen=True)
class Random(Strategy):
    """Random search: every proposal is drawn from the space, independently of results.

    Args:
        variational: Accepted for scripts written for NNI, where it allowed a space that changes while searching. It
            has no effect.
        dedup: Never propose the same architecture twice. When little is left of a space of up to a million
            architectures, the rest is enumerated in a random order (priors no longer count), so that `SearchExhausted`
            ends the search exactly when all that meet the constraints were proposed.
        model_filter: A constraint: only architectures for which it returns True are proposed.

    Raises:
        ConfigError: An option has an invalid value.
    """

    variational: bool = False
    dedup: bool = True
    model_filter: Callable[[Architecture], bool] | None = None

    def __post_init__(self) -> None:
        check_flag(self, "variational")
        check_flag(self, "dedup")
        check_filter(self, "model_filter")
        if self.variational:
            warnings.warn(
                "Random(variational=True) has no effect: the space is known before the search starts. Leave it out.",
                DeprecationWarning,
                stacklevel=3,
            )

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> RandomSearch:
        """Start a search; see `Strategy.search`."""
        return RandomSearch(self, space, seed=seed, objectives=objectives)


class RandomSearch(Search):
    """A running `Random` search."""

    def __init__(
        self,
        options: Random,
        space: SearchSpace,
        *,
        seed: int = 0,
        objectives: ObjectivesLike = Direction.MAXIMIZE,
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        if options.model_filter is not None:
            self.space = self.space.constrained(options.model_filter)
        self._unseen = Unseen(self.space, self.seed) if options.dedup else None

    def _propose(self, number: int) -> Proposal:
        rng = rng_for(self.seed, number)
        if self._unseen is None:
            return Proposal(self.space.sample(rng))
        return Proposal(self._unseen.find(lambda: self.space.sample(rng)))

    def _on_ask(self, proposal: Proposal) -> None:
        if self._unseen is not None:
            self._unseen.add(proposal.architecture)
