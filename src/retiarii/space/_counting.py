"""Exact counting and numbering of the architectures of a conditional space.

A space is compiled into a graph of `SubSpace` nodes, shared wherever the same sub-space occurs again: independent parts
(sizes multiply), a choice on which others depend (sizes add over its values), and a choice on which none depends. The
size of the root is the size of the space, and descending with an index gives the architecture of that index.

Counting is exact. Its cost follows the width of the dependencies, not the number of architectures: trees of any depth
are cheap. Conditions that tie dozens of choices to each other are expensive: counting stops after a fixed amount of
work (`MAX_WORK`), the same on every machine, and `estimated_size` uses a sample instead.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from retiarii.space._choice import Choice
from retiarii.space._condition import Condition
from retiarii.space._plain_value import Value
from retiarii.space._residual import (
    TRUE,
    Item,
    OpenTest,
    Residual,
    after_left_out,
    after_taken,
    after_value,
    connected,
    open_item,
    work_of,
)
from retiarii.space._subset import Subset

# A builder yields the items of the sub-spaces that it needs, and is sent their nodes (see Counter._built).
Completion: TypeAlias = "Callable[[Callable[[Choice], Value]], Mapping[str, Value]]"
_Builder: TypeAlias = "Generator[Sequence[Item], SubSpace, SubSpace]"


MAX_WORK = 1_000_000  # tests, and positions in them, looked at: about two seconds

_BITS_PER_WORK = 64
_SAMPLES_WORK = 200_000  # choices, and candidates of subsets, drawn for an estimate
_MIN_SAMPLES, _MAX_SAMPLES = 30, 2000


def estimated_size(choices: Sequence[Choice], complete: Completion) -> float:
    """Estimate how many architectures there are, from a sample that is the same every time.

    Args:
        choices: All choices.
        complete: Builds an architecture from a function that decides each active choice.

    Returns:
        The mean, over architectures drawn by uniform decisions, of the number of values of all active choices
        multiplied with each other; ``math.inf`` where a continuous choice was active or the mean has no float.

    Reference:
        Knuth (1975), Estimating the efficiency of backtrack programs, Math. Comp. 29: the estimate is unbiased. Its
        spread grows with the differences between branches, so take it for an order of magnitude.
    """
    rng = random.Random(0)
    by_label = {choice.label: choice for choice in choices}
    work = len(choices) + sum(len(choice.values) for choice in choices if isinstance(choice, Subset))
    count = max(_MIN_SAMPLES, min(_MAX_SAMPLES, _SAMPLES_WORK // max(work, 1)))
    total = 0
    for _ in range(count):
        active = complete(lambda choice: _drawn(choice, rng))
        sizes = [by_label[label].cardinality for label in active]
        if math.inf in sizes:
            return math.inf
        total += math.prod(map(int, sizes))
    try:
        return float(total / count)
    except OverflowError:
        return math.inf


def _drawn(choice: Choice, rng: random.Random) -> Value:
    if choice.cardinality == math.inf:
        return choice.default()
    return choice.value_at(rng.randrange(int(choice.cardinality)))


class _TooEntangled(Exception):
    """Counting takes more than `MAX_WORK`."""


class Counter:
    """Counts and numbers the architectures of ordered choices.

    Args:
        choices: The choices, parents first.
        conditions: The condition of each label.
    """

    def __init__(self, choices: Sequence[Choice], conditions: Mapping[str, Condition]) -> None:
        self._choices = choices
        self._known: dict[frozenset[Item], SubSpace] = {}
        self._is_continuous = False
        self._work_left = MAX_WORK
        numbers = {choice.label: number for number, choice in enumerate(choices)}
        items = [
            open_item(numbers[label], self._opened(condition, numbers))
            for label, condition in conditions.items()
            if condition
        ]
        try:
            self._root: SubSpace | None = self._built(items)
        except _TooEntangled:
            self._root = None
            self._known.clear()

    @property
    def size(self) -> int | float | None:
        """How many architectures there are; ``math.inf`` where a continuous choice can become active.

        None where counting would have taken too long.
        """
        if self._root is None:
            return None
        return math.inf if self._is_continuous else self._root.size

    def values_at(self, index: int) -> dict[str, Value]:
        """Return the values of the architecture number ``index``, in the order of the choices."""
        assert self._root is not None  # indices exist only where the size is known
        values: dict[str, Value] = {}
        waiting = [(self._root, index)]
        while waiting:
            node, inner = waiting.pop()
            waiting.extend(node.fill(inner, values))
        return {choice.label: values[choice.label] for choice in self._choices if choice.label in values}

    def _opened(self, condition: Condition, numbers: Mapping[str, int]) -> Residual:
        """Replace labels by numbers and values by positions."""

        def opened(label: str, values: frozenset[Value]) -> OpenTest:
            parent = self._choices[numbers[label]]
            if isinstance(parent, Subset):
                return numbers[label], frozenset(map(parent.values.index, values))
            return numbers[label], frozenset(map(parent.index_of, values))

        return frozenset(
            frozenset(opened(test.label, test.values) for test in conjunction) for conjunction in condition
        )

    def _built(self, items: Sequence[Item]) -> SubSpace:
        """Run the builders with an explicit stack, so that nesting may exceed Python's recursion limit."""
        running = [self._parts(items)]
        node: SubSpace | None = None
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

    def _parts(self, items: Sequence[Item]) -> _Builder:
        """Split into groups that do not depend on each other, and build each group that is new."""
        self._work_left -= 1 + sum(work_of(item) for item in items)
        if self._work_left < 0:
            raise _TooEntangled
        nodes = []
        for group in connected(items):
            key = frozenset(group)
            if key not in self._known:
                self._known[key] = yield from self._group(group[0], group[1:])
            nodes.append(self._known[key])
        return nodes[0] if len(nodes) == 1 else Parts(nodes)

    def _group(self, first: Item, rest: Sequence[Item]) -> _Builder:
        """Decide the first item, whose activity is known because parents come first."""
        choice = self._choices[first.number]
        if isinstance(choice, Subset) and (rest or first.position):
            return (yield from self._candidate(choice, first, rest))
        if rest:
            return (yield from self._branch(choice, first.number, rest))
        if choice.cardinality == math.inf:
            self._is_continuous = True
            return Leaf(choice, 1)
        return Leaf(choice, int(choice.cardinality))

    def _branch(self, choice: Choice, number: int, rest: Sequence[Item]) -> _Builder:
        tests = {test for item in rest for conjunction in item.residual for test in conjunction}
        named = [positions for parent, positions in tests if parent == number]
        bounds = {0, int(choice.cardinality)}
        for position in frozenset().union(*named):
            bounds.update((position, position + 1))
        nodes: dict[tuple[bool, ...], SubSpace] = {}
        runs = []
        for start, stop in pairwise(sorted(bounds)):
            consequences = tuple(start in positions for positions in named)
            if consequences not in nodes:
                nodes[consequences] = yield after_value(rest, number, start)
            runs.append((start, stop, nodes[consequences]))
        return Branch(choice, runs)

    def _candidate(self, choice: Subset, item: Item, rest: Sequence[Item]) -> _Builder:
        """Decide one candidate; the subset stays undecided until all its candidates are decided."""
        number, position, chosen = item.number, item.position, item.num_chosen
        self._work_left -= len(choice.values) // _BITS_PER_WORK  # sizes have as many bits as there are candidates
        if position == len(choice.values):
            return (yield rest)
        undecided = len(choice.values) - position - 1
        taken = left_out = None
        if chosen < choice.max_chosen and chosen + 1 + undecided >= choice.min_chosen:
            after = open_item(number, TRUE, position + 1, chosen + 1)
            taken = yield [after, *after_taken(rest, number, position)]
        if chosen + undecided >= choice.min_chosen:
            after = open_item(number, TRUE, position + 1, chosen)
            left_out = yield [after, *after_left_out(rest, number, position)]
        return Candidate(choice, position, taken, left_out)


