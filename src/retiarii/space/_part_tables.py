"""`PartTables`: the costs of the parts of networks, as tables over the choices that influence them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from operator import itemgetter
from typing import Any, TypeAlias

from retiarii.space._architecture import Architecture
from retiarii.space._plain_value import Value

PartCosts: TypeAlias = Mapping[str, "float | tuple[float, ...]"]
"""The cost of each part of one network, by the name of the part; parts that are not named cost nothing.

A tuple has factors, whose product is the cost. A part has the same number of them in each network that it is in.
"""

Column: TypeAlias = "str | tuple[str, int]"
"""A part, or a factor of its cost."""

Columns: TypeAlias = Mapping[Column, float]
"""The parts of one network: the cost of each part, or 1 if it has factors, and the factors of parts that exist."""

_MAX_SUMS = 100_000  # that are kept of one group of parts


def columns_of(parts: PartCosts) -> dict[Column, float]:
    """Return the costs of parts and their factors, each by itself."""
    columns: dict[Column, float] = {}
    for name, cost in parts.items():
        if isinstance(cost, tuple):
            columns[name] = 1.0
            columns.update({(name, place): factor for place, factor in enumerate(cost)})
        else:
            columns[name] = cost
    return columns


def cost_of(part: float | tuple[float, ...]) -> float:
    """Return the cost of a part, which is the product of its factors where it has some."""
    return prod(part) if isinstance(part, tuple) else part


@dataclass(frozen=True)
class Conflict:
    """Two architectures that agree in all choices that are known to influence a part, but whose parts differ."""

    part: Column
    first: Architecture
    second: Architecture


@dataclass
class _Table:
    """Columns that depend on the same choices.

    Attributes:
        key: Returns the values of these choices from those of all choices.
        names: The columns.
        rows: From the values of the choices to the value of each column; None for factors of parts that were not there.
        examples: An architecture for each of these values.
    """

    key: Callable[[list[Value | None]], Any]
    names: list[Column]
    rows: dict[Any, list[float | None]] = field(default_factory=dict)
    examples: dict[Any, list[Architecture]] = field(default_factory=dict)

    def add(self, values: list[Value | None], architecture: Architecture, columns: Columns) -> Conflict | None:
        """Add a network; return the first contradiction to what is known."""
        key = self.key(values)
        row = [columns.get(name, 0.0 if isinstance(name, str) else None) for name in self.names]
        known = self.rows.get(key)
        if known is None:
            self.rows[key], self.examples[key] = row, [architecture] * len(row)
        elif known != row:
            for place, (old, new) in enumerate(zip(known, row, strict=True)):
                if old is None:
                    known[place], self.examples[key][place] = new, architecture
                elif new is not None and new != old:
                    return Conflict(self.names[place], self.examples[key][place], architecture)
        return None

    def cell(self, values: list[Value | None], place: int) -> float | None:
        row = self.rows.get(self.key(values))
        return None if row is None else row[place]


@dataclass
class _Sum:
    """The sum of the costs of parts that depend, with all of their factors, on the same choices.

    Attributes:
        key: Returns the values of these choices from those of all choices.
        parts: Each part: where it and its factors are in the tables.
        known: Sums, by the values of the choices.
    """

    key: Callable[[list[Value | None]], Any]
    parts: list[list[tuple[_Table, int]]] = field(default_factory=list)
    known: dict[Any, float] = field(default_factory=dict)

    def find(self, values: list[Value | None], key: Any) -> float | None:
        """Compute and keep a sum; None if a table has no row for it yet."""
        total = 0.0
        for cells in self.parts:
            cost = 1.0
            for table, place in cells:
                factor = table.cell(values, place)
                if factor is None:
                    return None
                cost *= factor
                if not factor:
                    break  # a part that is not there has no factors
            total += cost
        if len(self.known) >= _MAX_SUMS:
            self.known.clear()
        self.known[key] = total
        return total


class PartTables:
    """Adds up costs of parts that were measured in other networks.

    A part, or a factor of it, depends on some choices only. It is a table over the values of these, filled from
    measured networks. Which choices these are is told by `depends`; a `Conflict` shows that one is still missing.

    Args:
        labels: All labels of the space.
        max_kept: How many measured architectures are kept, to fill the tables anew when dependencies are added.
    """

    def __init__(self, labels: Iterable[str], max_kept: int = 5_000) -> None:
        self._labels = tuple(labels)
        self._places = {label: place for place, label in enumerate(self._labels)}
        self._max_kept = max_kept
        self._influences: dict[Column, frozenset[str]] = {}  # of each known column
        self._measured: list[tuple[Architecture, Columns]] = []
        self._tables: list[_Table] = []
        self._sums: list[_Sum] = []

    @property
    def influences(self) -> Mapping[Column, frozenset[str]]:
        """The choices that influence each known part and each factor."""
        return self._influences

    @property
    def num_parts(self) -> int:
        """The number of known parts."""
        return sum(isinstance(name, str) for name in self._influences)

    @property
    def num_entries(self) -> int:
        """The number of filled rows of all tables."""
        return sum(len(table.rows) for table in self._tables)

    def total(self, architecture: Architecture) -> float | None:
        """Return the sum over all parts; None if a part was not measured with these values yet."""
        values = list(map(architecture._values.get, self._labels))
        total = 0.0
        for group in self._sums:
            key = group.key(values)
            part = group.known.get(key)
            if part is None:
                part = group.find(values, key)
                if part is None:
                    return None
            total += part
        return total

    def num_missing(self, architecture: Architecture) -> int:
        """Return how many tables have no row for an architecture."""
        values = list(map(architecture._values.get, self._labels))
        return sum([table.key(values) not in table.rows for table in self._tables])

    def keep(self, architecture: Architecture, columns: Columns) -> None:
        """Keep a measured network for the next `refill`."""
        if len(self._measured) < self._max_kept:
            self._measured.append((architecture, columns))

    def add(self, architecture: Architecture, columns: Columns) -> Conflict | None:
        """Keep a measured network, and add it to the tables; return the first contradiction to what is known."""
        self.keep(architecture, columns)
        if not self._influences.keys() >= columns.keys():
            return self.refill()
        return self._fill(architecture, columns)

    def depends(self, names: Iterable[Column], label: str) -> None:
        """Note that parts or factors depend on a choice; call `refill` afterwards."""
        for name in names:
            self._influences[name] = self._influences.get(name, frozenset()) | {label}

    def refill(self) -> Conflict | None:
        """Fill the tables from all kept networks; return the first contradiction."""
        for _, columns in self._measured:
            for name in columns:
                self._influences.setdefault(name, frozenset())
        members: dict[frozenset[str], list[Column]] = {}
        for name, labels in self._influences.items():
            members.setdefault(labels, []).append(name)
        self._tables = [_Table(self._key(labels), names) for labels, names in members.items()]
        self._sums = self._new_sums()
        return next(filter(None, (self._fill(*measured) for measured in self._measured)), None)

    def _new_sums(self) -> list[_Sum]:
        cells = {name: (table, place) for table in self._tables for place, name in enumerate(table.names)}
        columns: dict[str, list[Column]] = {name: [name] for name in self._influences if isinstance(name, str)}
        for name in self._influences:
            if not isinstance(name, str):
                columns[name[0]].append(name)
        sums: dict[frozenset[str], _Sum] = {}
        for names in columns.values():
            labels = frozenset[str]().union(*map(self._influences.__getitem__, names))
            if labels not in sums:
                sums[labels] = _Sum(self._key(labels))
            sums[labels].parts.append([cells[name] for name in names])
        return list(sums.values())

    def _key(self, labels: frozenset[str]) -> Callable[[list[Value | None]], Any]:
        places = sorted(self._places[label] for label in labels)
        return itemgetter(*places) if places else _nothing

    def _fill(self, architecture: Architecture, columns: Columns) -> Conflict | None:
        values = list(map(architecture._values.get, self._labels))
        return next(filter(None, (table.add(values, architecture, columns) for table in self._tables)), None)


def _nothing(values: list[Value | None]) -> None:
    """Return the key of parts that depend on no choice."""
