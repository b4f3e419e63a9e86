"""Exact counting and numbering of the architectures of a conditional space.

A space is compiled into a graph of three kinds of nodes, shared wherever the same sub-space occurs again: independent
parts (sizes multiply), a choice on which others depend (sizes add over its values), and a choice on which none does. The
size of the root is the size of the space, and walking down with a number gives the architecture of that number.

Counting is exact for every condition. Its cost follows the width of the dependencies, not the number of architectures:
trees of any depth are linear; only conditions that tie many choices crosswise can become expensive.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from retiarii.space._choice import Choice
from retiarii.space._condition import Condition
from retiarii.space._subset import Subset
from retiarii.space._value import Value, identity

# What is left of a condition: for each conjunction, which positions of which (still open) choice pass its tests.
_OpenTest: TypeAlias = "tuple[int, frozenset[int]]"
_Residual: TypeAlias = "frozenset[frozenset[_OpenTest]]"

_Rewrite: TypeAlias = "Callable[[frozenset[_OpenTest]], frozenset[_OpenTest] | None]"

_TRUE: _Residual = frozenset({frozenset()})


@dataclass(frozen=True)
class _Item:
    """A choice that is not decided yet; of a subset, some candidates may be."""

    number: int
    residual: _Residual
    position: int = 0
    chosen: int = 0


class Node(ABC):
    """A sub-space: how many combinations it has, and the combination of each number."""

    size: int

    @abstractmethod
    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[Node, int]]:
        """Write what this node decides into ``values`` and return what is left: sub-spaces with their numbers."""


class _Parts(Node):
    """Independent sub-spaces; the last one changes fastest."""

    def __init__(self, parts: Sequence[Node]) -> None:
        self._parts = parts
        self.size = math.prod(part.size for part in parts)

    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[Node, int]]:
        left = []
        for part in reversed(self._parts):
            index, inner = divmod(index, part.size)
            left.append((part, inner))
        return left


class _Leaf(Node):
    """A choice on which no other depends any more."""

    def __init__(self, choice: Choice, size: int) -> None:
        self._choice = choice
        self.size = size

    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[Node, int]]:
        values[self._choice.label] = self._choice.value_at(index)
        return ()


class _Branch(Node):
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


class _Candidate(Node):
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


class Counter:
    """Counts and numbers the architectures of ordered choices; continuous choices count as one value.

    Args:
        choices: The choices, parents first.
        conditions: The condition of each label.
    """

    def __init__(self, choices: Sequence[Choice], conditions: Mapping[str, Condition]) -> None:
        self._choices = choices
        self._numbers = {choice.label: number for number, choice in enumerate(choices)}
        self._known: dict[frozenset[_Item], Node] = {}
        self._continuous: set[int] = set()
        items = [
            _Item(number, self._opened(conditions[choice.label]))
            for number, choice in enumerate(choices)
            if conditions[choice.label]
        ]
        self._root = self._parts(items)

    @property
    def size(self) -> int | float:
        """How many architectures there are; ``math.inf`` where a continuous choice can become active."""
        return math.inf if self._continuous and self._root.size else self._root.size

    def values_at(self, index: int) -> dict[str, Value]:
        """Return the values of the architecture number ``index``, in the order of the choices."""
        values: dict[str, Value] = {}
        waiting = [(self._root, index)]
        while waiting:
            node, number = waiting.pop()
            waiting.extend(node.fill(number, values))
        return {choice.label: values[choice.label] for choice in self._choices if choice.label in values}

    def _opened(self, condition: Condition) -> _Residual:
        return frozenset(
            frozenset(
                (self._numbers[test.label], self._positions(self._choices[self._numbers[test.label]], test.values))
                for test in conjunction
            )
            for conjunction in condition
        )

    @staticmethod
    def _positions(parent: Choice, values: frozenset[Value]) -> frozenset[int]:
        if isinstance(parent, Subset):
            places = {identity(value): position for position, value in enumerate(parent.values)}
            return frozenset(places[identity(value)] for value in values)
        return frozenset(parent.index_of(parent.parse(value)) for value in values)

    def _parts(self, items: Sequence[_Item]) -> Node:
        """Split into groups that do not depend on each other."""
        groups = _connected(items)
        nodes = [self._group(group) for group in groups]
        return nodes[0] if len(nodes) == 1 else _Parts(nodes)

    def _group(self, items: Sequence[_Item]) -> Node:
        key = frozenset(items)
        node = self._known.get(key)
        if node is None:
            node = self._known[key] = self._branched(items[0], items[1:])
        return node

    def _branched(self, first: _Item, rest: Sequence[_Item]) -> Node:
        """Decide the first item: parents come first, so nothing that is left decides whether it is active."""
        choice = self._choices[first.number]
        if isinstance(choice, Subset) and (rest or first.position):
            return self._candidate(choice, first, rest)
        if rest:
            return self._branch(choice, first.number, rest)
        if choice.cardinality == math.inf:
            self._continuous.add(first.number)
            return _Leaf(choice, 1)
        return _Leaf(choice, int(choice.cardinality))

    def _branch(self, choice: Choice, number: int, rest: Sequence[_Item]) -> Node:
        named = [positions for item in rest for tests in item.residual for parent, positions in tests if parent == number]
        edges = {0, int(choice.cardinality)}
        for positions in set(named):
            edges.update(position for inside in positions for position in (inside, inside + 1))
        nodes: dict[tuple[bool, ...], Node] = {}
        runs: list[tuple[int, int, Node]] = []
        bounds = sorted(edges)
        for start, stop in zip(bounds, bounds[1:], strict=False):
            pattern = tuple(start in positions for positions in named)
            if pattern not in nodes:
                nodes[pattern] = self._parts(_decided(rest, number, start))
            runs.append((start, stop, nodes[pattern]))
        return _Branch(choice, runs)

    def _candidate(self, choice: Subset, item: _Item, rest: Sequence[_Item]) -> Node:
        if item.position == len(choice.values):
            return self._parts(rest)
        left = len(choice.values) - item.position - 1
        taken = left_out = None
        if item.chosen < choice.max_chosen and item.chosen + 1 + left >= choice.min_chosen:
            after = _Item(item.number, _TRUE, item.position + 1, item.chosen + 1)
            taken = self._parts([after, *_contains(rest, item.number, item.position)])
        if item.chosen + left >= choice.min_chosen:
            after = _Item(item.number, _TRUE, item.position + 1, item.chosen)
            left_out = self._parts([after, *_lacks(rest, item.number, item.position)])
        return _Candidate(choice, item.position, taken, left_out)


def _connected(items: Sequence[_Item]) -> list[list[_Item]]:
    """Group items that depend on each other, directly or not; in the order of their first item."""
    group_of: dict[int, list[_Item]] = {}
    for item in items:
        joined = {id(group): group for parent in _parents(item) if (group := group_of.get(parent)) is not None}
        merged = sorted((member for group in joined.values() for member in group), key=lambda member: member.number)
        merged.append(item)
        for member in merged:
            group_of[member.number] = merged
    return list({id(group): group for group in group_of.values()}.values())


def _parents(item: _Item) -> set[int]:
    return {parent for tests in item.residual for parent, _ in tests}


def _decided(items: Sequence[_Item], number: int, position: int) -> list[_Item]:
    """Return what is left of the items when a choice has the value at a position."""

    def rewritten(tests: frozenset[_OpenTest]) -> frozenset[_OpenTest] | None:
        if any(parent == number and position not in positions for parent, positions in tests):
            return None
        return frozenset(test for test in tests if test[0] != number)

    return _rewritten(items, rewritten)


def _contains(items: Sequence[_Item], number: int, position: int) -> list[_Item]:
    """Return what is left of the items when a subset contains the candidate at a position."""

    def rewritten(tests: frozenset[_OpenTest]) -> frozenset[_OpenTest] | None:
        return frozenset(test for test in tests if test[0] != number or position not in test[1])

    return _rewritten(items, rewritten)


def _lacks(items: Sequence[_Item], number: int, position: int) -> list[_Item]:
    """Return what is left of the items when a subset does not contain the candidate at a position."""

    def rewritten(tests: frozenset[_OpenTest]) -> frozenset[_OpenTest] | None:
        left = frozenset((parent, open_ - {position} if parent == number else open_) for parent, open_ in tests)
        return left if all(open_ for _, open_ in left) else None

    return _rewritten(items, rewritten)


def _rewritten(items: Sequence[_Item], rewrite: _Rewrite) -> list[_Item]:
    """Rewrite all conjunctions; drop the ones that became false, and the items that can no longer become active."""
    kept: dict[int, _Item] = {}
    given = {item.number for item in items}
    for item in items:
        residual = set()
        for tests in item.residual:
            new = rewrite(tests)
            if new is not None and all(parent in kept or parent not in given for parent, _ in new):
                residual.add(new)
        if frozenset() in residual:
            residual = {frozenset()}
        if residual:
            kept[item.number] = _Item(item.number, frozenset(residual), item.position, item.chosen)
    return list(kept.values())
