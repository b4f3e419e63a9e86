"""Cells of NAS-Bench-101: small graphs with an operator at each vertex, their codes and their forms as dicts."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from retiarii.errors import ArchitectureError

INPUT = "input"
OUTPUT = "output"
CONV3X3_BN_RELU = "conv3x3-bn-relu"
CONV1X1_BN_RELU = "conv1x1-bn-relu"
MAXPOOL3X3 = "maxpool3x3"

OPERATORS = (CONV3X3_BN_RELU, CONV1X1_BN_RELU, MAXPOOL3X3)
NUM_CELLS = 423_624
MAX_VERTICES = 7
MAX_EDGES = 9

_NUMBERS = {name: number for number, name in enumerate(OPERATORS)}
_VERTICES_OF = [tuple(v for v in range(MAX_VERTICES) if mask >> v & 1) for mask in range(1 << MAX_VERTICES)]
_OP_KEYS = tuple(f"op{vertex}" for vertex in range(MAX_VERTICES))
_INPUT_KEYS = tuple(f"input{vertex}" for vertex in range(MAX_VERTICES))


class CellGraph(NamedTuple):
    """A graph whose vertices are numbered along its edges: 0 is the input, the last one the output.

    Attributes:
        inputs: For each vertex after the input, the bits of the vertices that it takes.
        ops: For each vertex between input and output, the position of its operator in `OPERATORS`.
    """

    inputs: tuple[int, ...]
    ops: tuple[int, ...]

    def pruned(self) -> CellGraph | None:
        """Return the cell without vertices that are on no path from input to output; None if there is no path."""
        last = len(self.inputs)
        reached, needed = 1, 1 << last
        for vertex, sources in enumerate(self.inputs, 1):
            reached |= (1 << vertex) if sources & reached else 0
        for vertex in range(last, 0, -1):
            needed |= self.inputs[vertex - 1] if needed >> vertex & 1 else 0
        kept = reached & needed
        if kept == (2 << last) - 1:
            return self
        if not kept & 1 or not kept >> last & 1:
            return None
        old = [vertex for vertex in range(last + 1) if kept >> vertex & 1]
        inputs = tuple(
            sum((self.inputs[vertex - 1] >> source & 1) << new for new, source in enumerate(old)) for vertex in old[1:]
        )
        return CellGraph(inputs, tuple(self.ops[vertex - 1] for vertex in old[1:-1]))

    @property
    def num_vertices(self) -> int:
        """The number of vertices, input and output included."""
        return len(self.inputs) + 1

    @property
    def num_edges(self) -> int:
        """The number of edges."""
        return sum(sources.bit_count() for sources in self.inputs)

    def code(self) -> int:
        """Return the number of a cell of at most 7 vertices; other numberings of the vertices have other codes."""
        code = len(self.inputs)
        for sources in self.inputs:
            code = code << MAX_VERTICES | sources
        for op in self.ops:
            code = code << 2 | op
        return code


@lru_cache(maxsize=4096)
def cell_of_code(code: int) -> CellGraph:
    """Return the cell of a code."""
    last = next(last for last in range(1, MAX_VERTICES) if code >> (MAX_VERTICES * last + 2 * (last - 1)) == last)
    ops = tuple(code >> 2 * (last - 1 - vertex) & 3 for vertex in range(1, last))
    code >>= 2 * (last - 1)
    every = (1 << MAX_VERTICES) - 1
    return CellGraph(tuple(code >> MAX_VERTICES * (last - vertex) & every for vertex in range(1, last + 1)), ops)


def sources_of(cell: CellGraph) -> list[tuple[int, ...]]:
    """Return for each vertex after the input the vertices that it takes."""
    return [_VERTICES_OF[sources] for sources in cell.inputs]


def arch_of_cell(cell: CellGraph) -> dict[str, Any]:
    """Return a cell as queries take it."""
    arch: dict[str, Any] = {_OP_KEYS[vertex]: OPERATORS[op] for vertex, op in enumerate(cell.ops, 1)}
    for vertex, sources in enumerate(cell.inputs, 1):
        arch[_INPUT_KEYS[vertex]] = list(_VERTICES_OF[sources])
    return arch


def cell_of_arch(arch: Mapping[str, Any]) -> CellGraph:
    """Return the cell of a dict; vertices may be on no path from input to output.

    Args:
        arch: Operators and inputs, as in `Nb101TrialConfig`.

    Raises:
        ArchitectureError: Keys are missing or unknown, or a value is impossible.
    """
    try:
        last = len(arch) // 2 + 1
        ops = tuple(_NUMBERS[arch[f"op{vertex}"]] for vertex in range(1, last))
        inputs = tuple(_mask(arch[f"input{vertex}"], vertex) for vertex in range(1, last + 1))
    except (KeyError, TypeError, ValueError):
        raise _misfit(arch) from None
    if len(arch) % 2 == 0:
        raise _misfit(arch)
    return CellGraph(inputs, ops)


def cell_in_space(arch: Mapping[str, Any]) -> CellGraph:
    """Return the cell of a dict without vertices that are on no path from input to output.

    Raises:
        ArchitectureError: It is no cell of the benchmark.
    """
    cell = cell_of_arch(arch).pruned()
    if cell is None:
        raise ArchitectureError(f"The output of the cell does not depend on its input: the cell is {dict(arch)!r}.")
    if objection := size_objection(cell):
        raise ArchitectureError(f"The cell {dict(arch)!r} is not one of NAS-Bench-101: {objection}.", got=dict(arch))
    return cell


def size_objection(cell: CellGraph) -> str:
    """Return why a cell is too large, or an empty string."""
    for name, found, most in (("vertices", cell.num_vertices, MAX_VERTICES), ("edges", cell.num_edges, MAX_EDGES)):
        if found > most:
            return f"it has {found} {name}, expected at most {most}"
    return ""


def _mask(sources: Any, vertex: int) -> int:
    """Return the bits of the vertices that a vertex takes.

    Raises:
        TypeError, ValueError: They are not different earlier vertices.
    """
    mask = 0
    for source in sources:
        index = operator.index(source)
        if not 0 <= index < vertex or mask >> index & 1 or isinstance(source, bool):
            raise ValueError(source)
        mask |= 1 << index
    return mask


def _misfit(arch: Any) -> ArchitectureError:
    """Return the error of a dict that describes no cell."""
    keys = "op1, op2, ... and input1, input2, ..., with one input more than operators"
    if not isinstance(arch, Mapping):
        return ArchitectureError(
            f"The architecture is {arch!r}, expected a dict with {keys}, or None for all.", got=arch
        )
    last = max(1, sum(str(key).startswith("input") for key in arch))
    expected = [*(f"op{vertex}" for vertex in range(1, last)), *(f"input{vertex}" for vertex in range(1, last + 1))]
    if wrong := [*(key for key in arch if key not in expected), *(key for key in expected if key not in arch)]:
        verb = "has the key" if wrong[0] in arch else "lacks"
        return ArchitectureError(
            f"The architecture {verb} {wrong[0]!r}: it has {sorted(map(str, arch))}, expected {keys}.",
            label=str(wrong[0]),
        )
    for vertex in range(1, last):
        if not isinstance(arch[f"op{vertex}"], str) or arch[f"op{vertex}"] not in _NUMBERS:
            return _unknown_operator(vertex, arch[f"op{vertex}"])
    for vertex in range(1, last + 1):
        try:
            _mask(arch[f"input{vertex}"], vertex)
        except (TypeError, ValueError):
            break
    got = arch[f"input{vertex}"]
    return ArchitectureError(
        f"input{vertex} is {got!r}, expected a list of different vertices before vertex {vertex}.",
        label=f"input{vertex}",
        got=got,
    )


def _unknown_operator(vertex: int, got: Any) -> ArchitectureError:
    near = difflib.get_close_matches(str(got), OPERATORS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return ArchitectureError(
        f"op{vertex} is {got!r}, expected one of {[*OPERATORS]}.{hint}",
        label=f"op{vertex}",
        got=got,
        expected=OPERATORS,
    )
