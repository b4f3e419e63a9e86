"""`most_probable`: the most probable architecture that the constraints allow."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from retiarii.errors import ConstraintError
from retiarii.oneshot._decisions.subset_distribution import SubsetDistribution
from retiarii.space import Architecture, SearchSpace

MAX_TRIED = 10_000


Probabilities: TypeAlias = "Mapping[Any, float] | SubsetDistribution"


def most_probable(space: SearchSpace, probabilities: Mapping[str, Probabilities]) -> Architecture:
    """Return the architecture of the most probable value of each label; labels that this makes inactive are dropped.

    Where the space has constraints and they refuse it, the next in the order of the product of probabilities over all
    labels are tried.

    Args:
        space: The search space.
        probabilities: For each label, the probability of each value, or the distribution of its subsets.

    Raises:
        ConstraintError: None of the `MAX_TRIED` most probable architectures meets the constraints.
    """
    for values in itertools.islice(_by_probability(probabilities), MAX_TRIED if space.constraints else 1):
        architecture = space.architecture(values)
        if space.satisfies(architecture):
            return architecture
    raise ConstraintError(
        f"None of the {MAX_TRIED:,} most probable architectures meets the constraints of the space. Loosen them, or "
        "search with a penalty (ExpectedCost), so that the most probable architectures meet them."
    )


class _Ranking:
    """The values of one label from the most probable on, computed as far as they are asked for.

    Args:
        probabilities: Those of the label.
    """

    def __init__(self, probabilities: Probabilities) -> None:
        self._rest = probabilities.ranked() if isinstance(probabilities, SubsetDistribution) else _sorted(probabilities)
        self._known: list[tuple[Any, float]] = []

    def reaches(self, rank: int) -> bool:
        """Return whether there are more than ``rank`` values."""
        self._known += itertools.islice(self._rest, max(0, rank + 1 - len(self._known)))
        return rank < len(self._known)

    def value(self, rank: int) -> Any:
        """Return the value of a rank that is reached."""
        return self._known[rank][0]

    def loss(self, rank: int) -> float:
        """Return minus the logarithm of its probability."""
        return self._known[rank][1]


def _sorted(probabilities: Mapping[Any, float]) -> Iterator[tuple[Any, float]]:
    for value, share in sorted(probabilities.items(), key=lambda item: -item[1]):
        yield value, -math.log(max(share, 1e-300))


def _by_probability(probabilities: Mapping[str, Probabilities]) -> Iterator[dict[str, Any]]:
    """Yield values for all labels, the most probable combination first."""
    labels = list(probabilities)
    ranked = [_Ranking(probabilities[label]) for label in labels]
    start = (0,) * len(labels)
    queue = [(sum(ranking.loss(0) for ranking in ranked if ranking.reaches(0)), start)]
    while queue:
        total, ranks = heapq.heappop(queue)
        yield {label: ranked[at].value(rank) for at, (label, rank) in enumerate(zip(labels, ranks, strict=True))}
        # Only positions from the last raised one on are raised, so that no combination comes twice.
        first = max((at for at, rank in enumerate(ranks) if rank), default=0)
        for at in range(first, len(labels)):
            rank = ranks[at] + 1
            if ranked[at].reaches(rank):
                following = (*ranks[:at], rank, *ranks[at + 1 :])
                heapq.heappush(queue, (total - ranked[at].loss(rank - 1) + ranked[at].loss(rank), following))
