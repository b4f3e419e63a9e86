"""The order in which the nodes of a graph run, and the check that they can."""

from __future__ import annotations

from collections.abc import Mapping

from retiarii.errors import InvalidMutation
from retiarii.graph._operations.operation import Kind
from retiarii.graph._representation.graph_records import INPUT_ID, OUTPUT_ID, GraphData, NodeRecord, full_path


def execution_order(records: Mapping[int, NodeRecord], graph: str) -> list[int]:
    """Return the ids of all nodes but input and output, each after the nodes whose results it takes.

    The order of the records is kept as far as the edges allow: a node that must run earlier is moved to
    just before the first node that needs it. The order of the user's statements never changes.

    Args:
        records: The nodes of one graph.
        graph: Its name, for messages.

    Raises:
        InvalidMutation: The edges form a cycle.
    """
    done: set[int] = {INPUT_ID}
    order: list[int] = []
    for start in records:
        if start not in (INPUT_ID, OUTPUT_ID):
            _visit(start, records, done, order, graph)
    return order


def _visit(start: int, records: Mapping[int, NodeRecord], done: set[int], order: list[int], graph: str) -> None:
    stack = [start]
    open_nodes: dict[int, None] = {}
    while stack:
        current = stack[-1]
        if current in done:
            stack.pop()
            continue
        open_nodes[current] = None
        waiting = [head for head, _ in records[current].inputs.values() if head not in done]
        if not waiting:
            done.add(current)
            order.append(current)
            del open_nodes[current]
            stack.pop()
            continue
        if any(head in open_nodes for head in waiting):
            raise _cycle(records, open_nodes, waiting, graph)
        stack.extend(reversed(waiting))


def _cycle(
    records: Mapping[int, NodeRecord], open_nodes: Mapping[int, None], waiting: list[int], graph: str
) -> InvalidMutation:
    closing = next(head for head in waiting if head in open_nodes)
    path = list(open_nodes)
    loop = [records[node].name for node in reversed(path[path.index(closing) :])]
    return InvalidMutation(
        f"The nodes {' -> '.join([*loop, loop[0]])} of graph {graph!r} form a cycle. Remove one of the edges between "
        "them.",
        node=full_path(graph, loop[0]),
    )


def needed_nodes(records: Mapping[int, NodeRecord]) -> set[int]:
    """Return the ids of all nodes that the output depends on, the output included."""
    needed = {OUTPUT_ID}
    stack = [OUTPUT_ID]
    while stack:
        for head, _ in records[stack.pop()].inputs.values():
            if head not in needed:
                needed.add(head)
                stack.append(head)
    return needed


def check_inputs(data: GraphData, graph: str) -> list[int]:
    """Return the nodes that run, in order: nodes that lack an input are left out if the output does not need them.

    Raises:
        InvalidMutation: The edges form a cycle, or a node that the output needs (or the output) lacks an input.
    """
    order = execution_order(data.records, graph)
    needed = needed_nodes(data.records)
    dropped: set[int] = set()
    for node in (*order, OUTPUT_ID):
        record = data.records[node]
        missing = _missing(record)
        broken = [head for head, _ in record.inputs.values() if head in dropped or head not in data.records]
        if not missing and not broken:
            continue
        if node in needed:
            raise _disconnected(record, data, missing, graph)
        dropped.add(node)
    return [node for node in order if node not in dropped]


def _missing(record: NodeRecord) -> list[int]:
    slots = record.arguments.slots
    if slots is not None:
        return [slot for slot in slots if slot not in record.inputs]
    needs_some = record.operation.has_member or record.operation.kind in (Kind.METHOD, Kind.FUNCTION)
    return [0] if needs_some and not record.inputs else []


def _disconnected(record: NodeRecord, data: GraphData, missing: list[int], graph: str) -> InvalidMutation:
    path = full_path(graph, record.member or record.name)
    what = "The output" if record.id == OUTPUT_ID else f"Node {path!r} ({record.operation.type})"
    gone = [source for source in record.inputs.values() if source[0] not in data.records]
    detail = (
        f"has no edge to its input {', '.join(map(str, missing))}" if missing else "takes the result of a removed node"
    )
    if gone and not missing:
        detail += f" ({gone[0][0]})"
    return InvalidMutation(
        f"{what} of graph {graph!r} {detail}, so the graph cannot run. Connect it with graph.add_edge(), or remove "
        "what is not needed.",
        node=None if record.id == OUTPUT_ID else path,
    )
