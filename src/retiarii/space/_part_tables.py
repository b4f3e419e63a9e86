"""`PartTables`: the costs of the parts of networks, as tables over the choices that influence each part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, TypeAlias

from retiarii.space._architecture import Architecture
from retiarii.space._plain_value import Value

PartCosts: TypeAlias = Mapping[str, float]
"""The cost of each part of one network, by the name of the part; parts that are not named cost nothing."""


@dataclass(frozen=True)
class Conflict:
    """Two architectures that agree in all choices that are known to influence a part, but whose parts differ."""

    part: str
    first: Architecture
    second: Architecture


@dataclass
class _Group:
    """PartCosts that depend on the same choices.

    Attributes:
        labels: The choices.
        key: Returns the values of these choices from those of all choices.
        names: The parts.
        costs: From the values of the choices to the cost of each part.
        examples: An architecture for each of the ``costs``.
        totals: The sum of each of the ``costs``.
    """

    labels: tuple[str, ...]
    key: Callable[[list[Value | None]], Any]
    names: list[str]
    costs: dict[Any, tuple[float, ...]] = field(default_factory=dict)
    examples: dict[Any, Architecture] = field(default_factory=dict)
    totals: dict[Any, float] = field(default_factory=dict)

    def add(self, values: list[Value | None], architecture: Architecture, parts: PartCosts) -> str | None:
        """Add the parts of an architecture; return the first that contradicts what is known."""
        key = self.key(values)
        costs = tuple([parts.get(name, 0.0) for name in self.names])
        known = self.costs.get(key)
        if known is None:
            self.costs[key], self.examples[key], self.totals[key] = costs, architecture, sum(costs)
        elif known != costs:
            return next(name for name, old, new in zip(self.names, known, costs, strict=True) if old != new)
        return None


class PartTables:
    """Adds up costs of parts that were measured in other networks.

    A part depends on some choices only. Its costs are a table over the values of these, filled from measured networks.
    Which choices these are is told by `depends`; a `Conflict` shows that one is still missing.

    Args:
        labels: All labels of the space.
        max_kept: How many measured architectures are kept, to fill the tables anew when dependencies are added.
    """

    def __init__(self, labels: Iterable[str], max_kept: int = 5_000) -> None:
        self._labels = tuple(labels)
        self._places = {label: place for place, label in enumerate(self._labels)}
        self._max_kept = max_kept
        self._influences: dict[str, frozenset[str]] = {}  # of each known part
        self._measured: list[tuple[Architecture, PartCosts]] = []
        self._groups: list[_Group] = []

    @property
    def influences(self) -> Mapping[str, frozenset[str]]:
        """The choices that influence each known part."""
        return self._influences

    @property
    def num_entries(self) -> int:
        """The number of filled rows of all tables."""
        return sum(len(group.totals) for group in self._groups)

    def total(self, architecture: Architecture) -> float | None:
        """Return the sum over all parts; None if a part was not measured with these values yet."""
        values = list(map(architecture._values.get, self._labels))
        total = 0.0
        for group in self._groups:
            part = group.totals.get(group.key(values))
            if part is None:
                return None
            total += part
        return total

    def num_missing(self, architecture: Architecture) -> int:
        """Return how many tables have no row for an architecture."""
        values = list(map(architecture._values.get, self._labels))
        return sum([group.key(values) not in group.totals for group in self._groups])

    def keep(self, architecture: Architecture, parts: PartCosts) -> None:
        """Keep a measured network for the next `refill`."""
        if len(self._measured) < self._max_kept:
            self._measured.append((architecture, parts))

    def add(self, architecture: Architecture, parts: PartCosts) -> Conflict | None:
        """Keep a measured network, and add it to the tables; return the first contradiction to what is known."""
        self.keep(architecture, parts)
        if not self._influences.keys() >= parts.keys():
            return self.refill()
        return self._fill(architecture, parts)

    def depends(self, parts: Iterable[str], label: str) -> None:
        """Note that parts depend on a choice; call `refill` afterwards."""
        for name in parts:
            self._influences[name] = self._influences.get(name, frozenset()) | {label}

    def refill(self) -> Conflict | None:
        """Fill the tables from all kept networks; return the first contradiction."""
        for _, parts in self._measured:
            for name in parts:
                self._influences.setdefault(name, frozenset())
        names: dict[frozenset[str], list[str]] = {}
        for name, labels in self._influences.items():
            names.setdefault(labels, []).append(name)
        self._groups = [self._group(labels, members) for labels, members in names.items()]
        return next(filter(None, (self._fill(*measured) for measured in self._measured)), None)

    def _group(self, labels: frozenset[str], names: list[str]) -> _Group:
        ordered = tuple(sorted(labels, key=self._places.__getitem__))
        places = [self._places[label] for label in ordered]
        return _Group(ordered, itemgetter(*places) if places else _nothing, names)

    def _fill(self, architecture: Architecture, parts: PartCosts) -> Conflict | None:
        values = list(map(architecture._values.get, self._labels))
        for group in self._groups:
            part = group.add(values, architecture, parts)
            if part is not None:
                return Conflict(part, group.examples[group.key(values)], architecture)
        return None


def _nothing(values: list[Value | None]) -> None:
    """Return the key of parts that depend on no choice."""
