"""Architectures of NAS-Bench-Graph: shapes, operators, and one number for all that are the same network.

A network has four computing nodes. Each has one operator and takes the output of one earlier node, or the input (node
0). The outputs of all nodes that no other takes are joined. So an architecture is a tree with operators at its nodes.

Architectures are the same network if they differ in the order of nodes only, or in the places of identities (``skip``)
that change nothing: an identity that another node takes, that has no sibling, or that hands the raw input on. The table
has one of each class: identities first, one after the other, and then the rest of the tree.

Reference:
    Qin et al. (2022), arXiv:2206.09166, section 3.1, and the package ``nas-bench-graph`` 1.4.0, whose ``valid_hash``
    gives the same classes and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from retiarii.errors import ArchitectureError
from retiarii.space import nearest

OPERATORS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
"""The operators: GAT with two heads, GCN, GIN, ChebNet, GraphSAGE, ARMA, k-GNN, fully connected, identity."""

PROTEINS_OPERATORS = ("gcn", "sage", "arma", "fc", "skip")
"""The operators of the architectures that were trained on ``proteins``."""

SHAPES = ("0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123")
"""The shapes: the node that each computing node takes. In ``0012``, 1 and 2 take the input, 3 takes 1, 4 takes 2."""

NUM_NODES = 4
NUM_NETWORKS = 26_206
NODES = tuple(f"op_{node}" for node in range(1, NUM_NODES + 1))
"""The labels of the operators of the nodes."""

LABELS = ("links", *NODES)
"""The labels of an architecture."""

_BASE = 10
_SKIP = OPERATORS.index("skip")
_CODES = {name: code for code, name in enumerate(OPERATORS)}
_LINKS = {f"0{a}{b}{c}": (0, a, b, c) for a in range(2) for b in range(3) for c in range(4)}
NUMBER_BELOW = len(SHAPES) * _BASE**NUM_NODES
"""All numbers of networks are below this one."""

_EMPTY = int("8" * 5)  # no node does anything: it was not trained

Tree = tuple[int, int, "tuple[Tree, ...]"]
"""A node: how many nodes are below it (negative, so that large trees are first), its operator, and its subtrees."""


def number_of_network(arch: Mapping[str, str]) -> int:
    """Return the number of a network, which is the published one, and the same for all forms of the network.

    Args:
        arch: The ``links``, one of `SHAPES` or any other such text of four digits, and the operators ``op_1`` to
            ``op_4``.

    Raises:
        ArchitectureError: Something is missing, unknown, or all operators are ``skip``, which was not trained.
    """
    try:
        links = _LINKS[arch["links"]]
        operators = tuple(_CODES[arch[node]] for node in NODES)
    except (KeyError, TypeError):
        raise _misfit(arch) from None
    if len(arch) != len(LABELS):
        raise _misfit(arch)
    number = _number(links, operators)
    if number == _EMPTY:
        raise ArchitectureError(
            "All operators of the architecture are 'skip'. The benchmark does not have this network: it computes "
            "nothing. Change one of the operators."
        )
    return number


def network_of_number(number: int) -> dict[str, str]:
    """Return the form of a network that the table has.

    Raises:
        ValueError: There is no network with this number.
    """
    return dict(zip(LABELS, _form(number), strict=True))


def check_number(number: int) -> None:
    """Check that the table has a network with this number.

    Raises:
        ValueError: There is none.
    """
    _form(number)


@cache
def _form(number: int) -> tuple[str, ...]:
    """Return the links and operators of a network, in the order of `LABELS`."""
    digits = [int(digit) for digit in f"{max(number, 0):05}"]
    shape, operators = digits[0], digits[1:]
    is_valid = number >= 0 and len(operators) == NUM_NODES and shape < len(SHAPES) and max(operators) < len(OPERATORS)
    if not is_valid or number == _EMPTY or _number(_LINKS[SHAPES[shape]], tuple(operators)) != number:
        raise ValueError(f"there is no network with the number {number}")
    return SHAPES[shape], *(OPERATORS[code] for code in operators)


@cache
def _number(links: tuple[int, ...], operators: tuple[int, ...]) -> int:
    """Return the number of the network with these links and operators."""
    forest = _canonical(links, operators)
    taken, found = [], []
    queue = [(0, tree) for tree in forest]
    while queue:  # by levels: large subtrees first, then small operators
        parent, (_, operator, below) = queue.pop(0)
        taken.append(str(parent))
        found.append(operator)
        queue += [(len(found), tree) for tree in below]
    number = SHAPES.index("".join(taken))
    for operator in found:
        number = number * _BASE + operator
    return number


def _canonical(links: Sequence[int], operators: Sequence[int]) -> tuple[Tree, ...]:
    """Return the trees below the input, sorted, with the identities that change nothing first."""
    parents = dict(enumerate(links, start=1))
    for node in range(1, NUM_NODES + 1):
        if operators[node - 1] == _SKIP and _changes_nothing(node, parents):
            above = parents.pop(node)
            parents |= {other: above for other, parent in parents.items() if parent == node}
    forest = _trees(0, parents, operators)
    for _ in range(NUM_NODES - len(parents)):
        forest = ((_size(forest), _SKIP, forest),)
    return forest


def _changes_nothing(node: int, parents: Mapping[int, int]) -> bool:
    """Return whether an identity can be left out, which keeps the outputs that are joined."""
    above = parents[node]
    is_taken = node in parents.values()
    has_sibling = any(parent == above for other, parent in parents.items() if other != node)
    return is_taken or not has_sibling or above == 0


def _trees(node: int, parents: Mapping[int, int], operators: Sequence[int]) -> tuple[Tree, ...]:
    below = [(child, _trees(child, parents, operators)) for child, parent in parents.items() if parent == node]
    return tuple(sorted((_size(trees), operators[child - 1], trees) for child, trees in below))


def _size(trees: Sequence[Tree]) -> int:
    return sum(size - 1 for size, _, _ in trees)


def _misfit(arch: Any) -> ArchitectureError:
    """Return the error of an architecture that is not in the space."""
    if not isinstance(arch, Mapping):
        return ArchitectureError(
            f"The architecture is {arch!r}, expected a dict with {', '.join(LABELS)}, or None for all.", got=arch
        )
    if missing := [label for label in LABELS if label not in arch]:
        return ArchitectureError(
            f"The architecture has no {', '.join(missing)}: it is {dict(arch)!r}, expected {', '.join(LABELS)}.",
            label=missing[0],
        )
    if unknown := [label for label in arch if label not in LABELS]:
        return ArchitectureError(
            f"The architecture has the label {unknown[0]!r}, expected only {', '.join(LABELS)}.", label=str(unknown[0])
        )
    known = {"links": SHAPES, **dict.fromkeys(NODES, OPERATORS)}
    label = next(name for name in LABELS if not _is_known(name, arch[name]))
    return ArchitectureError(
        f"{label} of the architecture is {arch[label]!r}, expected one of {list(known[label])}."
        f"{nearest(arch[label], known[label])}",
        label=label,
        got=arch[label],
        expected=list(known[label]),
    )


def _is_known(label: str, value: Any) -> bool:
    return isinstance(value, str) and value in (_LINKS if label == "links" else _CODES)
