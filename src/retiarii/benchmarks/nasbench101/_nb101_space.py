"""Cells of NAS-Bench-101 as architectures: the space, and the way from an architecture to its graph."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from retiarii.benchmarks._tabular.listed_architectures import Inactive, Key, ListedArchitectures
from retiarii.benchmarks.nasbench101._nb101_cells import (
    MAX_EDGES,
    MAX_VERTICES,
    NUM_CELLS,
    OPERATORS,
    CellGraph,
    cell_of_code,
    sources_of,
)
from retiarii.benchmarks.nasbench101._nb101_database import NB101_FILE
from retiarii.errors import ArchitectureError
from retiarii.space import Choice, SearchSpace, Value
from retiarii.space.cell_graphs import ValidCell, graph_choices, graph_condition

LABEL = "cell"

_MASKS = {
    tuple(vertex for vertex in range(MAX_VERTICES) if mask >> vertex & 1): mask for mask in range(1 << MAX_VERTICES)
}
_NUMBERS: dict[Any, int] = {name: number for number, name in enumerate(OPERATORS)}
_VALID = ValidCell(LABEL, MAX_EDGES)
_OPS = tuple(f"{LABEL}/op{vertex}" for vertex in range(MAX_VERTICES))
_INPUTS = tuple(f"{LABEL}/input{vertex}" for vertex in range(MAX_VERTICES))


@cache
def _choices() -> tuple[Choice, ...]:
    choices = graph_choices(f"{LABEL}/{{}}".format, OPERATORS, MAX_VERTICES, MAX_EDGES)
    return tuple(replace(choice, condition=graph_condition(choices, name)) for name, choice in choices.items())


def whole_space() -> SearchSpace:
    """Return the space of all valid cells, each with every numbering of its vertices."""
    return SearchSpace(_choices(), [_VALID])


def present_space() -> SearchSpace:
    """Return the space of the cells in the table: those of a partial table, otherwise all.

    Raises:
        BenchmarkError: The table is damaged.
    """
    path = NB101_FILE.path
    return _space_of(path, path.stat().st_mtime_ns) if NB101_FILE.is_there(path) else whole_space()


@lru_cache(maxsize=1)
def _space_of(path: Path, changed: int) -> SearchSpace:
    del changed  # it tells states of the file apart
    with closing(NB101_FILE.open(path)) as connection, NB101_FILE.reading(path):
        if NB101_FILE.count_in(connection) == NUM_CELLS:
            return whole_space()
        return SearchSpace.of(ListedArchitectures(_choices(), _keys(connection)))


def _keys(connection: sqlite3.Connection) -> list[Key]:
    rows = connection.execute("SELECT code FROM cells ORDER BY cell")
    values = (values_of_cell(cell_of_code(code)) for (code,) in rows)
    labels = [choice.label for choice in _choices()]
    return [tuple(found.get(label, Inactive.INACTIVE) for label in labels) for found in values]


def values_of_cell(cell: CellGraph) -> dict[str, Value]:
    """Return the values of a cell by their labels."""
    values: dict[str, Value] = {f"{LABEL}/num_nodes": cell.num_vertices}
    values |= {_OPS[vertex]: OPERATORS[op] for vertex, op in enumerate(cell.ops, 1)}
    return values | {_INPUTS[vertex]: sources for vertex, sources in enumerate(sources_of(cell), 1)}


def cell_of_architecture(architecture: Mapping[str, Any]) -> CellGraph:
    """Return the graph of an architecture.

    Raises:
        ArchitectureError: It is no architecture of the space, or no valid cell.
    """
    try:
        last = architecture[f"{LABEL}/num_nodes"] - 1
        inputs = tuple([_MASKS[architecture[label]] for label in _INPUTS[1 : last + 1]])
        cell = CellGraph(inputs, tuple([_NUMBERS[architecture[label]] for label in _OPS[1:last]]))
    except (KeyError, TypeError):
        whole_space().architecture(architecture)  # says what is wrong
        raise
    if objection := _VALID.objection(sources_of(cell)):
        raise ArchitectureError(
            f"The architecture {dict(architecture)!r} is not a cell of NAS-Bench-101: {objection}.", got=architecture
        )
    return cell
