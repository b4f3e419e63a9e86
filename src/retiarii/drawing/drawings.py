"""`Drawing`: a scene with its places as plain data, to JSON and back; every value is checked when it is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from retiarii import _plain_data as plain
from retiarii.drawing.layered_layout import HEADER, Layout, Placed, lay_out
from retiarii.drawing.scenes import COLOURS, SAME, STATUSES, Scene, Selector
from retiarii.errors import RecordError
from retiarii.space import Value

T = TypeVar("T")

MAX_BOXES = 4_000
"""The number of boxes of the largest drawing that is stored and read."""

MARGIN = 16.0
_MAX_ARROWS, _MAX_POINTS, _MAX_TEXT, _MAX_VALUES, _MAX_SIZE = 16_000, 500, 300, 1_000, 10.0**6


@dataclass(frozen=True)
class NodeCost:
    """What one call of a module costs and returns.

    Attributes:
        shape: The shape of its result; None if it is not known.
        flops: The floating-point operations, a multiply-add counts as two; None if they are not known.
        num_params: The number of parameters; None if it is not known.
    """

    shape: tuple[int, ...] | None = None
    flops: float | None = None
    num_params: int | None = None


@dataclass(frozen=True)
class DrawnBox:
    """A box with its place; for the other attributes see `Box`.

    Attributes:
        x: The left side.
        y: The upper side.
        width: In units of the drawing.
        height: In units of the drawing.
        title: The first line.
        detail: The second line.
        note: The third line.
        category: Chooses the colour.
        status: One of ``"same"``, ``"added"``, ``"removed"``, ``"changed"``.
        parent: The index of the box around it; -1 for none.
        is_container: Whether boxes are drawn in it, below its title.
        path: The path of its module.
        when: When an architecture uses it; None for always.
        labels: The choices that it depends on.
        cost: What is known about one call.
    """

    x: float
    y: float
    width: float
    height: float
    title: str
    detail: str = ""
    note: str = ""
    category: str = "function"
    status: str = SAME
    parent: int = -1
    is_container: bool = False
    path: str = ""
    when: Selector | None = None
    labels: tuple[str, ...] = ()
    cost: NodeCost = NodeCost()


@dataclass(frozen=True)
class DrawnArrow:
    """An arrow with its points.

    Attributes:
        points: At least two.
        status: As of a box.
        parent: The index of the box around it; -1 for none.
        when: When an architecture uses it; None for always.
    """

    points: tuple[tuple[float, float], ...]
    status: str = SAME
    parent: int = -1
    when: Selector | None = None


@dataclass(frozen=True)
class Drawing:
    """A scene with its places.

    Attributes:
        title: The title, for screen readers.
        width: In units of the drawing, of which one is a pixel.
        height: Likewise.
        boxes: Each behind the box around it.
        arrows: All arrows.
        input_shape: The shape of the batch that shapes and FLOPs are for; None if it is not known.
    """

    title: str
    width: float
    height: float
    boxes: tuple[DrawnBox, ...]
    arrows: tuple[DrawnArrow, ...]
    input_shape: tuple[int, ...] | None = None

    @classmethod
    def of(cls, scene: Scene, title: str) -> Drawing:
        """Return the drawing of a scene.

        Args:
            scene: What to draw.
            title: The title.
        """
        layout = lay_out(scene)
        boxes: list[DrawnBox] = []
        arrows: list[DrawnArrow] = []
        _add(layout, MARGIN, MARGIN, -1, boxes, arrows)
        return cls(title, layout.width + 2 * MARGIN, layout.height + 2 * MARGIN, tuple(boxes), tuple(arrows))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of all choices that the drawing shows."""
        found: dict[str, None] = {}
        for box in self.boxes:
            found.update(dict.fromkeys(box.labels))
        for when in (*(box.when for box in self.boxes), *(arrow.when for arrow in self.arrows)):
            if when is not None:
                found[when.label] = None
        return tuple(found)

    def with_costs(self, costs: Mapping[str, NodeCost], input_shape: tuple[int, ...]) -> Drawing:
        """Return the drawing with shapes and FLOPs.

        Args:
            costs: What is known of modules, by their paths.
            input_shape: The shape of the batch of input.
        """
        boxes = tuple(_with_cost(box, costs.get(box.path)) if box.path else box for box in self.boxes)
        return replace(self, boxes=boxes, input_shape=input_shape)

    def used(self, architecture: Mapping[str, Any]) -> tuple[list[bool], list[bool]]:
        """Return for each box and for each arrow whether an architecture uses it.

        Args:
            architecture: Label to value, as architectures are in JSON.
        """
        boxes: list[bool] = []
        for box in self.boxes:
            boxes.append((box.parent < 0 or boxes[box.parent]) and is_selected(box.when, architecture))
        arrows = [(a.parent < 0 or boxes[a.parent]) and is_selected(a.when, architecture) for a in self.arrows]
        return boxes, arrows

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; fields with their default are left out."""
        return {
            "title": self.title[:_MAX_TEXT],
            "width": round(self.width, 1),
            "height": round(self.height, 1),
            "input_shape": None if self.input_shape is None else list(self.input_shape),
            "boxes": [_box_to_json(box) for box in self.boxes],
            "arrows": [_arrow_to_json(arrow) for arrow in self.arrows],
        }

    @classmethod
    def from_json(cls, data: Any) -> Drawing:
        """Read what `to_json` returned.

        Raises:
            RecordError: ``data`` is something else, or too large.
        """
        readers: dict[str, plain.Reader[Any]] = {
            "title": _text,
            "width": _size,
            "height": _size,
            "input_shape": plain.optional(_shape),
            "boxes": _listed(_read_box, MAX_BOXES),
            "arrows": _listed(_read_arrow, _MAX_ARROWS),
        }
        found = plain.read_fields("a drawing", data, readers, required=tuple(readers))
        for place, box in enumerate(found["boxes"]):
            if not -1 <= box.parent < place:
                raise RecordError(f"Box {place} of a drawing is inside box {box.parent}, expected an earlier one.")
        for place, arrow in enumerate(found["arrows"]):
            if not -1 <= arrow.parent < len(found["boxes"]):
                raise RecordError(
                    f"Arrow {place} of a drawing is inside box {arrow.parent}, expected one of its boxes."
                )
        return cls(**found)


def is_selected(when: Selector | None, architecture: Mapping[str, Any]) -> bool:
    """Return whether an architecture uses a part of a drawing."""
    if when is None:
        return True
    if when.label not in architecture:
        return False
    chosen = architecture[when.label]
    return any(_is_same(item, value) for item in _members(chosen) for value in when.values)


def _members(chosen: Any) -> list[Any]:
    return list(chosen) if isinstance(chosen, (list, tuple)) else [chosen]


def _is_same(first: Any, second: Any) -> bool:
    return bool(first == second) and isinstance(first, bool) == isinstance(second, bool)


def _with_cost(box: DrawnBox, cost: NodeCost | None) -> DrawnBox:
    if cost is None:
        return box
    num_params = box.cost.num_params if box.cost.num_params is not None else cost.num_params
    return replace(box, cost=replace(cost, num_params=num_params))


def _add(layout: Layout, left: float, top: float, parent: int, boxes: list[DrawnBox], arrows: list[DrawnArrow]) -> None:
    for arrow, points in layout.paths:
        shifted = tuple((x + left, y + top) for x, y in points)
        arrows.append(DrawnArrow(shifted, arrow.status, parent, arrow.when))
    for placed in layout.placed.values():
        if placed.box is None or placed.width <= 2:  # a bend, or the input of a nested graph
            continue
        x, y = placed.x + left - placed.width / 2, placed.y + top - placed.height / 2
        boxes.append(_drawn(placed, x, y, parent))
        if placed.inner is not None:
            shift = (placed.width - placed.inner.width) / 2
            _add(placed.inner, x + shift, y + HEADER, len(boxes) - 1, boxes, arrows)


def _drawn(placed: Placed, x: float, y: float, parent: int) -> DrawnBox:
    box = placed.box
    assert box is not None
    return DrawnBox(
        x, y, placed.width, placed.height,
        title=box.title, detail=box.detail, note=box.note, category=box.category, status=box.status,
        parent=parent, is_container=box.inner is not None, path=box.path, when=box.when, labels=box.labels,
        cost=NodeCost(num_params=box.num_params),
    )  # fmt: skip


# JSON -----------------------------------------------------------------------------------------------------------------

_PLACE = ("x", "y", "width", "height")
_TEXTS = ("title", "detail", "note", "path")


def _box_to_json(box: DrawnBox) -> dict[str, Any]:
    data: dict[str, Any] = {name: round(getattr(box, name), 1) for name in _PLACE}
    data.update({name: getattr(box, name)[:_MAX_TEXT] for name in _TEXTS if getattr(box, name)})
    data["category"] = box.category
    if box.status != SAME:
        data["status"] = box.status
    if box.parent >= 0:
        data["parent"] = box.parent
    if box.is_container:
        data["is_container"] = True
    if box.labels:
        data["labels"] = list(box.labels)
    if box.cost != NodeCost():
        data["cost"] = {name: value for name, value in vars(box.cost).items() if value is not None}
    return data | _when_to_json(box.when)


def _arrow_to_json(arrow: DrawnArrow) -> dict[str, Any]:
    data: dict[str, Any] = {"points": [[round(x, 1), round(y, 1)] for x, y in arrow.points]}
    if arrow.status != SAME:
        data["status"] = arrow.status
    if arrow.parent >= 0:
        data["parent"] = arrow.parent
    return data | _when_to_json(arrow.when)


def _when_to_json(when: Selector | None) -> dict[str, Any]:
    return {} if when is None else {"when": {"label": when.label, "values": list(when.values)}}


def _text(value: Any) -> str:
    return plain.text(value)[:_MAX_TEXT]


def _size(value: Any) -> float:
    found = plain.number(value)
    if not math.isfinite(found) or abs(found) > _MAX_SIZE:
        raise ValueError(f"found {plain.shown(value)}, expected a number up to {_MAX_SIZE:g}")
    return found


def _parent(value: Any) -> int:
    return -1 if value == -1 else plain.count(value)


def _shape(value: Any) -> tuple[int, ...]:
    return _listed(plain.count, 16)(value)


def _flops(value: Any) -> float:
    found = plain.amount(value)
    if not math.isfinite(found):
        raise ValueError(f"found {plain.shown(value)}, expected a finite number")
    return found


def _scalar(value: Any) -> Value:
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    return plain.text(value)


def _one_of(allowed: Callable[[], Iterator[str]]) -> plain.Reader[str]:
    def read(value: Any) -> str:
        if value not in tuple(allowed()):
            raise ValueError(f"found {plain.shown(value)}, expected one of {list(allowed())}")
        return str(value)

    return read


def _listed(read: plain.Reader[T], most: int) -> plain.Reader[tuple[T, ...]]:
    def items(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise ValueError(f"found {plain.shown(value)}, expected at most {most} items")
        return plain.sequence(read)(value)

    return items


def _read_when(value: Any) -> Selector:
    readers: dict[str, plain.Reader[Any]] = {"label": plain.name, "values": _listed(_scalar, _MAX_VALUES)}
    return Selector(**plain.read_fields("a selector", value, readers, required=tuple(readers)))


def _read_cost(value: Any) -> NodeCost:
    readers: dict[str, plain.Reader[Any]] = {"shape": _shape, "flops": _flops, "num_params": plain.count}
    return NodeCost(**plain.read_fields("the cost of a box", value, readers, required=()))


_CATEGORY, _STATUS = _one_of(lambda: iter(COLOURS)), _one_of(lambda: iter(STATUSES))

_BOX: dict[str, plain.Reader[Any]] = {
    **dict.fromkeys(_PLACE, _size),
    **dict.fromkeys(_TEXTS, _text),
    "category": _CATEGORY,
    "status": _STATUS,
    "parent": _parent,
    "is_container": plain.flag,
    "labels": _listed(plain.name, _MAX_VALUES),
    "when": _read_when,
    "cost": _read_cost,
}


def _read_box(value: Any) -> DrawnBox:
    return DrawnBox(**plain.read_fields("a box", value, _BOX, required=(*_PLACE, "title", "category")))


def _point(value: Any) -> tuple[float, float]:
    found = _listed(_size, 2)(value)
    if len(found) != 2:
        raise ValueError(f"found {plain.shown(value)}, expected two numbers")
    return found[0], found[1]


def _read_arrow(value: Any) -> DrawnArrow:
    readers: dict[str, plain.Reader[Any]] = {
        "points": _listed(_point, _MAX_POINTS),
        "status": _STATUS,
        "parent": _parent,
        "when": _read_when,
    }
    found = plain.read_fields("an arrow", value, readers, required=("points",))
    if len(found["points"]) < 2:
        raise RecordError("An arrow of a drawing has fewer than two points.")
    return DrawnArrow(**found)
