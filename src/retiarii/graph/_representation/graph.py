"""`Graph`: the nodes and edges of one module's ``forward``."""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from retiarii._counted import counted
from retiarii.errors import InvalidMutation
from retiarii.graph._operations.new_operations import default_arguments, make_operation
from retiarii.graph._operations.operation import Operation
from retiarii.graph._operations.qualified_names import type_name
from retiarii.graph._operations.safe_names import free_name
from retiarii.graph._representation.execution_order import execution_order, needed_nodes
from retiarii.graph._representation.graph_records import (
    INPUT_ID,
    OUTPUT_ID,
    GraphData,
    ModuleRecord,
    NodeRecord,
    Source,
)
from retiarii.graph._representation.node import Edge, EdgeEnd, Node

if TYPE_CHECKING:
    from retiarii.graph._representation.model import Model


class Graph:
    """The nodes and edges of one module's ``forward``; belongs to one `Model`.

    Reading makes handles; the first change after a fork copies the table of this graph's nodes, and nothing else.

    Attributes:
        model: The owner.
        name: The path of the module in the model; ``"_model"`` for the outermost graph.
    """

    def __init__(self, model: Model, name: str, data: GraphData) -> None:
        self.model = model
        self.name = name
        self._data = data

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {self.module.type}, {counted(len(self._data.records) - 2, 'node')})"

    @property
    def is_root(self) -> bool:
        """Whether this is the outermost graph."""
        return self.name == self.model.root_name

    @property
    def module(self) -> ModuleRecord:
        """What is known about the module behind the graph."""
        return self._data.module

    @property
    def input_names(self) -> tuple[str, ...]:
        """The parameters of ``forward``."""
        return self._data.input_names

    @property
    def input_node(self) -> Node:
        """The node whose results are the graph's inputs, one per slot."""
        return Node(self, INPUT_ID)

    @property
    def output_node(self) -> Node:
        """The node that takes what the graph returns."""
        return Node(self, OUTPUT_ID)

    @property
    def hidden_nodes(self) -> list[Node]:
        """All operations, in the order of execution as far as they were traced."""
        return [Node(self, node_id) for node_id in self._data.records if node_id not in (INPUT_ID, OUTPUT_ID)]

    @property
    def nodes(self) -> list[Node]:
        """The input node, the output node and all operations."""
        return [Node(self, node_id) for node_id in self._data.records]

    @property
    def edges(self) -> list[Edge]:
        """All edges, by the node where they end."""
        return [edge for node in self.nodes for edge in node.incoming_edges]

    def get_node_by_name(self, name: str) -> Node:
        """Return the node of a name.

        Raises:
            InvalidMutation: There is none; the nearest name is in the message.
        """
        for record in self._data.records.values():
            if record.name == name:
                return Node(self, record.id)
        raise not_found("node", name, [record.name for record in self._data.records.values()], f"graph {self.name!r}")

    def get_nodes_by_type(self, operation_type: Any) -> list[Node]:
        """Return the operations of a type (a class, a function, or the name of one), in order."""
        wanted = type_name(operation_type).removeprefix("torch.Tensor.")
        return [Node(self, record.id) for record in self._data.records.values() if record.operation.type == wanted]

    def get_nodes_by_label(self, label: str) -> list[Node]:
        """Return the operations with a label, in order."""
        return [Node(self, record.id) for record in self._data.records.values() if record.label == label]

    def topo_sort(self) -> list[Node]:
        """Return all nodes in the order of execution, input first, output last.

        Raises:
            InvalidMutation: The edges form a cycle.
        """
        return [self.input_node, *(Node(self, node_id) for node_id in self._execution_order()), self.output_node]

    def add_node(self, name: str, operation: Any, parameters: Mapping[str, Any] | None = None) -> Node:
        """Add an operation without edges.

        Args:
            name: A name; made an identifier, and unique in the graph by a number at its end.
            operation: An `Operation`, a module class, a function, or the qualified name of either.
            parameters: Constructor parameters of a module; constants that a function is called with.

        Raises:
            GraphError: ``operation`` is none of these.
        """
        return self._add(name, operation, parameters, before=None)

    def insert_node_on_edge(
        self, edge: Edge, name: str, operation: Any, parameters: Mapping[str, Any] | None = None
    ) -> Node:
        """Add an operation between the two ends of an edge.

        Raises:
            GraphError: ``operation`` is no operation.
            InvalidMutation: The edge is not there any more.
        """
        self._check_edge(edge)
        node = self._add(name, operation, parameters, before=edge.tail.id)
        self._write(node._record.with_input(0, (edge.head.id, edge.head_slot)))
        self._write(edge.tail._record.with_input(edge.tail_slot, (node.id, None)))
        return node

    def remove_node(self, node: Node, *, bridge: bool = False) -> None:
        """Take a node out; see `Node.remove`.

        Raises:
            InvalidMutation: See `Node.remove`.
        """
        self._check_own(node)
        node._check_inner("remove()")
        outgoing = node.outgoing_edges
        if outgoing and not bridge:
            users = ", ".join(repr(edge.tail.name) for edge in outgoing)
            raise InvalidMutation(
                f"Node {node.path!r} cannot be removed: its result is used by {users}. Remove these edges first, or "
                "pass bridge=True to connect them to the node's input.",
                node=node.path,
            )
        if outgoing:
            source = self._only_source(node)
            for edge in outgoing:
                self._write(edge.tail._record.with_input(edge.tail_slot, source))
        data = self._writable()
        del data.records[node.id]

    def add_edge(self, head: EdgeEnd | Node, tail: EdgeEnd | Node) -> Edge:
        """Let a value flow from one node to another.

        Args:
            head: The node where the edge starts, or the node and which element of its result (None for all of it).
            tail: The node where it ends, or the node and the slot: which input. None (or -1) for the next free one.

        Raises:
            InvalidMutation: A node is not in this graph, the slot is taken, or it is not among the tail's arguments.
        """
        head_node, head_slot = head if isinstance(head, tuple) else (head, None)
        tail_node, tail_slot = tail if isinstance(tail, tuple) else (tail, None)
        self._check_own(head_node)
        self._check_own(tail_node)
        if head_node.id == OUTPUT_ID or tail_node.id == INPUT_ID:
            raise InvalidMutation(f"An edge of graph {self.name!r} cannot start at its output or end at its input.")
        record = tail_node._record
        slot = _free_slot(tail_node, record) if tail_slot is None or tail_slot == -1 else tail_slot
        if slot in record.inputs:
            taken = Node(self, record.inputs[slot][0])
            raise InvalidMutation(
                f"Input {slot} of node {tail_node.path!r} is taken by {taken.name!r}. Delete that edge first.",
                node=tail_node.path,
            )
        slots = record.arguments.slots
        if slots is not None and slot not in slots:
            raise InvalidMutation(
                f"Node {tail_node.path!r} ({record.operation.type}) has the inputs {slots}, got an edge to input "
                f"{slot}. Change how it is called with update_arguments() first.",
                node=tail_node.path,
            )
        if head_node.id == INPUT_ID:
            head_slot = self._input_slot(head_slot)
        self._write(record.with_input(slot, (head_node.id, head_slot)))
        return Edge((head_node, head_slot), (tail_node, slot))

    def del_edge(self, edge: Edge) -> None:
        """Take an edge out.

        Raises:
            InvalidMutation: It is not there any more.
        """
        self._check_edge(edge)
        self._write(edge.tail._record.without_input(edge.tail_slot))

    def prune(self) -> list[str]:
        """Remove all operations that the output does not depend on, and return their names."""
        needed = needed_nodes(self._data.records)
        unused = [record for record in self._data.records.values() if record.id not in needed and record.id != INPUT_ID]
        if unused:
            data = self._writable()
            for record in unused:
                del data.records[record.id]
        return [record.name for record in unused]

    def fork(self) -> Graph:
        """Fork the model and return the graph of this name in the new one."""
        return self.model.fork().graphs[self.name]

    def _repr_svg_(self) -> str:
        from retiarii.graph._drawing.drawing import draw  # drawing knows graphs, not the reverse

        return draw(self)

    def _execution_order(self) -> list[int]:
        cache = self._data.cache
        if "order" not in cache:
            cache["order"] = execution_order(self._data.records, self.name)
        return cache["order"]  # type: ignore[no-any-return] # the cache holds anything

    def _writable(self) -> GraphData:
        if self._data.frozen:
            self._data = self._data.thaw()
        self._data.cache.clear()
        return self._data

    def _write(self, record: NodeRecord) -> None:
        self._writable().records[record.id] = record

    def _add(self, name: str, operation: Any, parameters: Mapping[str, Any] | None, before: int | None) -> Node:
        made, constants = make_operation(operation, parameters or {}, f"{self.name}.{name}")
        data = self._writable()
        unique = free_name(_identifier(name), {record.name for record in data.records.values()})
        member = self._free_member(unique) if made.has_member else None
        record = NodeRecord(data.next_id, unique, made, member, arguments=default_arguments(made, constants))
        data.next_id += 1
        if before is None or before == OUTPUT_ID:
            data.records[record.id] = record
        else:
            data.records = dict(_inserted(data.records, before, record))
        return Node(self, record.id)

    def _own_member(self, record: NodeRecord, operation: Operation) -> str | None:
        """Return the submodule path for a node whose operation changes."""
        if not operation.has_member:
            return None
        others = {other.member for other in self._data.records.values() if other.id != record.id}
        if record.member is not None and record.member not in others:
            return record.member
        return self._free_member(record.name)

    def _free_member(self, name: str) -> str:
        taken = {record.member for record in self._data.records.values() if record.member is not None}
        roots = {path.partition(".")[0] for path in (*taken, *self.module.order)}
        return free_name(name, roots)

    def _only_source(self, node: Node) -> Source:
        inputs = node._record.inputs
        if len(inputs) != 1:
            raise InvalidMutation(
                f"Node {node.path!r} has {len(inputs)} inputs, and bridge=True needs exactly one to connect to.",
                node=node.path,
            )
        return next(iter(inputs.values()))

    def _input_slot(self, slot: int | None) -> int:
        number = 0 if slot is None else slot
        if not 0 <= number < len(self.input_names):
            raise InvalidMutation(
                f"Graph {self.name!r} has the inputs {list(self.input_names)}, there is no input number {number}."
            )
        return number

    def _check_own(self, node: Node) -> None:
        if not isinstance(node, Node):
            raise InvalidMutation(f"{node!r} is a {type(node).__name__}, expected a node; see get_node_by_name().")
        if node.graph is not self:
            raise InvalidMutation(
                f"Node {node!r} belongs to graph {node.graph.name!r}"
                + (" of another model (a fork?)" if node.graph.model is not self.model else "")
                + f", not to this graph {self.name!r}.",
                node=node.path,
            )
        node._record  # noqa: B018 - a removed node raises here

    def _check_edge(self, edge: Edge) -> None:
        self._check_own(edge.tail)
        if edge.tail._record.inputs.get(edge.tail_slot) != (edge.head.id, edge.head_slot):
            raise InvalidMutation(f"{edge!r} is not in graph {self.name!r} (any more).", node=edge.tail.path)


