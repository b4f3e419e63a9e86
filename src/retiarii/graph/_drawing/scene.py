"""`Scene`: what every drawing shows, without positions: nested boxes and arrows with their texts and colours.

The built-in layout and Graphviz both draw scenes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from retiarii.graph._operations.operation import Kind
from retiarii.graph._representation.graph_records import INPUT_ID, OUTPUT_ID, NodeRecord
from retiarii.graph._representation.model import Graph
from retiarii.graph._source.python_syntax import computes_number, is_shape_query

SAME, ADDED, REMOVED, CHANGED = "same", "added", "removed", "changed"
_MAX_DETAIL = 44
_ENDS = 2  # the input and the output

_CATEGORIES = {
    "conv": ("Conv", "conv"),
    "linear": ("Linear", "Bilinear", "Embedding", "linear", "embedding", "matmul", "bmm", "einsum"),
    "attention": ("Attention", "LSTM", "GRU", "RNN", "Transformer", "attention"),
    "norm": ("Norm", "norm"),
    "activation": (
        "ReLU", "ELU", "Sigmoid", "SiLU", "swish", "Swish", "Mish", "Tanh", "Softmax", "Softplus", "relu", "gelu",
        "sigmoid", "silu", "tanh", "softmax", "elu", "mish",
    ),
    "pool": ("Pool", "pool", "Upsample", "interpolate", "Flatten", "flatten"),
}  # fmt: skip

_COLOURS = {
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

_STATUS_COLOURS = {ADDED: ("#dcfce7", "#16a34a"), REMOVED: ("#fee2e2", "#dc2626"), CHANGED: ("#fef3c7", "#d97706")}
ARROW_COLOURS = {SAME: "#64748b", ADDED: "#16a34a", REMOVED: "#dc2626"}


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
        note: The shape of the result, if it is known.
    """

    key: str
    title: str
    detail: str = ""
    category: str = "function"
    status: str = SAME
    inner: Scene | None = None
    note: str = ""

    @property
    def colours(self) -> tuple[str, str]:
        """The colours of filling and border."""
        fill, border = _STATUS_COLOURS.get(self.status) or _COLOURS[self.category]
        return "#f8fafc" if self.inner is not None and self.status == SAME else fill, border


@dataclass
class Scene:
    """The boxes of one graph and the arrows between them.

    Attributes:
        boxes: In the order of execution; the first is the input, the last the output.
        arrows: Key of the start, key of the end, status.
    """

    boxes: list[Box] = field(default_factory=list)
    arrows: list[tuple[str, str, str]] = field(default_factory=list)


