"""Rungs: the levels of fidelity at which ASHA and Hyperband compare trials."""

from __future__ import annotations

import bisect
import heapq

from retiarii.strategy._search import Fitness


def levels(low: float, high: float, factor: int) -> tuple[float, ...]:
    """Return ``low``, ``low * factor``, ``low * factor**2``, ... up to ``high``."""
    found = [low]
    while found[-1] * factor <= high * (1 + 1e-9):
        found.append(found[-1] * factor)
    return tuple(found)


class Rung:
    """The trials that have finished at one level of fidelity, and which of them were promoted to the next.

    Args:
        factor: One in so many is promoted.
    """

    def __init__(self, factor: int) -> None:
        self._factor = factor
        self._fitness: dict[int, Fitness] = {}
        self._waiting: list[tuple[float, float, int]] = []  # a heap of those that were not promoted, best first
        self._promoted: list[tuple[float, float, int]] = []  # sorted, best first
        self._gone: set[int] = set()  # promoted, or not to be promoted any more

    def __len__(self) -> int:
        return len(self._fitness)

    def __contains__(self, number: int) -> bool:
        return number in self._fitness

    @property
    def waiting(self) -> set[int]:
        """The trials that may still be promoted."""
        return {number for number in self._fitness if number not in self._gone}

    def may_promote(self, number: int) -> bool:
        """Return whether a trial that has finished here may still be promoted."""
        return number in self._fitness and number not in self._gone

    def add(self, number: int, fitness: Fitness) -> None:
        """Note a trial that has finished here; in a replay it may have been promoted already."""
        self._fitness[number] = fitness
        if number in self._gone:
            bisect.insort(self._promoted, _key(number, fitness))
        else:
            heapq.heappush(self._waiting, _key(number, fitness))

    def promote(self, number: int) -> None:
        """Note that a trial of this rung was promoted."""
        if number in self._fitness and number not in self._gone:
            bisect.insort(self._promoted, _key(number, self._fitness[number]))
        self._gone.add(number)

    def forget(self, number: int) -> None:
        """Note that a trial cannot be promoted any more; it still counts among those it is compared with."""
        self.promote(number)

    def promotable(self) -> int | None:
        """Return the best trial that is among the best ``1 / factor`` of this rung and was not promoted."""
        best = self.best()
        if best is None:
            return None
        rank = bisect.bisect(self._promoted, _key(best, self._fitness[best]))  # all that are better were promoted
        return best if rank < len(self) // self._factor else None

    def best(self) -> int | None:
        """Return the best trial that was not promoted."""
        while self._waiting and self._waiting[0][2] in self._gone:
            heapq.heappop(self._waiting)
        return self._waiting[0][2] if self._waiting else None


def _key(number: int, fitness: Fitness) -> tuple[float, float, int]:
    return -fitness[0], -fitness[1], number
