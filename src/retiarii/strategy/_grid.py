"""`GridSearch`: every architecture of the space, once."""

from __future__ import annotations

from dataclasses import dataclass, field

from retiarii.errors import ConfigError, ConstraintError, SearchExhausted
from retiarii.space import Architecture, Categorical, Choice, Float, SearchSpace
from retiarii.strategy._options import check_flag, check_whole
from retiarii.strategy._permutation import Permutation
from retiarii.strategy._search import Search
from retiarii.strategy._strategy import Strategy
from retiarii.trial import Direction


@dataclass(frozen=True)
class GridSearch(Strategy):
    """Enumerate the whole space, lazily: the size of the space costs neither memory nor time before the first proposal.

    Args:
        shuffle: Enumerate in a pseudo-random order that the seed of the search chooses, so that a search that is cut
            short has seen a fair sample of the space. False: in the order of `SearchSpace.at`, in which neighbouring
            proposals are alike. NNI 2.10 shuffled too (the default is the same), but only the candidates within each
            choice.
        float_points: How many values of a continuous choice are tried, evenly spaced from its lowest to its highest
            value (on a logarithmic scale where the choice has one). None: a continuous choice is an error.

    Raises:
        ConfigError: An option is not what it should be.
    """

    shuffle: bool = True
    float_points: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_flag(self, "shuffle")
        if self.float_points is not None:
            check_whole(self, "float_points", 2)

    def search(
        self, space: SearchSpace, *, seed: int = 0, direction: Direction | str = Direction.MAXIMIZE
    ) -> GridEnumeration:
        """Start a search; see `Strategy.search`.

        Raises:
            ConfigError: Also where the space has a continuous choice and ``float_points`` is not set.
        """
        return GridEnumeration(self, space, seed=seed, direction=direction)
