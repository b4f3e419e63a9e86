"""`Subset`: the choice of several candidates."""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from retiarii.errors import DomainError
from retiarii.space._choice import Listed
from retiarii.space._plain_value import Value, identity, nearest, shown
from retiarii.space._seeds import random_below


@dataclass(frozen=True, eq=False)
class Subset(Listed):
    """The choice of ``min_chosen`` to ``max_chosen`` candidates; a value is a tuple in the order of the candidates.

    All subsets are equally likely. They are numbered by size, then in the order of the candidates.

    Args:
        values: The candidates: plain values, no two the same.
        min_chosen: The size of the smallest subset.
        max_chosen: The size of the largest subset.

    Raises:
        DomainError: Candidates are missing, doubled or not plain, or the sizes do not fit them.
    """

    min_chosen: int
    max_chosen: int

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = (self.min_chosen, self.max_chosen)
        if any(type(size) is not int for size in sizes) or not 0 <= sizes[0] <= sizes[1] <= len(self.values):
            raise DomainError(
                f"Choice {self.label!r} chooses from {sizes[0]!r} to {sizes[1]!r} of {len(self.values)} candidates"
                f"{self._place}. Expected integers with 0 <= min_chosen <= max_chosen <= {len(self.values)}."
            )

    @cached_property
    def cardinality(self) -> int:
        """How many subsets there are."""
        return sum(self._per_size)

    @cached_property
    def _per_size(self) -> tuple[int, ...]:
        return tuple(math.comb(len(self.values), size) for size in range(self.min_chosen, self.max_chosen + 1))

    def default(self) -> Value:
        """Return the first candidates: the smallest allowed number, but at least one if one is allowed."""
        return self.values[: max(self.min_chosen, min(1, self.max_chosen))]

    def parse(self, raw: Any) -> Value:
        """Return the subset that ``raw`` names.

        The first form that matches is used: a list of candidates in any order (``1`` matches ``1.0``); a list
        of their positions; a multi-hot list of booleans. A single candidate or position needs no list.

        Raises:
            ArchitectureError: No form matches, a candidate is named twice, or too few or too many are chosen.
        """
        plain = self._plain(raw)
        items = plain if type(plain) is tuple and self._position(plain) is None else (plain,)
        positions = self._chosen(items)
        expected = f"a list of {self._sizes()} of [{shown(self.values)}]"
        if positions is None:
            unknown = next(item for item in items if self._position(item) is None)
            raise self._refused(raw, expected, nearest(unknown, self.values))
        if len(set(positions)) < len(positions):
            raise self._refused(raw, "a list without duplicates")
        if not self.min_chosen <= len(positions) <= self.max_chosen:
            raise self._refused(raw, expected)
        return tuple(self.values[index] for index in sorted(positions))

    def _chosen(self, items: tuple[Value, ...]) -> list[int] | None:
        """Read all items as candidates, else all as positions, else all as flags."""
        named = [index for item in items if (index := self._position(item)) is not None]
        if len(named) == len(items):
            return named
        if all(type(item) is int and 0 <= item < len(self.values) for item in items):
            return list(items)
        if len(items) == len(self.values) and all(type(item) is bool for item in items):
            return [index for index, flag in enumerate(items) if flag]
        return None

    def _sizes(self) -> str:
        if self.min_chosen == self.max_chosen:
            return str(self.min_chosen)
        return f"{self.min_chosen} to {self.max_chosen}"

    def value_at(self, index: int) -> Value:
        """Return the subset number ``index``."""
        for size, count in enumerate(self._per_size, self.min_chosen):
            if index < count:
                return tuple(self._combination(size, index))
            index -= count
        raise IndexError(index)

    def _combination(self, size: int, index: int) -> Iterator[Value]:
        """Yield the combination number ``index`` in lexicographic order."""
        left = len(self.values)
        count = math.comb(left, size)  # combinations of the remaining candidates; each step changes it by one factor
        for value in self.values:
            if not size:
                return
            with_it = count * size // left
            if index < with_it:
                yield value
                size, count = size - 1, with_it
            else:
                index, count = index - with_it, count - with_it
            left -= 1

    def index_of(self, value: Value) -> int:
        """Return the number of a subset."""
        size = len(value)
        index = sum(self._per_size[: size - self.min_chosen])
        chosen = {self._positions[identity(item)] for item in value}
        left = len(self.values)
        count = math.comb(left, size)
        for position in range(len(self.values)):
            if not size:
                break
            with_it = count * size // left
            if position in chosen:
                size, count = size - 1, with_it
            else:
                index, count = index + with_it, count - with_it
            left -= 1
        return index

    def from_unit(self, unit: float) -> Value:
        """Return the subset whose share of [0, 1) contains ``unit``; `sample` reaches all of more than 2**53."""
        return self.value_at(min(int(unit * self.cardinality), self.cardinality - 1))

    def sample(self, rng: random.Random) -> Value:
        """Draw a subset, each with the same probability."""
        return self.value_at(random_below(self.cardinality, rng))

    def domain(self) -> str:
        """Return the sizes and the candidates."""
        return f"{self._sizes()} of {{{shown(self.values)}}}"

    def encode(self, value: Value) -> list[float]:
        """Return the subset as a multi-hot vector."""
        chosen = set(map(identity, value))
        return [float(identity(item) in chosen) for item in self.values]

    @cached_property
    def _domain_key(self) -> Hashable:
        return type(self), tuple(map(identity, self.values)), self.min_chosen, self.max_chosen
