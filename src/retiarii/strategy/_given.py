"""`Given`: evaluate a list of given architectures, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retiarii._counted import counted
from retiarii.errors import ConfigError, ConstraintError, SearchExhausted
from retiarii.space import Architecture, SearchSpace
from retiarii.strategy.multi_trial import Strategy
from retiarii.strategy.search import Search
from retiarii.trial import Direction, ObjectivesLike, Proposal


@dataclass(frozen=True)
class Given(Strategy):
    """Proposes the architectures of a list in order, for example to compare published ones or to repeat a trial.

    ::

        strategy.Given([{"op": "conv3x3", "width": 32}, {"op": "conv5x5", "width": 16}])

    Args:
        architectures: The architectures, each as a mapping from labels to values, in any form that `fixed_arch` takes.

    Raises:
        ConfigError: ``architectures`` is not a sequence of mappings.
    """

    architectures: Sequence[Mapping[str, Any]]

    def __post_init__(self) -> None:
        given = self.architectures
        is_list = isinstance(given, Sequence) and not isinstance(given, str)
        if not is_list or not all(isinstance(item, Mapping) for item in given):
            raise ConfigError(
                f"Given({given!r}): expected a list of architectures, each a mapping from labels to values."
            )
        object.__setattr__(self, "architectures", tuple(given))

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> GivenSearch:
        """Start a search; see `Strategy.search`.

        Raises:
            ArchitectureError: An architecture does not fit the space.
            ConstraintError: An architecture breaks a constraint of the space.
        """
        return GivenSearch(self, space, seed=seed, objectives=objectives)


class GivenSearch(Search):
    """A running `Given` search."""

    def __init__(
        self, options: Given, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        self._proposals = [Proposal(_fitting(space, given)) for given in options.architectures]

    def _propose(self, number: int) -> Proposal:
        if number >= len(self._proposals):
            raise SearchExhausted(f"All {counted(len(self._proposals), 'given architecture')} were proposed.")
        return self._proposals[number]


def _fitting(space: SearchSpace, given: Mapping[str, Any]) -> Architecture:
    architecture = space.architecture(given)
    if not space.satisfies(architecture):
        raise ConstraintError(f"Given: {architecture!r} breaks a constraint of the search space.")
    return architecture
