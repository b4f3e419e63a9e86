"""Exact counting and numbering of the architectures of a conditional space.

A space is compiled into a graph of nodes, shared wherever the same sub-space occurs again: independent parts (sizes
multiply), a choice on which others depend (sizes add over its values), and a choice on which none does. The size of the
root is the size of the space, and walking down with a number gives the architecture of that number.

Counting is exact for every condition. Its cost follows the width of the dependencies, not the number of architectures:
trees of any depth are cheap; only conditions that tie many choices crosswise can become expensive.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from retiarii.space._choice import Choice
from retiarii.space._condition import Condition
from retiarii.space._subset import Subset
from retiarii.space._value import Value


class Node(ABC):
    """A sub-space: how many combinations it has, and the combination of each number."""

    size: int

    @abstractmethod
    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[Node, int]]:
        """Write what this node decides into ``values`` and return what is left: sub-spaces with their numbers."""


class _Parts(Node):
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


class _Leaf(Node):
    """A choice on which no other depends (any more)."""

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


# What is left of a condition: for each conjunction, which positions of which (still open) choice pass its tests.
_OpenTest: TypeAlias = "tuple[int, frozenset[int]]"
_Tests: TypeAlias = "frozenset[_OpenTest]"
_Residual: TypeAlias = "frozenset[_Tests]"
_Rewrite: TypeAlias = "Callable[[_Tests], _Tests | None]"

_TRUE: _Residual = frozenset({frozenset()})
_NONE: frozenset[int] = frozenset()


class _Item(NamedTuple):
    """A choice that is not decided yet; of a subset, the candidates before ``position`` are."""

    number: int
    residual: _Residual
    parents: frozenset[int]
    position: int = 0
    num_chosen: int = 0


# A builder yields the items of the sub-spaces that it needs, and is sent their nodes (see Counter._built).
_Builder: TypeAlias = "Generator[Sequence[_Item], Node, Node]"


class Counter:
    """Counts and numbers the architectures of ordered choices.

    Args:
        choices: The choices, parents first.
        conditions: The condition of each label.
    """

    def __init__(self, choices: Sequence[Choice], conditions: Mapping[str, Condition]) -> None:
        self._choices = choices
        self._known: dict[frozenset[_Item], Node] = {}
        self._is_continuous = False
        numbers = {choice.label: number for number, choice in enumerate(choices)}
        items = [
            _item(numbers[label], self._opened(condition, numbers))
            for label, condition in conditions.items()
            if condition
        ]
        self._root = self._built(items)

    @property
    def size(self) -> int | float:
        """How many architectures there are; ``math.inf`` where a continuous choice can become active."""
        return math.inf if self._is_continuous else self._root.size

    def values_at(self, index: int) -> dict[str, Value]:
        """Return the values of the architecture number ``index``, in the order of the choices."""
        values: dict[str, Value] = {}
        waiting = [(self._root, index)]
        while waiting:
            node, inner = waiting.pop()
            waiting.extend(node.fill(inner, values))
        return {choice.label: values[choice.label] for choice in self._choices if choice.label in values}

    def _opened(self, condition: Condition, numbers: Mapping[str, int]) -> _Residual:
        """Replace labels by numbers and values by positions."""

        def opened(label: str, values: frozenset[Value]) -> _OpenTest:
            parent = self._choices[numbers[label]]
            if isinstance(parent, Subset):
                return numbers[label], frozenset(map(parent.values.index, values))
            return numbers[label], frozenset(map(parent.index_of, values))

        return frozenset(
            frozenset(opened(test.label, test.values) for test in conjunction) for conjunction in condition
        )

    def _built(self, items: Sequence[_Item]) -> Node:
        """Run the builders with a stack of our own, so that nesting may be deeper than Python's recursion limit."""
        running = [self._parts(items)]
        node: Node | None = None
        while running:
            try:
                needed = running[-1].send(node)  # type: ignore[arg-type]  # a generator is started by sending None
            except StopIteration as finished:
                running.pop()
                node = finished.value
            else:
                running.append(self._parts(needed))
                node = None
        assert node is not None
        return node

    def _parts(self, items: Sequence[_Item]) -> _Builder:
        """Split into groups that do not depend on each other, and build each group that is new."""
        nodes = []
        for group in _connected(items):
            key = frozenset(group)
            if key not in self._known:
                self._known[key] = yield from self._group(group[0], group[1:])
            nodes.append(self._known[key])
        return nodes[0] if len(nodes) == 1 else _Parts(nodes)

    def _group(self, first: _Item, rest: Sequence[_Item]) -> _Builder:
        """Decide the first item: parents come first, so nothing that is left decides whether it is active."""
        choice = self._choices[first.number]
        if isinstance(choice, Subset) and (rest or first.position):
            return (yield from self._candidate(choice, first, rest))
        if rest:
            return (yield from self._branch(choice, first.number, rest))
        if choice.cardinality == math.inf:
            self._is_continuous = True
            return _Leaf(choice, 1)
        return _Leaf(choice, int(choice.cardinality))

    def _branch(self, choice: Choice, number: int, rest: Sequence[_Item]) -> _Builder:
        tests = {test for item in rest for conjunction in item.residual for test in conjunction}
        named = [positions for parent, positions in tests if parent == number]
        bounds = {0, int(choice.cardinality)}
        for position in frozenset().union(*named):
            bounds.update((position, position + 1))
        nodes: dict[tuple[bool, ...], Node] = {}
        runs = []
        for start, stop in pairwise(sorted(bounds)):
            consequences = tuple(start in positions for positions in named)
            if consequences not in nodes:
                nodes[consequences] = yield _after_value(rest, number, start)
            runs.append((start, stop, nodes[consequences]))
        return _Branch(choice, runs)

    def _candidate(self, choice: Subset, item: _Item, rest: Sequence[_Item]) -> _Builder:
        """Decide one candidate; the subset stays in play until all its candidates are decided."""
        number, position, chosen = item.number, item.position, item.num_chosen
        if position == len(choice.values):
            return (yield rest)
        undecided = len(choice.values) - position - 1
        taken = left_out = None
        if chosen < choice.max_chosen and chosen + 1 + undecided >= choice.min_chosen:
            after = _Item(number, _TRUE, _NONE, position + 1, chosen + 1)
            taken = yield [after, *_after_taken(rest, number, position)]
        if chosen + undecided >= choice.min_chosen:
            after = _Item(number, _TRUE, _NONE, position + 1, chosen)
            left_out = yield [after, *_after_left_out(rest, number, position)]
        return _Candidate(choice, position, taken, left_out)


