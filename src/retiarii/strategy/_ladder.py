"""`FidelityLadder` and `Rung`: the levels of fidelity at which ASHA and Hyperband compare trials."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from retiarii.space import Architecture
from retiarii.strategy._options import check_amounts, check_filter, check_name, check_one_of, check_whole
from retiarii.strategy.multi_trial import Strategy
from retiarii.strategy.search import Fitness
from retiarii.trial import Direction

Key: TypeAlias = "tuple[float, float, int]"
"""The sort key of trials in a rung, best first; equal trials are sorted by number."""


def levels(low: float, high: float, factor: int) -> tuple[float, ...]:
    """Return ``low``, ``low * factor``, ``low * factor**2``, ... up to ``high``."""
    found = [low]
    while found[-1] * factor <= high * (1 + 1e-9):
        found.append(min(found[-1] * factor, high))  # above it only by a rounding error
    return tuple(found)


def key_of(number: int, fitness: Fitness) -> Key:
    """Return the sort key of a trial."""
    return -fitness[0], -fitness[1], number


@dataclass(frozen=True)
class FidelityLadder(Strategy):
    """The base of strategies that give the best trials of each level of fidelity more of it; its options are theirs."""

    fidelity: str = "epochs"
    min_fidelity: float = 1
    max_fidelity: float = 27
    reduction_factor: int = 3
    optimize_mode: str | None = field(default=None, kw_only=True)
    model_filter: Callable[[Architecture], bool] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_name(self, "fidelity")
        check_amounts(self, "min_fidelity", "max_fidelity")
        check_whole(self, "reduction_factor", 2)
        check_one_of(self, "optimize_mode", [None, "maximize", "minimize"])
        check_filter(self, "model_filter")

    @property
    def direction(self) -> Direction | None:
        """The direction that ``optimize_mode`` fixes."""
        return None if self.optimize_mode is None else Direction(self.optimize_mode)

    @property
    def fidelities(self) -> Collection[str]:
        """The name of the fidelity that the trials get."""
        return (self.fidelity,)

    @property
    def levels(self) -> tuple[float, ...]:
        """The fidelities at which trials are compared, the lowest first."""
        return levels(self.min_fidelity, self.max_fidelity, self.reduction_factor)


class Rung:
    """The trials that have ended at one level of fidelity, without a fixed number, and those that may be promoted.

    Args:
        factor: One trial in this many is promoted.
    """

    def __init__(self, factor: int) -> None:
        self._factor = factor
        self._count = 0
        self._waiting: dict[int, Key] = {}
        self._heap: list[Key] = []  # of trials that wait for promotion, best first, and of some that no longer do
        self._taken: set[int] = set()
        self._taken_keys: list[Key] = []  # of promoted trials that have ended, sorted

    def add(self, number: int, fitness: Fitness) -> bool:
        """Record a trial that has ended; return whether it now waits for promotion."""
        self._count += 1
        key = key_of(number, fitness)
        if number in self._taken:
            bisect.insort(self._taken_keys, key)
            return False
        self._waiting[number] = key
        heapq.heappush(self._heap, key)
        return True

    def add_loser(self) -> None:
        """Record a pruned trial: it counts in the rung's size and is never promoted."""
        self._count += 1

    def take(self, number: int) -> None:
        """Record that a trial was promoted or cannot be promoted; it still counts in the rung's size."""
        self._taken.add(number)
        key = self._waiting.pop(number, None)
        if key is not None:
            bisect.insort(self._taken_keys, key)

    def promotable(self) -> int | None:
        """Return the best trial that was not promoted, if it is among the best ``1 / factor`` of the rung."""
        while self._heap and self._heap[0][2] not in self._waiting:
            heapq.heappop(self._heap)
        if not self._heap:
            return None
        best = self._heap[0]
        num_better = bisect.bisect(self._taken_keys, best)  # all better trials were promoted
        return best[2] if num_better < self._count // self._factor else None
