"""`scene_of`: what a drawing of a graph shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from retiarii.drawing import ADDED, CHANGED, REMOVED, SAME, Arrow, Box, Scene, Selector
from retiarii.graph._operations.operation import Kind, Operation
from retiarii.graph._representation.graph_records import INPUT_ID, OUTPUT_ID, NodeRecord
from retiarii.graph._representation.model import Graph
from retiarii.graph._source.python_syntax import computes_number, is_shape_query
from retiarii.space import Variable

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


class Dresser(Protocol):
    """Adds to a scene what a graph does not know."""

    def dress(self, box: Box, record: NodeRecord, owner: Graph, depth: int) -> None:
        """Add to the box of a node.

        Args:
            box: The box; its scene inside, if it has one, is complete.
            record: The node.
            owner: The graph of the node.
            depth: How many levels of nested graphs to show inside.
        """

    def when(self, record: NodeRecord, slots: Sequence[int]) -> Selector | None:
        """Return when an architecture uses an arrow into these inputs of a node; None for always."""


def scene_of(
    graph: Graph,
    before: Graph | None,
    depth: int,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    dresser: Dresser | None = None,
) -> Scene:
    """Return the scene of a graph.

    Args:
        graph: The graph.
        before: The graph to compare with; nodes are matched by their ids, which forks keep.
        depth: How many levels of nested graphs to show inside.
        shapes: Path of a node to the shape of its result.
        dresser: Is shown every box.
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
            box = _box(every[node], owner, graph, before, status, depth, shapes, dresser)
            if dresser is not None and node not in (INPUT_ID, OUTPUT_ID):
                dresser.dress(box, every[node], owner, depth)
            scene.boxes.append(box)
    _add_arrows(scene, records, old or records, hidden, dresser)
    return scene


def _add_arrows(
    scene: Scene,
    records: Mapping[int, NodeRecord],
    old: Mapping[int, NodeRecord],
    hidden: set[int],
    dresser: Dresser | None,
) -> None:
    now, then = _links(records, hidden), _links(old, hidden)
    for start, end in {**then, **now}:
        status = SAME if (start, end) in now and (start, end) in then else ADDED if (start, end) in now else REMOVED
        slots = now.get((start, end), [])
        when = dresser.when(records[end], slots) if dresser is not None and slots else None
        scene.arrows.append(Arrow(str(start), str(end), status, when))


def _links(records: Mapping[int, NodeRecord], hidden: set[int]) -> dict[tuple[int, int], list[int]]:
    """Return the pairs of nodes with an arrow between them, each with the inputs that it leads to."""
    found: dict[tuple[int, int], list[int]] = {}
    for record in records.values():
        for slot, (head, _) in record.inputs.items():
            if record.id not in hidden and head not in hidden:
                found.setdefault((head, record.id), []).append(slot)
    return found


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
    dresser: Dresser | None,
) -> Box:
    if record.id in (INPUT_ID, OUTPUT_ID):
        names = ", ".join(owner.input_names) if record.id == INPUT_ID else "output"
        return Box(str(record.id), names, category="io", status=status)
    operation = record.operation
    path = record.member or record.name
    note = (shapes or {}).get(path if owner.is_root else f"{owner.name}.{path}")
    box = Box(
        str(record.id), _title(record), detail_of(record.operation), category_of(record.operation), status,
        note=" \u00d7 ".join(map(str, note)) if note is not None else "",
    )  # fmt: skip
    if operation.cell is not None and depth > 0:
        old_cell = before.model.graphs.get(operation.cell) if before is not None else None
        inner = scene_of(owner.model.graphs[operation.cell], old_cell, depth - 1, shapes, dresser)
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
    return any(box.status != SAME for box in scene.boxes) or any(arrow.status != SAME for arrow in scene.arrows)


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


def detail_of(operation: Operation) -> str:
    """Return the second line of a box: the constructor arguments of a layer."""
    parameters = dict(operation.parameters)
    if operation.kind is Kind.ATTRIBUTE:
        return operation.type
    parts: list[str] = []
    for first, second in (("in_channels", "out_channels"), ("in_features", "out_features")):
        if first in parameters and second in parameters:
            parts.append(f"{_short(parameters.pop(first))} → {_short(parameters.pop(second))}")
    parts += [f"{name}={_short(value)}" for name, value in parameters.items()]
    text = ", ".join(parts)
    return text if len(text) <= _MAX_DETAIL else text[: _MAX_DETAIL - 1] + "…"


def _short(value: Any) -> str:
    if isinstance(value, Variable):
        return value.label
    return str(getattr(value, "__name__", None) or repr(value))


def category_of(operation: Operation) -> str:
    """Return the category of an operation, which decides the colour of its box."""
    kind = operation.kind
    if kind in (Kind.CHOICE, Kind.GRAPH):
        return str(kind.value)
    if kind is Kind.ATTRIBUTE:
        return "parameter"
    if operation.short_type == "Placeholder":
        return "choice"
    short = operation.short_type
    for category, words in _CATEGORIES.items():
        if any(word in short for word in words):
            return category
    return "layer" if kind is Kind.MODULE else "function"