def scene_of(
    graph: Graph, before: Graph | None, depth: int, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Scene:
    """Return the scene of a graph.

    Args:
        graph: The graph.
        before: The graph to compare with; nodes are matched by their ids, which forks keep.
        depth: How many levels of nested graphs to show inside.
        shapes: Path of a node to the shape of its result.
    """
    records = dict(graph._data.records)
    old = before._data.records if before is not None else None
    removed = {} if old is None else {i: r for i, r in old.items() if i not in records}
    scene = Scene()
    every = {**records, **removed}
    hidden = {record.id for record in every.values() if computes_number(record, every, _is_number)}
    inner_order = graph._table.execution_order()
    for record in removed.values():  # after its inputs
        heads = [inner_order.index(head) for head, _ in record.inputs.values() if head in inner_order]
        inner_order.insert(max(heads, default=-1) + 1, record.id)
    for node in (INPUT_ID, *inner_order, OUTPUT_ID):
        if node not in hidden:
            status = REMOVED if node in removed else _status(every[node], old)
            owner = before if node in removed else graph
            assert owner is not None
            scene.boxes.append(_box(every[node], owner, graph, before, status, depth, shapes))
    _add_arrows(scene, records, old or records, hidden)
    return scene


def _add_arrows(
    scene: Scene, records: Mapping[int, NodeRecord], old: Mapping[int, NodeRecord], hidden: set[int]
) -> None:
    now, then = _links(records, hidden), _links(old, hidden)
    for start, end in {**then, **now}:
        status = SAME if (start, end) in now and (start, end) in then else ADDED if (start, end) in now else REMOVED
        scene.arrows.append((str(start), str(end), status))


def _links(records: Mapping[int, NodeRecord], hidden: set[int]) -> dict[tuple[int, int], None]:
    return {
        (head, record.id): None
        for record in records.values()
        for head, _ in record.inputs.values()
        if record.id not in hidden and head not in hidden
    }


def _is_number(record: NodeRecord) -> bool:
    """Return whether a node reads a shape or the mode: it, and what is computed from it, would clutter the drawing."""
    is_mode = record.operation.kind is Kind.ATTRIBUTE and record.operation.type == "training"
    return is_mode or is_shape_query(record)


def _status(record: NodeRecord, old: Mapping[int, NodeRecord] | None) -> str:
    if old is None:
        return SAME
    if record.id not in old:
        return ADDED
    other = old[record.id]
    same = record.operation.type == other.operation.type and _text(record) == _text(other)
    return SAME if same and not _is_rewired(record, other) else CHANGED


def _is_rewired(record: NodeRecord, other: NodeRecord) -> bool:
    """Return whether a node takes other results of the same nodes: arrows do not show that."""
    heads, old_heads = ({head for head, _ in each.inputs.values()} for each in (record, other))
    return heads == old_heads and dict(record.inputs) != dict(other.inputs)


def _text(record: NodeRecord) -> str:
    return repr((dict(record.operation.parameters), record.operation.cell, record.arguments))


def _box(
    record: NodeRecord,
    owner: Graph,
    graph: Graph,
    before: Graph | None,
    status: str,
    depth: int,
    shapes: Mapping[str, tuple[int, ...]] | None,
) -> Box:
    if record.id in (INPUT_ID, OUTPUT_ID):
        names = ", ".join(owner.input_names) if record.id == INPUT_ID else "output"
        return Box(str(record.id), names, category="io", status=status)
    operation = record.operation
    path = record.member or record.name
    note = (shapes or {}).get(path if owner.is_root else f"{owner.name}.{path}")
    box = Box(
        str(record.id), _title(record), _detail(record), category_of(record), status,
        note=" \u00d7 ".join(map(str, note)) if note is not None else "",
    )  # fmt: skip
    if operation.cell is not None and depth > 0:
        old_cell = before.model.graphs.get(operation.cell) if before is not None else None
        inner = scene_of(owner.model.graphs[operation.cell], old_cell, depth - 1, shapes)
        if before is not None and status == SAME and _differs(inner):
            box.status = CHANGED
        if len(inner.boxes) > _ENDS:
            box.inner = inner
        else:  # a module that only passes values on is drawn like a layer
            box.detail = _passed_on(owner.model.graphs[operation.cell])
    return box


def _passed_on(graph: Graph) -> str:
    """Return a text about which inputs a graph without nodes returns."""
    total = len(graph.input_names)
    slots = [slot + 1 for _, slot in graph._data.records[OUTPUT_ID].inputs.values() if slot is not None]
    if total == 1 or not slots:
        return ""
    return f"passes on input{'s' if len(slots) > 1 else ''} {', '.join(map(str, slots))} of {total}"


def _differs(scene: Scene) -> bool:
    return any(box.status != SAME for box in scene.boxes) or any(status != SAME for _, _, status in scene.arrows)


def _title(record: NodeRecord) -> str:
    operation = record.operation
    if operation.kind is Kind.ATTRIBUTE:
        return str(operation.parameters["name"])
    short = operation.short_type
    label = f"{short} {record.label!r}" if record.label is not None and operation.kind is Kind.CHOICE else short
    if record.member is None:
        return label
    last = record.member.rpartition(".")[2]
    return label if last.isdigit() or last == short else f"{record.member}: {label}"


def _detail(record: NodeRecord) -> str:
    parameters = dict(record.operation.parameters)
    if record.operation.kind is Kind.ATTRIBUTE:
        return record.operation.type
    parts: list[str] = []
    for first, second in (("in_channels", "out_channels"), ("in_features", "out_features")):
        if first in parameters and second in parameters:
            parts.append(f"{parameters.pop(first)} → {parameters.pop(second)}")
    parts += [f"{name}={_short(value)}" for name, value in parameters.items()]
    text = ", ".join(parts)
    return text if len(text) <= _MAX_DETAIL else text[: _MAX_DETAIL - 1] + "…"


def _short(value: Any) -> str:
    return str(getattr(value, "__name__", None) or repr(value))


def category_of(record: NodeRecord) -> str:
    """Return the category of a node's operation, which decides its colour."""
    kind = record.operation.kind
    if kind in (Kind.CHOICE, Kind.GRAPH):
        return str(kind.value)
    if kind is Kind.ATTRIBUTE:
        return "parameter"
    if record.operation.short_type == "Placeholder":
        return "choice"
    short = record.operation.short_type
    for category, words in _CATEGORIES.items():
        if any(word in short for word in words):
            return category
    return "layer" if kind is Kind.MODULE else "function"