def not_found(what: str, name: str, known: list[str], where: str) -> InvalidMutation:
    """Return the error for a name or label that is not there, with the nearest one that is."""
    near = difflib.get_close_matches(str(name), known, n=1)
    if near:
        hint = f" Did you mean {near[0]!r}?"
    elif known:
        hint = f" There are: {', '.join(map(repr, known[:10]))}{', ...' if len(known) > 10 else ''}."
    else:
        hint = " There are none at all."
    return InvalidMutation(f"{where[0].upper()}{where[1:]} has no {what} {name!r}.{hint}")


def _free_slot(node: Node, record: NodeRecord) -> int:
    slots = record.arguments.slots
    if slots is None:
        return next(slot for slot in range(len(record.inputs) + 1) if slot not in record.inputs)
    free = [slot for slot in slots if slot not in record.inputs]
    if not free:
        raise InvalidMutation(
            f"Node {node.path!r} ({record.operation.type}) has no free input: {len(slots)} of {len(slots)} taken. "
            "Delete an edge first, or change how it is called with update_arguments().",
            node=node.path,
        )
    return free[0]


def _inserted(records: Mapping[int, NodeRecord], before: int, record: NodeRecord) -> Iterator[tuple[int, NodeRecord]]:
    for node_id, old in records.items():
        if node_id == before:
            yield record.id, record
        yield node_id, old


def _identifier(name: str) -> str:
    cleaned = re.sub(r"\W", "_", name)
    if keyword.iskeyword(cleaned):
        return f"{cleaned}_"
    return cleaned if cleaned and not cleaned[0].isdigit() else f"_{cleaned}"
