"""`Scene`: what a drawing shows, without positions: nested boxes and arrows with their texts and colours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from retiarii.space import Value

SAME = "same"  # one name on each line, because the reference pages find no others
ADDED = "added"
REMOVED = "removed"
CHANGED = "changed"
STATUSES = (SAME, ADDED, REMOVED, CHANGED)

COLOURS = {
    "io": ("#f8fafc", "#94a3b8"),
    "conv": ("#dbeafe", "#3b82f6"),
    "linear": ("#e0e7ff", "#6366f1"),
    "attention": ("#fae8ff", "#c026d3"),
    "norm": ("#ccfbf1", "#14b8a6"),
    "activation": ("#ffedd5", "#f97316"),
    "pool": ("#ede9fe", "#8b5cf6"),
    "choice": ("#fef9c3", "#ca8a04"),
    "parameter": ("#ecfccb", "#65a30d"),
    "layer": ("#e0f2fe", "#0284c7"),
    "function": ("#f1f5f9", "#64748b"),
    "graph": ("#ffffff", "#cbd5e1"),
}
"""Category to the colours of filling and border."""

STATUS_COLOURS = {ADDED: ("#dcfce7", "#16a34a"), REMOVED: ("#fee2e2", "#dc2626"), CHANGED: ("#fef3c7", "#d97706")}
ARROW_COLOURS = {SAME: "#64748b", ADDED: "#16a34a", REMOVED: "#dc2626"}


class Selector(NamedTuple):
    """Says when an architecture uses a part of a drawing.

    Attributes:
        label: The label of a choice.
        values: The values of the choice that use the part; a chosen subset uses it if it has one of them.
    """

    label: str
    values: tuple[Value, ...]


class Arrow(NamedTuple):
    """An arrow between two boxes.

    Attributes:
        start: The key of a box.
        end: The key of a box.
        status: As of a `Box`.
        when: When an architecture uses it; None for always.
    """

    start: str
    end: str
    status: str = SAME
    when: Selector | None = None


@dataclass
class Box:
    """A node of the drawing.

    Attributes:
        key: Unique among its siblings.
        title: The first line.
        detail: The second line; may be empty.
        category: Chooses the colour.
        status: ``"same"``, or in a difference ``"added"``, ``"removed"`` or ``"changed"``.
        inner: The scene of the nested graph, if it is shown.
        note: The third line: the shape of the result, or the values of the choices in ``labels``.
        path: The path of its module in the model; empty for functions.
        when: When an architecture uses it; None for always.
        labels: The choices that it depends on.
        num_params: The number of its parameters; None if that is unknown or depends on choices.
    """

    key: str
    title: str
    detail: str = ""
    category: str = "function"
    status: str = SAME
    inner: Scene | None = None
    note: str = ""
    path: str = ""
    when: Selector | None = None
    labels: tuple[str, ...] = ()
    num_params: int | None = None


@dataclass
class Scene:
    """The boxes of one graph and the arrows between them.

    Attributes:
        boxes: In the order of execution; the first is the input, the last the output.
        arrows: Between the boxes.
    """

    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)

    def count(self) -> int:
        """Return the number of boxes, with those inside boxes."""
        return sum(1 + (box.inner.count() if box.inner is not None else 0) for box in self.boxes)


def colours(category: str, status: str, *, is_container: bool) -> tuple[str, str]:
    """Return the colours of filling and border of a box."""
    fill, border = STATUS_COLOURS.get(status) or COLOURS[category]
    return "#f8fafc" if is_container and status == SAME else fill, border
