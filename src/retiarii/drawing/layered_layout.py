"""The built-in layered layout: ranks by longest path, crossings reduced by barycentres, nested graphs inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from retiarii.drawing.scenes import Arrow, Box, Scene

FONT, SMALL_FONT = 12.0, 9.5
LETTER = 0.58  # width of a letter relative to the size of the font, generously
_PAD, HEADER = 14.0, 24.0
_GAP_X, _GAP_Y = 26.0, 30.0
_SWEEPS = 8


@dataclass
class Placed:
    """A box with its place: the centre, relative to the drawing that it is in.

    Attributes:
        box: The box; None for a bend of a long arrow.
        x: Of the centre.
        y: Of the centre.
        width: Of the box.
        height: Of the box.
        inner: The layout of the nested graph.
        enter: The horizontal distance from the centre where arrows end at the upper side.
        leave: The horizontal distance from the centre where arrows start at the lower side.
    """

    box: Box | None
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0
    inner: Layout | None = None
    enter: float = 0.0
    leave: float = 0.0


@dataclass
class Layout:
    """The places of everything in one scene.

    Attributes:
        placed: The boxes by key.
        paths: Each arrow with its points.
        width: Of the drawing.
        height: Of the drawing.
    """

    placed: dict[str, Placed] = field(default_factory=dict)
    paths: list[tuple[Arrow, list[tuple[float, float]]]] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def lay_out(scene: Scene, *, is_outermost: bool = True) -> Layout:
    """Return places for everything in a scene.

    Args:
        scene: What to draw.
        is_outermost: False inside a box, where input and output are points on its border.
    """
    layout = Layout()
    for box in scene.boxes:
        layout.placed[box.key] = _sized(box, is_outermost)
    ranks = _ranks(scene)
    rows, chains = _with_bends(scene, layout, ranks)
    _reduce_crossings(rows, chains)
    _place(rows, chains, layout)
    for arrow, chain in zip(scene.arrows, chains, strict=True):
        nodes = [layout.placed[key] for key in (arrow.start, *chain[1:-1], arrow.end)]
        layout.paths.append((arrow, _points(nodes)))
    if not is_outermost:
        _reach_borders(scene, layout)
    return layout


def _reach_borders(scene: Scene, layout: Layout) -> None:
    """Let arrows from the input and to the output of a nested graph start and end at the border of its box."""
    first, last = scene.boxes[0].key, scene.boxes[-1].key
    for arrow, points in layout.paths:
        if arrow.start == first:
            points.insert(0, (points[0][0], 0.0))  # below the title
        if arrow.end == last:
            points.append((points[-1][0], layout.height + _PAD))


def _sized(box: Box, is_outermost: bool) -> Placed:
    if box.category == "io" and not is_outermost:
        return Placed(box, width=2.0, height=2.0)
    text = max(len(box.title) * FONT, len(box.detail) * SMALL_FONT, len(box.note) * SMALL_FONT) * LETTER + 22
    if box.inner is None:
        return Placed(box, width=max(64.0, text), height=26.0 + 13.0 * (bool(box.detail) + bool(box.note)))
    inner = lay_out(box.inner, is_outermost=False)
    width = max(inner.width + 2 * _PAD, text)
    enter = inner.placed[box.inner.boxes[0].key].x - inner.width / 2
    leave = inner.placed[box.inner.boxes[-1].key].x - inner.width / 2
    return Placed(box, width=width, height=inner.height + HEADER + _PAD, inner=inner, enter=enter, leave=leave)


def _ranks(scene: Scene) -> dict[str, int]:
    """Return the row of each box: one below the lowest box that it takes a result from."""
    rank = {box.key: 0 for box in scene.boxes}
    order = {box.key: index for index, box in enumerate(scene.boxes)}
    forward = sorted((a for a in scene.arrows if order[a[0]] < order[a[1]]), key=lambda arrow: order[arrow[1]])
    for _ in range(2):  # removed boxes stand at the end of the order, so one pass may not be enough
        for start, end, *_ in forward:
            rank[end] = max(rank[end], rank[start] + 1)
    last = scene.boxes[-1].key
    rank[last] = max([rank[last], *(value + 1 for key, value in rank.items() if key != last)])
    followers: dict[str, list[int]] = {}
    for start, end, *_ in forward:
        followers.setdefault(start, []).append(rank[end])
    sources = {arrow.end for arrow in forward}
    for box in scene.boxes[1:-1]:
        if box.key not in sources and followers.get(box.key):
            rank[box.key] = min(followers[box.key]) - 1  # parameters stand next to where they are used
    return rank


def _with_bends(scene: Scene, layout: Layout, ranks: dict[str, int]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of boxes, with bends where an arrow passes through a row; and the chain of each arrow."""
    rows: list[list[str]] = [[] for _ in range(max(ranks.values()) + 1)]
    for box in scene.boxes:
        rows[ranks[box.key]].append(box.key)
    chains: list[list[str]] = []
    for index, (start, end, *_) in enumerate(scene.arrows):
        chain = [start]
        for rank in range(ranks[start] + 1, ranks[end]):
            key = f"bend {index} {rank}"
            layout.placed[key] = Placed(None, width=6.0)
            rows[rank].append(key)
            chain.append(key)
        chains.append([*chain, end])
    return rows, chains


