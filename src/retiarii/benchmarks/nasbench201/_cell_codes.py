"""Cells of NAS-Bench-201: operators, edges, and a number for each of the 15,625 cells."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from retiarii.benchmarks._tables.restricted_pickle import shown
from retiarii.errors import ArchitectureError

NONE = "none"
SKIP_CONNECT = "skip_connect"
CONV_1X1 = "conv_1x1"
CONV_3X3 = "conv_3x3"
AVG_POOL_3X3 = "avg_pool_3x3"

PRIMITIVES = [NONE, SKIP_CONNECT, CONV_1X1, CONV_3X3, AVG_POOL_3X3]
"""The operators."""

EDGES = ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")
NUM_CELLS = len(PRIMITIVES) ** len(EDGES)

_CODES = {name: code for code, name in enumerate(PRIMITIVES)}
_PUBLISHED = {name.replace("conv_", "nor_conv_"): name for name in PRIMITIVES}
_ARCH_STR = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")


def number_of_cell(arch: Mapping[str, str]) -> int:
    """Return the number of a cell.

    Args:
        arch: The operator of each edge.

    Raises:
        ArchitectureError: Edges are missing or unknown, or an operator is unknown.
    """
    number = 0
    try:
        for edge in EDGES:
            number = number * len(PRIMITIVES) + _CODES[arch[edge]]
    except (KeyError, TypeError):
        raise _misfit(arch) from None
    if len(arch) != len(EDGES):
        raise _misfit(arch)
    return number


def cell_of_number(number: int) -> dict[str, str]:
    """Return the operator of each edge of a cell."""
    operators = []
    for _ in EDGES:
        number, code = divmod(number, len(PRIMITIVES))
        operators.append(PRIMITIVES[code])
    return dict(zip(EDGES, reversed(operators), strict=True))


def number_of_published(text: object) -> int:
    """Return the number of a cell as the published records write it: ``|nor_conv_3x3~0|+|none~0|...|``.

    Raises:
        ValueError: It is not such a cell.
    """
    found = _ARCH_STR.fullmatch(text) if isinstance(text, str) else None
    if found is None or not set(found.groups()) <= {*_PUBLISHED}:
        raise ValueError(f"its architecture is {shown(text)}, expected one such as '|none~0|+|none~0|none~1|+|...|'")
    return number_of_cell({edge: _PUBLISHED[name] for edge, name in zip(EDGES, found.groups(), strict=True)})


def _misfit(arch: Any) -> ArchitectureError:
    """Return the error of a cell that is not in the space."""
    edges = ", ".join(EDGES)
    if not isinstance(arch, Mapping):
        return ArchitectureError(
            f"The architecture is {arch!r}, expected a dict with an operator for each of {edges}, or None for all.",
            got=arch,
        )
    if missing := [edge for edge in EDGES if edge not in arch]:
        return ArchitectureError(
            f"The architecture has no operator for {', '.join(missing)}: it is {dict(arch)!r}, expected one for each "
            f"of {edges}.",
            label=missing[0],
        )
    if unknown := [edge for edge in arch if edge not in EDGES]:
        return ArchitectureError(
            f"The architecture has the edge {unknown[0]!r}, expected only {edges}.", label=str(unknown[0])
        )
    edge = next(edge for edge in EDGES if not isinstance(arch[edge], str) or arch[edge] not in _CODES)
    near = difflib.get_close_matches(str(arch[edge]), PRIMITIVES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return ArchitectureError(
        f"The operator of the edge {edge} is {arch[edge]!r}, expected one of {PRIMITIVES}.{hint}",
        label=edge,
        got=arch[edge],
        expected=PRIMITIVES,
    )
