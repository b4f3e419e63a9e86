"""`AdditiveCost`: a cost of architectures that is added up from parts, without building each network."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import compress

from retiarii.errors import SpaceError
from retiarii.space._architecture import Architecture
from retiarii.space._choice import Choice
from retiarii.space._part_tables import Column, Columns, Conflict, PartCosts, PartTables, columns_of, cost_of
from retiarii.space._space import SearchSpace

_logger = logging.getLogger(__name__)

_MAX_LABELS = 8  # that one part may depend on
_MAX_VALUES = 8  # of one choice that are tried, to see what it influences
_CLIMB = 300  # mutations that are tried, to find the architecture that fills most rows
_REMEMBERED = 10_000  # costs that are not computed again


@dataclass(frozen=True)
class CostReport:
    """How an `AdditiveCost` gets its numbers.

    Attributes:
        name: The name of the cost.
        is_additive: Whether costs are added up from tables now; otherwise each network is built.
        num_built: How many networks were built and measured.
        num_added: How many costs were added up without building.
        num_checked: How many sums were compared with the network.
        num_wrong: How many of these differed; each led to a correction of the tables.
        num_parts: The number of parts of networks that cost something.
        num_entries: The number of rows of the tables.
        reason: Why costs are not added up (yet); empty if they are.
    """

    name: str
    is_additive: bool
    num_built: int
    num_added: int
    num_checked: int
    num_wrong: int
    num_parts: int
    num_entries: int
    reason: str


@dataclass(frozen=True)
class _Measured:
    """A network that was built: its cost, and that of its parts."""

    total: float
    columns: Columns


def _extremes(values: list[object]) -> list[object]:
    """Return the smallest and the largest of numbers, and all other values."""
    numbers = [value for value in values if isinstance(value, int | float)]
    return list(dict.fromkeys((min(numbers), max(numbers)))) if len(numbers) == len(values) > 2 else values


class AdditiveCost:
    """A cost that is the sum of the costs of a network's parts, such as its parameters or FLOPs.

    The first architectures are built and measured part by part. Then each choice is changed by itself, to see which
    parts it influences, and the cost of a part becomes a table over these choices; where the cost is given as factors,
    each of these does, and the tables are much smaller. For each further network that has
    parts without a row, one that fills many rows is built too. Once 64 sums in a row equal the measured costs, networks
    are built only where a table has no row yet.

    Sums are exact if the tables know every influence. They are compared with built networks before they are used, and
    now and then afterwards (the 1st, 2nd, 4th, 8th, ... sum); every built network is compared with all rows that it
    uses. A difference between two networks leads to the choice that causes it, by bisection; it is added to the tables,
    and the 64 comparisons start again. Where a part depends on more than 8 choices, or the space is not made of
    labelled choices alone, every network is built.

    Args:
        name: The name of the cost.
        space: The space of the architectures; further labels of architectures are ignored.
        measure: Builds the network of an architecture and returns the cost of each of its parts, or the factors whose
            product it is. The name of a part is its place in the network.
        patience: How many architectures are built before influences are searched; fewer trials never need them.
        checks: How many sums in a row have to be right before networks are no longer built.
        seed: The seed of random architectures that are tried, and not asked for.
    """

    def __init__(
        self,
        name: str,
        space: SearchSpace,
        measure: Callable[[Architecture], PartCosts],
        *,
        patience: int = 64,
        checks: int = 64,
        seed: int = 0,
    ) -> None:
        self.__name__ = name
        self._space = space
        self._measure = measure
        self._patience, self._checks, self._seed = patience, checks, seed
        self._rng = random.Random(seed)
        self._labels = frozenset(choice.label for choice in space)
        self._tables = PartTables(choice.label for choice in space)
        self._known: dict[Architecture, _Measured] = {}
        self._reason = "" if space.has_fixed_labels else "the mutators of this space may add choices"
        self._is_searched = False  # for influences
        self._is_miss = False  # whether the last network that was built had parts without a row
        self._num_right = 0  # in a row
        self._num_requested = self._num_built = self._num_added = self._num_checked = self._num_wrong = 0

    def __call__(self, architecture: Architecture) -> float:
        """Return the cost of an architecture."""
        if self._num_right < self._checks:
            return self._built(architecture)
        total = self._tables.total(architecture)
        if total is None:
            return self._built(architecture)
        self._num_added += 1
        is_power_of_two = self._num_added & (self._num_added - 1) == 0
        return self._built(architecture) if is_power_of_two else total

    def __reduce__(self) -> tuple[object, ...]:
        """Leave out what was measured: copies in other processes start anew."""
        options = {"patience": self._patience, "checks": self._checks, "seed": self._seed}
        return partial(AdditiveCost, **options), (self.__name__, self._space, self._measure)  # type: ignore[arg-type]  # keyword-only

    def learn(self, max_built: int = 2_000) -> CostReport:
        """Build random architectures until costs can be added up, and return how that went.

        Args:
            max_built: How many networks to build at most, about.
        """
        for _ in range(max_built):
            if self._num_right >= self._checks or self._reason or self._num_built >= max_built:
                break
            self._built(self._space.sample(self._rng))
        return self.report()

    def report(self) -> CostReport:
        """Return how the costs are computed, and how many were checked."""
        is_additive = self._num_right >= self._checks
        few = f"{self._num_right} of {self._checks} sums in a row were checked"
        return CostReport(
            self.__name__,
            is_additive,
            self._num_built,
            self._num_added,
            self._num_checked,
            self._num_wrong,
            self._tables.num_parts,
            self._tables.num_entries,
            "" if is_additive else self._reason or few,
        )

    # Building and measuring.

    def _built(self, architecture: Architecture) -> float:
        own = architecture.restricted(self._labels) if self._space.has_fixed_labels else architecture
        found = self._known.get(own)
        if found is None:
            found = self._measured(own)
            self._num_requested += 1
            if not self._reason:
                self._compare(own, found.columns)
            if self._num_requested == self._patience and not self._reason:
                self._search_influences()
            elif self._is_miss and not self._reason:
                self._fill()
        return found.total

    def _fill(self) -> None:
        """Build a network that fills many rows, for each network that was asked for and had parts without a row."""
        self._is_miss = False
        with suppress(SpaceError):  # constraints of the model leave few architectures
            best = self._filler()
            parts = self._tried(best) if self._tables.num_missing(best) else None
            if parts is not None:
                self._mend(self._tables.add(best, parts))

    def _filler(self) -> Architecture:
        """Return an architecture that has many parts without a row, found by hill climbing."""
        best = self._space.sample(self._rng)
        missing = self._tables.num_missing(best)
        for _ in range(_CLIMB):
            other = self._space.mutate(best, self._rng)
            count = self._tables.num_missing(other)
            if count >= missing:
                best, missing = other, count
        return best

    def _measured(self, architecture: Architecture) -> _Measured:
        found = self._known.get(architecture)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            parts = self._measure(architecture)
            total = sum(map(cost_of, parts.values()))
            found = self._known[architecture] = _Measured(total, columns_of(parts))
            self._num_built += 1
        return found

    def _compare(self, architecture: Architecture, parts: Columns) -> None:
        """Compare the parts of a network with the tables, and add them."""
        if not self._is_searched:
            self._tables.keep(architecture, parts)
            return
        is_predicted = self._tables.total(architecture) is not None
        self._is_miss = not is_predicted
        conflict = self._tables.add(architecture, parts)
        self._num_checked += is_predicted
        self._num_right += is_predicted
        if conflict is None:
            return
        self._num_right = 0
        if is_predicted:  # an influence that shows in few architectures: what else shows in this one?
            self._num_wrong += 1
            for choice in self._space:
                if choice.label in architecture:
                    self._change(choice, architecture)
            conflict = self._tables.refill()
        self._mend(conflict)

    # Influences.

    def _search_influences(self) -> None:
        """Change each choice by itself, in the first measured architecture that has it."""
        self._is_searched = True
        for choice in self._space:
            base = next((known for known in self._known if choice.label in known), None)
            if base is not None:
                self._change(choice, base)
        self._mend(self._tables.refill())

    def _change(self, choice: Choice, base: Architecture) -> None:
        """Change one choice of an architecture, and note which parts it influences there."""
        for changed in self._variants(base, choice):
            self._note_influence(choice.label, base, changed)

    def _variants(self, base: Architecture, choice: Choice) -> Iterator[Architecture]:
        """Yield architectures that differ in one choice, and in those that it makes active or inactive."""
        if choice.cardinality <= _MAX_VALUES:
            values = _extremes(list(choice.others(base[choice.label])))
        else:
            values = [choice.sample_other(base[choice.label], self._rng) for _ in range(_MAX_VALUES)]
        for value in values:
            changed = self._mixed({**base, choice.label: value}, {})
            if self._space.satisfies(changed):
                yield changed

    def _mixed(self, first: dict[str, object], second: Architecture | dict[str, object]) -> Architecture:
        """Return an architecture with the values of the first, else of the second, else the defaults."""

        def value_of(choice: Choice) -> object:
            if choice.label in first:
                return first[choice.label]
            return second[choice.label] if choice.label in second else choice.default()

        return self._space.decide(value_of)

    def _note_influence(
        self, label: str, first: Architecture, second: Architecture, also: Column | None = None
    ) -> None:
        """Note which parts differ between architectures that differ in one choice.

        Factors are compared where both networks have the part, and for the one that ``also`` names anyway.
        """
        one, other = self._tried(first), self._tried(second)
        if one is not None and other is not None:
            names = [name for name in dict.fromkeys((*one, *other)) if one.get(name, 0.0) != other.get(name, 0.0)]
            is_noted = [isinstance(name, str) or name == also or (name in one and name in other) for name in names]
            self._tables.depends(compress(names, is_noted), label)

    def _tried(self, architecture: Architecture) -> Columns | None:
        """Return the parts of an architecture that nobody asked for; None if it cannot be built."""
        is_new = architecture not in self._known
        try:
            parts = self._measured(architecture).columns
        except Exception as error:  # noqa: BLE001 - code of the user's model; what it raises is no error of the search
            _logger.debug("%s of %r is not known: %s", self.__name__, architecture, error)
            return None
        if is_new:
            self._tables.keep(architecture, parts)
        return parts

    def _mend(self, conflict: Conflict | None) -> None:
        """Find the choices that explain differences, until there is no difference left."""
        while not self._is_too_wide() and conflict is not None:
            if self._cause(conflict) is None:
                self._give_up(f"differences in the part {conflict.part!r} are not explained by single choices")
                return
            conflict = self._tables.refill()

    def _is_too_wide(self) -> bool:
        """Give up if a part depends on too many choices, and return whether one does."""
        for part, labels in self._tables.influences.items():
            if len(labels) > _MAX_LABELS:
                self._give_up(f"the part {part!r} depends on more than {_MAX_LABELS} choices")
                return True
        return False

    def _cause(self, conflict: Conflict) -> str | None:
        """Return a choice that makes the difference, found by bisection between two architectures."""
        first, second = conflict.first, conflict.second
        labels = [label for label in self._labels_in_order() if first.get(label) != second.get(label)]
        low, high = 0, len(labels)  # with so many labels of the second, the part is that of the first, or another
        wanted = self._known_part(first, conflict.part)
        while high - low > 1:
            middle = (low + high) // 2
            found = self._tried(self._between(first, second, labels[:middle]))
            if found is None:
                return None
            low, high = (middle, high) if found.get(conflict.part, 0.0) == wanted else (low, middle)
        if not labels:  # one architecture has two costs
            return None
        label = labels[low]
        self._note_influence(
            label,
            self._between(first, second, labels[:low]),
            self._between(first, second, labels[:high]),
            also=conflict.part,
        )
        return label if label in self._tables.influences[conflict.part] else None

    def _labels_in_order(self) -> list[str]:
        return [choice.label for choice in self._space]

    def _known_part(self, architecture: Architecture, part: Column) -> float | None:
        parts = self._tried(architecture)
        return None if parts is None else parts.get(part, 0.0)

    def _between(self, first: Architecture, second: Architecture, labels: list[str]) -> Architecture:
        """Return the first architecture with the values that the second has for some labels."""
        replaced = {label: second[label] for label in labels if label in second}
        kept = {label: value for label, value in first.items() if label not in labels}
        return self._mixed({**kept, **replaced}, {**second, **first})

    def _give_up(self, reason: str) -> None:
        self._reason, self._num_right = reason, 0
        self._tables = PartTables(())
        _logger.info("%s cannot be added up from parts (%s), so each network is built.", self.__name__, reason)
