"""Rungs: the levels of fidelity at which ASHA and Hyperband compare trials."""

from __future__ import annotations

import bisect
import heapq
from typing import TypeAlias

from retiarii.strategy._search import Fitness

Key: TypeAlias = "tuple[float, float, int]"
"""What the trials of a rung are sorted by, best first: those that are equal in the order of their numbers."""


def levels(low: float, high: float, factor: int) -> tuple[float, ...]:
    """Return ``low``, ``low * factor``, ``low * factor**2``, ... up to ``high``."""
    found = [low]
    while found[-1] * factor <= high * (1 + 1e-9):
        found.append(min(found[-1] * factor, high))  # which is above it by a rounding error, if at all
    return tuple(found)


def key_of(number: int, fitness: Fitness) -> Key:
    """Return the sort key of a trial."""
    return -fitness[0], -fitness[1], number


class Rung:
    """The trials that have ended at one level of fidelity, any number of them, and which may go on to the next.

    Args:
        factor: One in so many goes on.
    """

    def __init__(self, factor: int) -> None:
        self._factor = factor
        self._count = 0
        self._waiting: dict[int, Key] = {}
        self._heap: list[Key] = []  # of those that wait, best first, and of some that do so no more
        self._taken: set[int] = set()
        self._taken_keys: list[Key] = []  # of those that have ended, sorted

    def add(self, number: int, fitness: Fitness) -> bool:
        """Note a trial that has ended; return whether it waits to be taken, and was not before."""
        self._count += 1
        key = key_of(number, fitness)
        if number in self._taken:
            bisect.insort(self._taken_keys, key)
            return False
        self._waiting[number] = key
        heapq.heappush(self._heap, key)
        return True

    def add_loser(self) -> None:
        """Note a trial that was ended early: it counts among the others, and never goes on."""
        self._count += 1

    def take(self, number: int) -> None:
        """Note that a trial goes on, or that it no longer can; it counts among the others as before."""
        self._taken.add(number)
        key = self._waiting.pop(number, None)
        if key is not None:
            bisect.insort(self._taken_keys, key)

    def promotable(self) -> int | None:
        """Return the best trial among the best ``1 / factor`` of all that have ended here that was not taken."""
        while self._heap and self._heap[0][2] not in self._waiting:
            heapq.heappop(self._heap)
        if not self._heap:
            return None
        best = self._heap[0]
        num_better = bisect.bisect(self._taken_keys, best)  # all that are better were taken
        return best[2] if num_better < self._count // self._factor else None
