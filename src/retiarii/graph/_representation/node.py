"""`Node` and `Edge`: handles through which a mutator reads and changes one graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from retiarii.errors import GraphError, InvalidMutation
from retiarii.graph._operations.new_operations import default_arguments, make_operation
from retiarii.graph._operations.operation import Arguments, Kind, Operation, Parameters
from retiarii.graph._representation.graph_records import INPUT_ID, OUTPUT_ID, NodeRecord

if TYPE_CHECKING:
    from retiarii.graph._representation.graph import Graph

EdgeEnd = tuple["Node", int | None]


class Node:
    """One operation in a graph: a handle that stays valid while the node exists.

    Handles are equal when they stand for the same node of the same graph object.
    """

    __slots__ = ("graph", "id")

    def __init__(self, graph: Graph, node_id: int) -> None:
        self.graph = graph
        self.id = node_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.graph is other.graph and self.id == other.id

    def __hash__(self) -> int:
        return hash((id(self.graph), self.id))

    def __repr__(self) -> str:
        if self.id not in self.graph._data.records:
            return f"<removed node {self.id} of graph {self.graph.name!r}>"
        label = f", label={self.label!r}" if self.label is not None else ""
        return f"Node({self.path!r}, {self.operation.type}{label})"

    @property
    def _record(self) -> NodeRecord:
        try:
            return self.graph._data.records[self.id]
        except KeyError:
            raise InvalidMutation(
                f"Node {self.id} of graph {self.graph.name!r} was removed and cannot be used any more."
            ) from None

    @property
    def name(self) -> str:
        """The name, unique in the graph."""
        return self._record.name

    @property
    def label(self) -> str | None:
        """The label of a placeholder or choice, or what `update_label` set."""
        return self._record.label

    @property
    def member(self) -> str | None:
        """The path of the submodule that the node calls, relative to the graph's module."""
        return self._record.member

    @property
    def path(self) -> str:
        """Where the node is in the model, for messages: ``layer1.0.conv1``, or ``layer1.0.add``."""
        prefix = "" if self.graph.is_root else f"{self.graph.name}."
        return prefix + (self._record.member or self._record.name)

    @property
    def operation(self) -> Operation:
        """What the node computes. Writing an entry of ``operation.parameters`` changes this node only."""
        operation = self._record.operation
        write = self._write_parameters if operation.kind is Kind.MODULE else self._refuse_parameters
        return replace(operation, parameters=Parameters(operation.parameters, write))

    @property
    def arguments(self) -> Arguments:
        """How the operation is called."""
        return self._record.arguments

    @property
    def cell(self) -> Graph:
        """The nested graph.

        Raises:
            GraphError: The node has none.
        """
        name = self._record.operation.cell
        if name is None:
            raise GraphError(f"Node {self.path!r} ({self.operation.type}) has no nested graph.", node=self.path)
        return self.graph.model.graphs[name]

    @property
    def incoming_edges(self) -> list[Edge]:
        """The edges that end here, by slot."""
        return [Edge((Node(self.graph, head), slot), (self, tail)) for tail, (head, slot) in self._sorted_inputs()]

    @property
    def outgoing_edges(self) -> list[Edge]:
        """The edges that start here, in the order of the nodes where they end."""
        return [
            Edge((self, slot), (Node(self.graph, record.id), tail))
            for record in self.graph._data.records.values()
            for tail, (head, slot) in sorted(record.inputs.items())
            if head == self.id
        ]

    @property
    def predecessors(self) -> list[Node]:
        """The nodes whose results this one takes, each once, by slot."""
        return [Node(self.graph, head) for head in dict.fromkeys(head for _, (head, _) in self._sorted_inputs())]

    @property
    def successors(self) -> list[Node]:
        """The nodes that take this one's result, each once, in order."""
        return [
            Node(self.graph, record.id)
            for record in self.graph._data.records.values()
            if any(head == self.id for head, _ in record.inputs.values())
        ]

    def update_label(self, label: str | None) -> None:
        """Set the label."""
        self._record  # noqa: B018 - a removed node raises here
        self.graph._write(replace(self._record, label=label))

    def update_operation(self, operation: Any, parameters: Mapping[str, Any] | None = None) -> None:
        """Let the node compute something else with the same inputs.

        A node that shared its submodule with others gets one of its own.

        Args:
            operation: An `Operation`, a module class, a function, or the qualified name of either.
            parameters: Constructor parameters of a module; constants that a function is called with.

        Raises:
            GraphError: ``operation`` is none of these.
            InvalidMutation: The node is the input or output of its graph.
        """
        self._check_inner("update_operation()")
        new, constants = make_operation(operation, parameters or {}, self.path)
        record = self._record
        keep = new.has_member and record.operation.has_member
        arguments = record.arguments if keep else default_arguments(new, constants)
        member = self.graph._own_member(record, new)
        self.graph._write(replace(record, operation=new, arguments=arguments, member=member))

    def update_arguments(self, *args: Any, **kwargs: Any) -> None:
        """Change how the operation is called; ``Input(slot)`` and ``Inputs()`` say where edges end.

        Raises:
            InvalidMutation: The node is the input of its graph.
        """
        if self.id == INPUT_ID:
            raise InvalidMutation(f"The input node of graph {self.graph.name!r} takes no arguments.")
        self.graph._write(replace(self._record, arguments=Arguments(args, kwargs)))

    def remove(self, *, bridge: bool = False) -> None:
        """Take the node out of its graph, together with the edges that end here.

        Args:
            bridge: Connect what took its result to its only input instead. Without it, nothing may take its result.

        Raises:
            InvalidMutation: The node is the input or output; its result is used and ``bridge`` is False; or it has not
                exactly one input to bridge to.
        """
        self.graph.remove_node(self, bridge=bridge)

    def specialize_cell(self) -> Graph:
        """Give this node a nested graph of its own, so that changing it changes no other node.

        Raises:
            GraphError: The node has no nested graph.
        """
        copy = self.graph.model._copy_graph(self.cell)
        self.graph._write(replace(self._record, operation=replace(self._record.operation, cell=copy.name)))
        return copy

    def _sorted_inputs(self) -> list[tuple[int, tuple[int, int | None]]]:
        return sorted(self._record.inputs.items())

    def _write_parameters(self, parameters: dict[str, Any]) -> None:
        record = self._record
        operation = record.operation.with_parameters(parameters)
        self.graph._write(replace(record, operation=operation, member=self.graph._own_member(record, operation)))

    def _refuse_parameters(self, parameters: dict[str, Any]) -> None:
        operation = self._record.operation
        raise InvalidMutation(
            f"Node {self.path!r} is no layer but a {operation.kind.value} ({operation.type}), so it has no constructor "
            "parameters that can be written. Change how it is called with update_arguments(), or what it is with "
            "update_operation().",
            node=self.path,
        )

    def _check_inner(self, what: str) -> None:
        if self.id in (INPUT_ID, OUTPUT_ID):
            end = "input" if self.id == INPUT_ID else "output"
            raise InvalidMutation(
                f"{what} was called on the {end} node of graph {self.graph.name!r}, which is no operation. Change its "
                "edges instead."
            )


class Edge:
    """One value that flows from a node to an argument of another.

    Attributes:
        head: Where it starts.
        head_slot: Which element of the head's result, or which input of the graph; None for all of it.
        tail: Where it ends.
        tail_slot: Which argument of the tail.
    """

    __slots__ = ("head", "head_slot", "tail", "tail_slot")

    def __init__(self, head: EdgeEnd, tail: tuple[Node, int]) -> None:
        self.head, self.head_slot = head
        self.tail, self.tail_slot = tail

    @property
    def graph(self) -> Graph:
        """The graph of both ends."""
        return self.tail.graph

    def remove(self) -> None:
        """Take the edge out of its graph.

        Raises:
            InvalidMutation: It is not there any more.
        """
        self.graph.del_edge(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Edge) and self._ends == other._ends

    def __hash__(self) -> int:
        return hash(self._ends)

    @property
    def _ends(self) -> tuple[Node, int | None, Node, int]:
        return self.head, self.head_slot, self.tail, self.tail_slot

    def __repr__(self) -> str:
        return f"Edge({self.head.path!r}[{self.head_slot}] -> {self.tail.path!r}[{self.tail_slot}])"
