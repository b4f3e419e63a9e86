"""`GridSearch`: every architecture of the space exactly once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from retiarii._counted import counted
from retiarii.errors import ConfigError, ConstraintError, SearchExhausted
from retiarii.space import Categorical, Choice, Float, SearchSpace
from retiarii.strategy._options import check_flag, check_whole
from retiarii.strategy._permutation import Permutation
from retiarii.strategy.multi_trial import Strategy
from retiarii.strategy.search import Search
from retiarii.trial import Direction, ObjectivesLike, Proposal


@dataclass(frozen=True)
class GridSearch(Strategy):
    """Enumerates the whole space, lazily: a large space costs no memory and no time before the first proposal.

    Args:
        shuffle: Enumerate in a pseudo-random order that follows from the seed, so that a search that is stopped early
            has seen a fair sample of the space. False: in the order of `SearchSpace.at`, in which neighbouring
            proposals are similar. NNI 2.10 has the same default, but shuffles only the candidates within each choice.
        float_points: How many values of a continuous choice are tried, evenly spaced from its lowest to its highest
            value (on a logarithmic scale where the choice has one). None: a continuous choice is an error.

    Raises:
        ConfigError: An option has an invalid value.
    """

    shuffle: bool = True
    float_points: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_flag(self, "shuffle")
        if self.float_points is not None:
            check_whole(self, "float_points", 2)

    def search(
        self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE
    ) -> GridEnumeration:
        """Start a search; see `Strategy.search`.

        Raises:
            ConfigError: Also where the space has a continuous choice and ``float_points`` is not set, or has an unknown
                number of architectures.
        """
        return GridEnumeration(self, space, seed=seed, objectives=objectives)


class GridEnumeration(Search):
    """A running `GridSearch`."""

    def __init__(
        self,
        options: GridSearch,
        space: SearchSpace,
        *,
        seed: int = 0,
        objectives: ObjectivesLike = Direction.MAXIMIZE,
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        self._grid = _finite(space, options.float_points)
        if self._grid.size == math.inf:
            raise ConfigError(
                f"GridSearch() cannot enumerate {space!r}: how many architectures it has is not known. Use Random() or "
                "RegularizedEvolution()."
            )
        self._size = int(self._grid.size)
        self._order = Permutation(self._size, self.seed) if options.shuffle else range(self._size)
        # Proposal `_found` is the first one that meets the constraints at or after `_place` in the order. Both are
        # advanced to the number that is asked for, so `replay` need not restore them.
        self._place = 0
        self._found = 0

    def _propose(self, number: int) -> Proposal:
        if not self._grid.constraints:
            self._place = self._found = number
        while self._place < self._size:
            architecture = self._grid.at(self._order[self._place])
            if self._grid.satisfies(architecture):
                if self._found == number:
                    return Proposal(architecture)
                self._found += 1
            self._place += 1
        if not number:
            raise ConstraintError(
                f"None of the {counted(self._size, 'architecture')} of the space meets its constraints."
            )
        raise SearchExhausted(f"The grid is complete: all {counted(number, 'architecture')} were proposed.")


def _finite(space: SearchSpace, float_points: int | None) -> SearchSpace:
    """Return the space with each continuous choice replaced by evenly spaced candidates."""
    continuous = [choice for choice in space if isinstance(choice, Float) and choice.cardinality > 1]
    if not continuous:
        return space
    if float_points is None:
        first = continuous[0]
        raise ConfigError(
            f"GridSearch() cannot enumerate choice {first.label!r}: it is continuous, {first.domain()}"
            f"{f', declared at {first.declared_at}' if first.declared_at else ''}. Say how many values of each "
            "continuous choice to try, as in GridSearch(float_points=5), give the choice a list of candidates, or use "
            "Random()."
        )
    if not space.has_fixed_labels:
        raise ConfigError(
            f"GridSearch(float_points={float_points}) cannot make the continuous choice {continuous[0].label!r} of "
            f"{space!r} discrete: mutators add choices as the search goes on. Give it a list of candidates, or use "
            "Random()."
        )
    choices = [_evenly_spaced(choice, float_points) if isinstance(choice, Float) else choice for choice in space]
    return SearchSpace(choices, space.constraints)


def _evenly_spaced(choice: Float, count: int) -> Choice:
    inner = [choice.from_unit(index / (count - 1)) for index in range(1, count - 1)]
    values = tuple(dict.fromkeys([choice.low, *inner, choice.high]))
    return Categorical(choice.label, values, condition=choice.condition, declared_at=choice.declared_at)
