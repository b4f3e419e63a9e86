"""Cells of NAS-Bench-201: operators, edges, and a number for each of the 15,625 cells."""

from __future__ import annotations

import re
from collections.abc import Mapping

from retiarii.benchmarks._tables._formats.restricted_pickle import shown
from retiarii.benchmarks._tables.operator_codes import OperatorCodes

NONE = "none"
SKIP_CONNECT = "skip_connect"
CONV_1X1 = "conv_1x1"
CONV_3X3 = "conv_3x3"
AVG_POOL_3X3 = "avg_pool_3x3"

PRIMITIVES = [NONE, SKIP_CONNECT, CONV_1X1, CONV_3X3, AVG_POOL_3X3]
"""The operators."""

EDGES = ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")

LABELS = {edge: f"cell/{edge}" for edge in EDGES}
"""The labels of the edges in the ready model space `retiarii.hub.pytorch.NasBench201`."""

_CELLS = OperatorCodes(EDGES, PRIMITIVES, "edge")
NUM_CELLS = _CELLS.size

_PUBLISHED = {name.replace("conv_", "nor_conv_"): name for name in PRIMITIVES}
_ARCH_STR = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")


def number_of_cell(arch: Mapping[str, str]) -> int:
    """Return the number of a cell.

    Args:
        arch: The operator of each edge.

    Raises:
        ArchitectureError: Edges are missing or unknown, or an operator is unknown.
    """
    return _CELLS.number(arch)


def cell_of_number(number: int) -> dict[str, str]:
    """Return the operator of each edge of a cell."""
    return _CELLS.arch(number)


def number_of_published(text: object) -> int:
    """Return the number of a cell as the published records write it: ``|nor_conv_3x3~0|+|none~0|...|``.

    Raises:
        ValueError: It is not such a cell.
    """
    found = _ARCH_STR.fullmatch(text) if isinstance(text, str) else None
    if found is None or not set(found.groups()) <= {*_PUBLISHED}:
        raise ValueError(f"its architecture is {shown(text)}, expected one such as '|none~0|+|none~0|none~1|+|...|'")
    return number_of_cell({edge: _PUBLISHED[name] for edge, name in zip(EDGES, found.groups(), strict=True)})
