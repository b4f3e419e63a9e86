"""The nodes of a compiled space: each knows its size, and the combination of each number."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from retiarii.space._choice import Choice
from retiarii.space._subset import Subset
from retiarii.space._value import Value


class Node(ABC):
    """A sub-space: how many combinations it has, and the combination of each number."""

    size: int

    @abstractmethod
    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[Node, int]]:
        """Write what this node decides into ``values`` and return what is left: sub-spaces with their numbers."""


class Parts(Node):
    """Independent sub-spaces; the last one changes fastest."""

    def __init__(self, parts: Sequence[Node]) -> None:
        self._reversed = tuple(reversed(parts))
        self.size = math.prod(part.size for part in parts)

    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[Node, int]]:
        left = []
        for part in self._reversed:
            index, inner = divmod(index, part.size)
            left.append((part, inner))
        return left


class Leaf(Node):
    """A choice on which no other depends (any more)."""

    def __init__(self, choice: Choice, size: int) -> None:
        self._choice = choice
        self.size = size

    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[Node, int]]:
        values[self._choice.label] = self._choice.value_at(index)
        return ()


class Branch(Node):
    """A choice on which others depend: runs of neighbouring values with the same consequences."""

    def __init__(self, choice: Choice, runs: Sequence[tuple[int, int, Node]]) -> None:
        self._choice = choice
        self._runs = runs
        self._ends: list[int] = []
        self.size = 0
        for start, stop, node in runs:
            self.size += (stop - start) * node.size
            self._ends.append(self.size)

    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[Node, int]]:
        run = bisect_right(self._ends, index)
        start, _, node = self._runs[run]
        offset, inner = divmod(index - (self._ends[run - 1] if run else 0), node.size)
        values[self._choice.label] = self._choice.value_at(start + offset)
        return ((node, inner),)


class Candidate(Node):
    """One candidate of a subset on which others depend: first the combinations with it, then those without."""

    def __init__(self, choice: Subset, position: int, taken: Node | None, left_out: Node | None) -> None:
        self._choice = choice
        self._position = position
        self._taken = taken
        self._left_out = left_out
        self._num_taken = taken.size if taken else 0
        self.size = self._num_taken + (left_out.size if left_out else 0)

    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[Node, int]]:
        so_far = values.setdefault(self._choice.label, ())
        if self._taken is not None and index < self._num_taken:
            values[self._choice.label] = (*so_far, self._choice.values[self._position])
            return ((self._taken, index),)
        assert self._left_out is not None
        return ((self._left_out, index - self._num_taken),)
