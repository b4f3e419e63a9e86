"""From probabilities to one architecture."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from retiarii.errors import ConstraintError
from retiarii.space import Architecture, SearchSpace

MAX_TRIED = 10_000


def most_probable(space: SearchSpace, probabilities: Mapping[str, Mapping[Any, float]]) -> Architecture:
    """Return the architecture of the most probable value of each label; labels that this makes inactive are dropped.

    Where the space has constraints and they refuse it, the next in the order of the product of probabilities over all
    labels are tried.

    Args:
        space: The search space.
        probabilities: For each label, the probability of each value.

    Raises:
        ConstraintError: None of the `MAX_TRIED` most probable architectures meets the constraints.
    """
    for values in itertools.islice(_by_probability(probabilities), MAX_TRIED if space.constraints else 1):
        architecture = space.architecture(values)
        if space.satisfies(architecture):
            return architecture
    raise ConstraintError(
        f"None of the {MAX_TRIED:,} most probable architectures meets the constraints of the space. Loosen them, or "
        "search with a penalty for what they limit, so that probable architectures come near."
    )


def _by_probability(probabilities: Mapping[str, Mapping[Any, float]]) -> Iterator[dict[str, Any]]:
    """Yield values for all labels, the most probable combination first."""
    labels = list(probabilities)
    ranked = [sorted(probabilities[label].items(), key=lambda item: -item[1]) for label in labels]
    losses = [[-math.log(max(share, 1e-300)) for _, share in values] for values in ranked]
    start = (0,) * len(labels)
    queue = [(sum(loss[0] for loss in losses), start)]
    while queue:
        total, ranks = heapq.heappop(queue)
        yield {label: ranked[at][rank][0] for at, (label, rank) in enumerate(zip(labels, ranks, strict=True))}
        # Only positions from the last raised one on are raised, so that no combination comes twice.
        first = max((at for at, rank in enumerate(ranks) if rank), default=0)
        for at in range(first, len(labels)):
            rank = ranks[at] + 1
            if rank < len(ranked[at]):
                following = (*ranks[:at], rank, *ranks[at + 1 :])
                heapq.heappush(queue, (total - losses[at][rank - 1] + losses[at][rank], following))