def _item(number: int, residual: _Residual, position: int = 0, num_chosen: int = 0) -> _Item:
    if frozenset() in residual:
        return _Item(number, _TRUE, _NONE, position, num_chosen)
    parents = frozenset(parent for tests in residual for parent, _ in tests)
    return _Item(number, residual, parents, position, num_chosen)


def _connected(items: Sequence[_Item]) -> list[list[_Item]]:
    """Group items that depend on each other, directly or not. Items and groups stay in order."""
    leader = {item.number: item.number for item in items}

    def find(number: int) -> int:
        while leader[number] != number:
            leader[number] = number = leader[leader[number]]
        return number

    for item in items:
        for parent in item.parents:
            leader[find(parent)] = find(item.number)
    groups: dict[int, list[_Item]] = {}
    for item in items:
        groups.setdefault(find(item.number), []).append(item)
    return list(groups.values())


def _after_value(items: Sequence[_Item], number: int, position: int) -> list[_Item]:
    """Return what is left of the items when a choice has the value at a position."""

    def rewrite(tests: _Tests) -> _Tests | None:
        if any(parent == number and position not in positions for parent, positions in tests):
            return None
        return frozenset(test for test in tests if test[0] != number)

    return _rewritten(items, number, rewrite)


def _after_taken(items: Sequence[_Item], number: int, position: int) -> list[_Item]:
    """Return what is left of the items when a subset contains the candidate at a position."""

    def rewrite(tests: _Tests) -> _Tests | None:
        return frozenset(test for test in tests if test[0] != number or position not in test[1])

    return _rewritten(items, number, rewrite)


def _after_left_out(items: Sequence[_Item], number: int, position: int) -> list[_Item]:
    """Return what is left of the items when a subset does not contain the candidate at a position."""

    def rewrite(tests: _Tests) -> _Tests | None:
        left = frozenset((parent, wanted - {position} if parent == number else wanted) for parent, wanted in tests)
        return left if all(wanted for _, wanted in left) else None

    return _rewritten(items, number, rewrite)


def _rewritten(items: Sequence[_Item], number: int, rewrite: _Rewrite) -> list[_Item]:
    """Rewrite the tests on a choice; drop what became false, and items that can no longer become active."""
    kept = []
    touched = {number}
    gone: set[int] = set()
    for item in items:
        if item.parents.isdisjoint(touched):
            kept.append(item)
            continue
        rewritten = (rewrite(tests) for tests in item.residual)
        residual = frozenset(
            tests for tests in rewritten if tests is not None and not any(parent in gone for parent, _ in tests)
        )
        if residual:
            kept.append(_item(item.number, residual, item.position, item.num_chosen))
        else:
            gone.add(item.number)
            touched.add(item.number)
    return kept
