"""`GraphTable`: the rules for changing the nodes of a graph.

`Graph`, `Node` and `Edge` are handles for users; each change that they make is a call of this class.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from retiarii.errors import InvalidMutation
from retiarii.graph._operations.layer_reading import default_arguments, make_operation
from retiarii.graph._operations.operation import Operation
from retiarii.graph._operations.safe_names import free_name
from retiarii.graph._representation.execution_order import execution_order, needed_nodes
from retiarii.graph._representation.graph_records import INPUT_ID, OUTPUT_ID, GraphData, NodeRecord, Source, full_path
from retiarii.space import nearest


class TableOwner(Protocol):
    """A `Graph`: it has a name and records."""

    name: str
    _data: GraphData


class GraphTable:
    """Reads and changes the nodes of one graph, by id.

    Args:
        owner: The graph. It gets a copy of its records before the first change if forks share them.
    """

    __slots__ = ("_owner", "name")

    def __init__(self, owner: TableOwner) -> None:
        self._owner = owner
        self.name = owner.name

    @property
    def data(self) -> GraphData:
        """The records of the graph."""
        return self._owner._data

    def record(self, node: int) -> NodeRecord:
        """Return the record of a node.

        Raises:
            InvalidMutation: The node was removed.
        """
        try:
            return self._owner._data.records[node]
        except KeyError:
            raise InvalidMutation(
                f"Node {node} of graph {self.name!r} was removed and cannot be used any more."
            ) from None

    def path(self, node: int) -> str:
        """Return the path of a node in the model, for messages."""
        record = self.record(node)
        return full_path(self.name, record.member or record.name)

    def execution_order(self) -> list[int]:
        """Return the operations in the order of execution; see `execution_order`.

        Raises:
            InvalidMutation: The edges form a cycle.
        """
        cache = self.data.cache
        if "order" not in cache:
            cache["order"] = execution_order(self.data.records, self.name)
        return list(cache["order"])

    def write(self, record: NodeRecord) -> None:
        """Add or replace the record of a node."""
        self._writable().records[record.id] = record

    def add(self, name: str, operation: Any, parameters: Mapping[str, Any] | None, before: int | None = None) -> int:
        """Add an operation without edges, and return its id.

        Args:
            name: Turned into an identifier that is unique in the graph.
            operation: See `make_operation`.
            parameters: See `make_operation`.
            before: The id of the node that the new one precedes in the table; None for the end.

        Raises:
            GraphError: ``operation`` is not an operation.
        """
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
        return record.id

    def remove(self, node: int, *, bridge: bool) -> None:
        """Remove an operation and the edges that end at it; see `Node.remove`.

        Raises:
            InvalidMutation: See `Node.remove`.
        """
        self.check_operation(node, "remove()")
        users = [record for record in self.data.records.values() if _takes(record, node)]
        if users and not bridge:
            names = ", ".join(repr(user.name) for user in users for head, _ in user.inputs.values() if head == node)
            raise InvalidMutation(
                f"Node {self.path(node)!r} cannot be removed: its result is used by {names}. Remove these edges first, "
                "or pass bridge=True to connect them to the node's input.",
                node=self.path(node),
            )
        if users:
            source = self._only_source(node)
            for user in users:
                inputs = {slot: source if old[0] == node else old for slot, old in user.inputs.items()}
                self.write(replace(user, inputs=inputs))
        del self._writable().records[node]

    def connect(self, head: int, head_slot: int | None, tail: int, tail_slot: int | None) -> tuple[int | None, int]:
        """Add an edge, and return the slots where it starts and ends; see `Graph.add_edge`.

        Raises:
            InvalidMutation: The slot is taken, or the tail has no such input.
        """
        if head == OUTPUT_ID or tail == INPUT_ID:
            raise InvalidMutation(f"An edge of graph {self.name!r} cannot start at its output or end at its input.")
        record = self.record(tail)
        path = self.path(tail)
        slot = self._free_slot(record) if tail_slot is None or tail_slot == -1 else tail_slot
        if slot in record.inputs:
            taken = self.record(record.inputs[slot][0])
            raise InvalidMutation(
                f"Input {slot} of node {path!r} is taken by {taken.name!r}. Remove that edge first.", node=path
            )
        slots = record.arguments.slots
        if slots is not None and slot not in slots:
            raise InvalidMutation(
                f"Node {path!r} ({record.operation.type}) has the inputs {slots}, got an edge to input {slot}. Change "
                "how it is called with update_arguments() first.",
                node=path,
            )
        if head == INPUT_ID:
            head_slot = self._input_slot(head_slot)
        self.write(record.with_input(slot, (head, head_slot)))
        return head_slot, slot

    def replace_operation(self, node: int, operation: Any, parameters: Mapping[str, Any] | None) -> None:
        """Replace what a node computes; see `Node.update_operation`.

        Raises:
            GraphError: ``operation`` is not an operation.
            InvalidMutation: The node is the input or output.
        """
        self.check_operation(node, "update_operation()")
        new, constants = make_operation(operation, parameters or {}, self.path(node))
        record = self.record(node)
        keep = new.has_member and record.operation.has_member
        arguments = record.arguments if keep else default_arguments(new, constants)
        self.write(replace(record, operation=new, arguments=arguments, member=self._own_member(record, new)))

    def write_parameters(self, node: int, parameters: Mapping[str, Any]) -> None:
        """Replace the constructor parameters of a layer.

        Raises:
            GraphError: The arguments of the layer's constructor are not known.
        """
        record = self.record(node)
        operation = record.operation.with_parameters(parameters)
        self.write(replace(record, operation=operation, member=self._own_member(record, operation)))

    def prune(self) -> list[str]:
        """Remove all operations that the output does not depend on, and return their names."""
        needed = needed_nodes(self.data.records)
        unused = [record for record in self.data.records.values() if record.id not in needed and record.id != INPUT_ID]
        if unused:
            data = self._writable()
            for record in unused:
                del data.records[record.id]
        return [record.name for record in unused]

    def check_operation(self, node: int, what: str) -> None:
        """Check that a node is an operation.

        Args:
            node: The id.
            what: The method that was called, for the message.

        Raises:
            InvalidMutation: The node is the input or output of the graph.
        """
        if node in (INPUT_ID, OUTPUT_ID):
            end = "input" if node == INPUT_ID else "output"
            raise InvalidMutation(
                f"{what} was called on the {end} node of graph {self.name!r}, which is not an operation. Change its "
                "edges instead."
            )

    def _writable(self) -> GraphData:
        if self._owner._data.frozen:
            self._owner._data = self._owner._data.thaw()
        self._owner._data.cache.clear()
        return self._owner._data

    def _own_member(self, record: NodeRecord, operation: Operation) -> str | None:
        """Return the submodule path for a node whose operation changes: a shared submodule stays with the others."""
        if not operation.has_member:
            return None
        others = {other.member for other in self.data.records.values() if other.id != record.id}
        if record.member is not None and record.member not in others:
            return record.member
        return self._free_member(record.name)

    def _free_member(self, name: str) -> str:
        taken = {record.member for record in self.data.records.values() if record.member is not None}
        roots = {path.partition(".")[0] for path in (*taken, *self.data.module.order)}
        return free_name(name, roots)

    def _only_source(self, node: int) -> Source:
        inputs = self.record(node).inputs
        if len(inputs) != 1:
            raise InvalidMutation(
                f"Node {self.path(node)!r} has {len(inputs)} inputs, and bridge=True needs exactly one to connect to.",
                node=self.path(node),
            )
        return next(iter(inputs.values()))

    def _input_slot(self, slot: int | None) -> int:
        number = 0 if slot is None else slot
        names = self.data.input_names
        if not 0 <= number < len(names):
            raise InvalidMutation(
                f"Graph {self.name!r} has the inputs {list(names)}, expected a number from 0 to {len(names) - 1}, "
                f"got {number}."
            )
        return number

    def _free_slot(self, record: NodeRecord) -> int:
        slots = record.arguments.slots
        if slots is None:
            return next(slot for slot in range(len(record.inputs) + 1) if slot not in record.inputs)
        free = [slot for slot in slots if slot not in record.inputs]
        if not free:
            path = self.path(record.id)
            raise InvalidMutation(
                f"Node {path!r} ({record.operation.type}) has no free input: {len(slots)} of {len(slots)} taken. "
                "Remove an edge first, or change how it is called with update_arguments().",
                node=path,
            )
        return free[0]


def not_found(what: str, name: str, known: list[str], where: str) -> InvalidMutation:
    """Return the error for a name or label that does not exist, with the nearest one that does."""
    hint = nearest(name, known)
    if not hint and known:
        hint = f" There are: {', '.join(map(repr, known[:10]))}{', ...' if len(known) > 10 else ''}."
    elif not hint:
        hint = " There are none at all."
    return InvalidMutation(f"{where[0].upper()}{where[1:]} has no {what} {name!r}.{hint}")


def _takes(record: NodeRecord, head: int) -> bool:
    return any(source == head for source, _ in record.inputs.values())


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
