"""`hash_of_cell`: the fingerprint of NAS-Bench-101, equal for every numbering of a cell's vertices."""

from __future__ import annotations

from functools import cache
from hashlib import md5

from retiarii.benchmarks.nasbench101._nb101_cells import CellGraph, sources_of

_INPUT_LABEL, _OUTPUT_LABEL = -1, -2


def hash_of_cell(cell: CellGraph) -> str:
    """Return the published hash of a cell, as 32 hexadecimal digits.

    Each vertex starts with the MD5 of its out-degree, in-degree and label. As often as there are vertices, it gets the
    MD5 of the sorted values of the vertices that it takes, of those that take it, and of its own. The hash is the MD5
    of the sorted values. Cells with different hashes are not isomorphic; all isomorphic cells have the same hash.

    Args:
        cell: A cell without vertices that are on no path from input to output.

    Reference:
        Ying et al. (2019), arXiv:1902.09635, section 2.1 and its published code (``graph_util.hash_module``); Ying
        (2019), "Enumerating unique computational graphs via an iterative graph invariant", arXiv:1902.06192.
    """
    sources = [(), *sources_of(cell)]
    targets: list[list[int]] = [[] for _ in sources]
    for vertex, taken in enumerate(sources):
        for source in taken:
            targets[source].append(vertex)
    labels = (_INPUT_LABEL, *cell.ops, _OUTPUT_LABEL)
    hashes = [_first(len(targets[v]), len(sources[v]), label) for v, label in enumerate(labels)]
    around = [*zip(sources, targets, strict=True)]
    for _ in labels:
        hashes = [
            md5(f"{_joined(hashes, taken)}|{_joined(hashes, taking)}|{own}".encode()).hexdigest()
            for own, (taken, taking) in zip(hashes, around, strict=True)
        ]
    return md5(str(sorted(hashes)).encode()).hexdigest()


def _joined(hashes: list[str], vertices: tuple[int, ...] | list[int]) -> str:
    if len(vertices) == 1:
        return hashes[vertices[0]]
    return "".join(sorted([hashes[vertex] for vertex in vertices]))


@cache
def _first(out_degree: int, in_degree: int, label: int) -> str:
    return md5(str((out_degree, in_degree, label)).encode()).hexdigest()
