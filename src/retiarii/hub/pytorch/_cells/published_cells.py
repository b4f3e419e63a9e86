"""Cells as papers print them, in the labels of `StackedCells`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Nodes = Sequence[tuple[str, int]]
"""Operation and input of each place, two places per node; inputs 0 and 1 are the cells before, older first."""


def cell_choices(normal: Nodes, reduce: Nodes) -> dict[str, Any]:
    """Return the values of both cells."""
    values: dict[str, Any] = {}
    for label, nodes in (("normal", normal), ("reduce", reduce)):
        for index, (operation, source) in enumerate(nodes):
            place = f"{index // 2 + 2}_{index % 2}"
            values[f"{label}/op_{place}"] = operation
            values[f"{label}/input_{place}"] = source
    return values


def nodes_of(text: str) -> Nodes:
    """Read places from words: operation and input in turns."""
    words = text.split()
    return [(words[index], int(words[index + 1])) for index in range(0, len(words), 2)]


DARTS_V1 = cell_choices(
    nodes_of(
        "sep_conv_3x3 1 sep_conv_3x3 0 skip_connect 0 sep_conv_3x3 1 "
        "skip_connect 0 sep_conv_3x3 1 sep_conv_3x3 0 skip_connect 2"
    ),
    nodes_of(
        "max_pool_3x3 0 max_pool_3x3 1 skip_connect 2 max_pool_3x3 0 "
        "max_pool_3x3 0 skip_connect 2 skip_connect 2 avg_pool_3x3 0"
    ),
)

DARTS_V2 = cell_choices(
    nodes_of(
        "sep_conv_3x3 0 sep_conv_3x3 1 sep_conv_3x3 0 sep_conv_3x3 1 "
        "sep_conv_3x3 1 skip_connect 0 skip_connect 0 dil_conv_3x3 2"
    ),
    nodes_of(
        "max_pool_3x3 0 max_pool_3x3 1 skip_connect 2 max_pool_3x3 1 "
        "max_pool_3x3 0 skip_connect 2 skip_connect 2 max_pool_3x3 1"
    ),
)

P_DARTS = cell_choices(
    nodes_of(
        "skip_connect 0 dil_conv_3x3 1 skip_connect 0 sep_conv_3x3 1 "
        "sep_conv_3x3 1 sep_conv_3x3 3 sep_conv_3x3 0 dil_conv_5x5 4"
    ),
    nodes_of(
        "avg_pool_3x3 0 sep_conv_5x5 1 sep_conv_3x3 0 dil_conv_5x5 2 "
        "max_pool_3x3 0 dil_conv_3x3 1 dil_conv_3x3 1 dil_conv_5x5 3"
    ),
)

NASNET_A = cell_choices(
    nodes_of(
        "sep_conv_5x5 1 sep_conv_3x3 0 sep_conv_5x5 0 sep_conv_3x3 0 avg_pool_3x3 1 skip_connect 0 "
        "avg_pool_3x3 0 avg_pool_3x3 0 sep_conv_3x3 1 skip_connect 1"
    ),
    nodes_of(
        "sep_conv_5x5 1 sep_conv_7x7 0 max_pool_3x3 1 sep_conv_7x7 0 avg_pool_3x3 1 sep_conv_5x5 0 "
        "skip_connect 3 avg_pool_3x3 2 sep_conv_3x3 2 max_pool_3x3 1"
    ),
)

AMOEBANET_A = cell_choices(
    nodes_of(
        "avg_pool_3x3 0 max_pool_3x3 1 sep_conv_3x3 0 sep_conv_5x5 2 sep_conv_3x3 0 avg_pool_3x3 3 "
        "sep_conv_3x3 1 skip_connect 1 skip_connect 0 avg_pool_3x3 1"
    ),
    nodes_of(
        "avg_pool_3x3 0 sep_conv_3x3 1 max_pool_3x3 0 sep_conv_7x7 2 sep_conv_7x7 0 avg_pool_3x3 1 "
        "max_pool_3x3 0 max_pool_3x3 1 conv_7x1_1x7 0 sep_conv_3x3 5"
    ),
)

_PNASNET_5 = nodes_of(
    "sep_conv_5x5 0 max_pool_3x3 0 sep_conv_7x7 1 max_pool_3x3 1 sep_conv_5x5 1 sep_conv_3x3 1 "
    "sep_conv_3x3 4 max_pool_3x3 1 sep_conv_3x3 0 skip_connect 1"
)
PNASNET_5 = cell_choices(_PNASNET_5, _PNASNET_5)

_ENAS_OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")


def enas_nodes(text: str) -> Nodes:
    """Read places from ENAS' own notation: input and number of the operation in turns."""
    numbers = [int(word) for word in text.split()]
    return [(_ENAS_OPERATIONS[numbers[index + 1]], numbers[index]) for index in range(0, len(numbers), 2)]


ENAS_MICRO = cell_choices(
    enas_nodes("0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1"),
    enas_nodes("1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"),
)