class SubSpace(ABC):
    """A node of the compiled space: its number of combinations, and the combination of each index."""

    size: int

    @abstractmethod
    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[SubSpace, int]]:
        """Write the values that this node decides into ``values``, and return the remaining sub-spaces with indices."""


class Parts(SubSpace):
    """Independent sub-spaces; the last one changes fastest."""

    def __init__(self, parts: Sequence[SubSpace]) -> None:
        self._reversed = tuple(reversed(parts))
        self.size = math.prod(part.size for part in parts)

    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[SubSpace, int]]:
        left = []
        for part in self._reversed:
            index, inner = divmod(index, part.size)
            left.append((part, inner))
        return left


class Leaf(SubSpace):
    """A choice on which no other depends (any more)."""

    def __init__(self, choice: Choice, size: int) -> None:
        self._choice = choice
        self.size = size

    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[SubSpace, int]]:
        values[self._choice.label] = self._choice.value_at(index)
        return ()


class Branch(SubSpace):
    """A choice on which others depend: runs of neighbouring values with the same consequences."""

    def __init__(self, choice: Choice, runs: Sequence[tuple[int, int, SubSpace]]) -> None:
        self._choice = choice
        self._runs = runs
        self._ends: list[int] = []
        self.size = 0
        for start, stop, node in runs:
            self.size += (stop - start) * node.size
            self._ends.append(self.size)

    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[SubSpace, int]]:
        run = bisect_right(self._ends, index)
        start, _, node = self._runs[run]
        offset, inner = divmod(index - (self._ends[run - 1] if run else 0), node.size)
        values[self._choice.label] = self._choice.value_at(start + offset)
        return ((node, inner),)


class Candidate(SubSpace):
    """One candidate of a subset on which others depend: first the combinations with it, then those without."""

    def __init__(self, choice: Subset, position: int, taken: SubSpace | None, left_out: SubSpace | None) -> None:
        self._choice = choice
        self._position = position
        self._taken = taken
        self._left_out = left_out
        self._num_taken = taken.size if taken else 0
        self.size = self._num_taken + (left_out.size if left_out else 0)

    def fill(self, index: int, values: dict[str, Value]) -> Iterable[tuple[SubSpace, int]]:
        so_far = values.setdefault(self._choice.label, ())
        if self._taken is not None and index < self._num_taken:
            values[self._choice.label] = (*so_far, self._choice.values[self._position])
            return ((self._taken, index),)
        assert self._left_out is not None
        return ((self._left_out, index - self._num_taken),)