def _neighbours(chains: list[list[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains:
        for upper, lower in pairwise(chain):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    return above, below


def _reduce_crossings(rows: list[list[str]], chains: list[list[str]]) -> None:
    """Sort each row by the mean position of the neighbours, downwards and upwards in turn."""
    above, below = _neighbours(chains)
    for sweep in range(_SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        ordered = rows if sweep % 2 == 0 else list(reversed(rows))
        for fixed, row in pairwise(ordered):
            place = {key: index for index, key in enumerate(fixed)}
            own = {key: float(index) for index, key in enumerate(row)}
            row.sort(key=lambda key, p=place, o=own: _mean([p[n] for n in neighbours.get(key, ()) if n in p], o[key]))  # type: ignore[misc] # defaults bind the loop's values


def _mean(values: list[int] | list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _place(rows: list[list[str]], chains: list[list[str]], layout: Layout) -> None:
    """Place every box: rows below each other, and each box near its neighbours."""
    placed = layout.placed
    y = 0.0
    for row in rows:
        height = max((placed[key].height for key in row), default=0.0)
        for key in row:
            placed[key].y = y + height / 2
            if placed[key].box is None:
                placed[key].height = height  # a long arrow passes beside the boxes of the row, whatever their height
        y += height + _GAP_Y
    layout.height = y - _GAP_Y
    for row in rows:
        _pack(row, placed, {key: 0.0 for key in row})
    above, below = _neighbours(chains)
    for sweep in range(2 * _SWEEPS):
        neighbours = above if sweep % 2 == 0 else below
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = {key: _mean([placed[n].x for n in neighbours.get(key, ())], placed[key].x) for key in row}
            _pack(row, placed, wanted)
    left = min(item.x - item.width / 2 for item in placed.values())
    layout.width = max(item.x + item.width / 2 for item in placed.values()) - left
    for item in placed.values():
        item.x -= left


def _pack(row: list[str], placed: dict[str, Placed], wanted: dict[str, float]) -> None:
    """Place the boxes of a row as near to their wanted positions as possible, in order and without overlap.

    Boxes that would overlap form a block, which is placed at the mean of their wanted positions.
    """
    blocks: list[tuple[list[str], float, float]] = []  # keys, width, left edge
    for key in row:
        width = placed[key].width
        keys, total, left = [key], width, wanted[key] - width / 2
        while blocks and blocks[-1][2] + blocks[-1][1] + _GAP_X > left:
            before, before_width, _ = blocks.pop()
            keys, total = [*before, *keys], before_width + _GAP_X + total
            left = _block_left(keys, placed, wanted)
        blocks.append((keys, total, left))
    for keys, _, left in blocks:
        for key in keys:
            placed[key].x = left + placed[key].width / 2
            left += placed[key].width + _GAP_X


def _block_left(keys: list[str], placed: dict[str, Placed], wanted: dict[str, float]) -> float:
    offset, total = 0.0, 0.0
    for key in keys:
        total += wanted[key] - offset - placed[key].width / 2
        offset += placed[key].width + _GAP_X
    return total / len(keys)


def _points(nodes: list[Placed]) -> list[tuple[float, float]]:
    first, last = nodes[0], nodes[-1]
    points = [(first.x + first.leave, first.y + first.height / 2)]
    for node in nodes[1:-1]:
        points += [(node.x, node.y - node.height / 2), (node.x, node.y + node.height / 2)]
    return [*points, (last.x + last.enter, last.y - last.height / 2)]
