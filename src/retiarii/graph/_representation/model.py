"""`Model`, `Graph`, `Node` and `Edge`: what mutators read and change.

A `Node` is the id of a record in a graph, and an `Edge` is the two ends of an input: they hold no state. Every change
goes through `GraphTable`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from retiarii._counted import counted
from retiarii.errors import GraphError, InvalidMutation
from retiarii.graph._operations.operation import Arguments, Kind, Operation, Parameters
from retiarii.graph._operations.qualified_names import type_name
from retiarii.graph._representation.graph_records import INPUT_ID, OUTPUT_ID, GraphData, ModuleRecord, NodeRecord
from retiarii.graph._representation.graph_table import GraphTable, not_found
from retiarii.trial import Metrics

ROOT = "_model"

EdgeEnd = tuple["Node", int | None]


class Node:
    """One operation in a graph: a handle that stays valid while the node exists.

    Two handles of the same node of the same graph are equal.

    Attributes:
        graph: The graph that has the node.
        id: Unique in the graph; forks keep it.
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
        return self.graph._data.records.get(self.id) or self.graph._table.record(self.id)

    @property
    def name(self) -> str:
        """The name, unique in the graph."""
        return self._record.name

    @property
    def label(self) -> str | None:
        """The label of a placeholder or choice, or the one that `update_label` set."""
        return self._record.label

    @property
    def member(self) -> str | None:
        """The path of the submodule that the node calls, relative to the graph's module."""
        return self._record.member

    @property
    def path(self) -> str:
        """Where the node is in the model: ``layer1.0.conv1``, or ``layer1.0.add``."""
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
        inputs = sorted(self._record.inputs.items())
        return [Edge((Node(self.graph, head), slot), (self, tail)) for tail, (head, slot) in inputs]

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
        return list(dict.fromkeys(edge.head for edge in self.incoming_edges))

    @property
    def successors(self) -> list[Node]:
        """The nodes that take this one's result, each once, in order."""
        return list(dict.fromkeys(edge.tail for edge in self.outgoing_edges))

    def update_label(self, label: str | None) -> None:
        """Set the label."""
        self.graph._table.write(replace(self._record, label=label))

    def update_operation(self, operation: Any, parameters: Mapping[str, Any] | None = None) -> None:
        """Replace what the node computes; its inputs stay.

        A node that shared its submodule with others gets its own.

        Args:
            operation: An `Operation`, a module class, a function, or the qualified name of either.
            parameters: Constructor parameters of a module; constants that a function is called with.

        Raises:
            GraphError: ``operation`` is none of these.
            InvalidMutation: The node is the input or output of its graph.
        """
        self.graph._table.replace_operation(self.id, operation, parameters)

    def update_arguments(self, *args: Any, **kwargs: Any) -> None:
        """Change how the operation is called; ``Input(slot)`` and ``Inputs()`` mark where edges end.

        Raises:
            InvalidMutation: The node is the input of its graph.
        """
        if self.id == INPUT_ID:
            raise InvalidMutation(f"The input node of graph {self.graph.name!r} takes no arguments.")
        self.graph._table.write(replace(self._record, arguments=Arguments(args, kwargs)))

    def remove(self, *, bridge: bool = False) -> None:
        """Remove the node and the edges that end here from its graph.

        Args:
            bridge: Connect the nodes that took its result to its only input instead. If False, no node may take its
                result.

        Raises:
            InvalidMutation: The node is the input or output; its result is used and ``bridge`` is False; or ``bridge``
                is True and the node does not have exactly one input.
        """
        self.graph._table.remove(self.id, bridge=bridge)

    def specialize_cell(self) -> Graph:
        """Give this node a nested graph of its own, so that changing it changes no other node.

        Raises:
            GraphError: The node has no nested graph.
        """
        copy = self.graph.model._copy_graph(self.cell)
        record = self._record
        self.graph._table.write(replace(record, operation=replace(record.operation, cell=copy.name)))
        return copy

    def _write_parameters(self, parameters: dict[str, Any]) -> None:
        self.graph._table.write_parameters(self.id, parameters)

    def _refuse_parameters(self, parameters: dict[str, Any]) -> None:
        operation = self._record.operation
        raise InvalidMutation(
            f"Node {self.path!r} is not a layer but a {operation.kind.value} ({operation.type}), so it has no "
            "constructor parameters that can be written. Change how it is called with update_arguments(), or what it "
            "computes with update_operation().",
            node=self.path,
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
        """Remove the edge from its graph.

        Raises:
            InvalidMutation: The graph has no such edge any more.
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


class Graph:
    """The nodes and edges of one module's ``forward``; belongs to one `Model`.

    Reading makes handles; the first change after a fork copies the table of this graph's nodes, and nothing else.

    Attributes:
        model: The owner.
        name: The path of the module in the model; ``"_model"`` for the outermost graph.
    """

    _draw_in_notebook: ClassVar[Callable[[Graph], str] | None] = None  # set by the floor of drawings, which is above

    def __init__(self, model: Model, name: str, data: GraphData) -> None:
        self.model = model
        self.name = name
        self._data = data

    def __repr__(self) -> str:
        return f"Graph({self.name!r}, {self.module.type}, {counted(len(self._data.records) - 2, 'node')})"

    def _repr_svg_(self) -> str | None:
        return None if Graph._draw_in_notebook is None else Graph._draw_in_notebook(self)

    @property
    def _table(self) -> GraphTable:
        return GraphTable(self)

    @property
    def is_root(self) -> bool:
        """Whether this is the outermost graph."""
        return self.name == self.model.root_name

    @property
    def module(self) -> ModuleRecord:
        """What is known about the module that the graph was made from."""
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
        """The node that takes the value that the graph returns."""
        return Node(self, OUTPUT_ID)

    @property
    def hidden_nodes(self) -> list[Node]:
        """All operations, in the order in which they were traced and added."""
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
            InvalidMutation: No node has the name; the nearest name is in the message.
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
        return [Node(self, node_id) for node_id in (INPUT_ID, *self._table.execution_order(), OUTPUT_ID)]

    def add_node(self, name: str, operation: Any, parameters: Mapping[str, Any] | None = None) -> Node:
        """Add an operation without edges.

        Args:
            name: A name; made an identifier, and unique in the graph by a number at its end.
            operation: An `Operation`, a module class, a function, or the qualified name of either.
            parameters: Constructor parameters of a module; constants that a function is called with.

        Raises:
            GraphError: ``operation`` is none of these.
        """
        return Node(self, self._table.add(name, operation, parameters))

    def insert_node_on_edge(
        self, edge: Edge, name: str, operation: Any, parameters: Mapping[str, Any] | None = None
    ) -> Node:
        """Add an operation between the two ends of an edge.

        Raises:
            GraphError: ``operation`` is not an operation.
            InvalidMutation: The graph has no such edge (any more).
        """
        self._check_edge(edge)
        node = Node(self, self._table.add(name, operation, parameters, before=edge.tail.id))
        self._table.write(node._record.with_input(0, (edge.head.id, edge.head_slot)))
        self._table.write(edge.tail._record.with_input(edge.tail_slot, (node.id, None)))
        return node

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
        start, end = self._table.connect(head_node.id, head_slot, tail_node.id, tail_slot)
        return Edge((head_node, start), (tail_node, end))

    def del_edge(self, edge: Edge) -> None:
        """Remove an edge.

        Raises:
            InvalidMutation: The graph has no such edge (any more).
        """
        self._check_edge(edge)
        self._table.write(edge.tail._record.without_input(edge.tail_slot))

    def prune(self) -> list[str]:
        """Remove all operations that the output does not depend on, and return their names."""
        return self._table.prune()

    def fork(self) -> Graph:
        """Fork the model and return the graph of this name in the new one."""
        return self.model.fork().graphs[self.name]

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
        self._table.record(node.id)

    def _check_edge(self, edge: Edge) -> None:
        self._check_own(edge.tail)
        if edge.tail._record.inputs.get(edge.tail_slot) != (edge.head.id, edge.head_slot):
            raise InvalidMutation(f"{edge!r} is not in graph {self.name!r} (any more).", node=edge.tail.path)


class Model:
    """A network as graphs, one for every module whose ``forward`` was traced.

    Forks share everything but what is changed in them. Weights are not copied before `build_module` builds a network.

    Attributes:
        graphs: Name to graph: ``"_model"`` for the outermost one, and the module's path for the others.
        root_name: The name of the outermost graph.
        evaluator: The evaluator of the model, if one was set; not part of the JSON.
        history: The models that this one was mutated from, the base model first.
        metric: The final metric, if one was set.
        intermediate_metrics: Metrics that were reported during the training.
    """

    def __init__(self, graphs: Mapping[str, GraphData], root_name: str = ROOT) -> None:
        self.root_name = root_name
        self.graphs: dict[str, Graph] = {name: Graph(self, name, data) for name, data in graphs.items()}
        self.evaluator: Any = None
        self.history: tuple[Model, ...] = ()
        self.metric: float | Metrics | None = None
        self.intermediate_metrics: list[float | Metrics] = []

    def __repr__(self) -> str:
        nodes = sum(len(graph._data.records) - 2 for graph in self.graphs.values())
        return f"Model({self.root_graph.module.type}, {counted(len(self.graphs), 'graph')}, {counted(nodes, 'node')})"

    def _repr_svg_(self) -> str | None:
        return self.root_graph._repr_svg_()

    @property
    def root_graph(self) -> Graph:
        """The outermost graph."""
        return self.graphs[self.root_name]

    def fork(self) -> Model:
        """Return a model with the same graphs, names and ids; changing one does not change the other."""
        for graph in self.graphs.values():
            graph._data.frozen = True
        copy = Model({name: graph._data for name, graph in self.graphs.items()}, self.root_name)
        copy.evaluator = self.evaluator
        copy.history = (*self.history, self)
        return copy

    def get_nodes(self) -> Iterator[Node]:
        """Yield the nodes of the network, those of the outermost graph first.

        A nested graph that no node calls any more, because its block was removed or replaced, does not belong to it.
        """
        for graph in self._called_graphs():
            yield from graph.nodes

    def get_nodes_by_label(self, label: str) -> list[Node]:
        """Return all nodes with a label.

        Raises:
            InvalidMutation: No node has the label; the nearest label is in the message.
        """
        graphs = self._called_graphs()
        found = [node for graph in graphs for node in graph.get_nodes_by_label(label)]
        if not found:
            records = [record for graph in graphs for record in graph._data.records.values()]
            raise not_found("label", label, sorted({r.label for r in records if r.label is not None}), "the model")
        return found

    def get_nodes_by_type(self, type_name: Any) -> list[Node]:
        """Return all nodes of a type: a class, a function, or the name of one. There may be none."""
        return [node for graph in self._called_graphs() for node in graph.get_nodes_by_type(type_name)]

    def get_node_by_name(self, name: str) -> Node:
        """Return the node of a name that is unique in the model, or of a path such as ``layer1.0.conv1``.

        Raises:
            InvalidMutation: No node has the name, or several have it; the message has their full names.
        """
        found: list[Node] = []
        for read in (lambda node: node.name, lambda node: node.path, _full_name):
            matching = [node for node in self.get_nodes() if read(node) == name]
            if len(matching) == 1:
                return matching[0]
            found = found or matching
        if found:
            names = ", ".join(repr(_full_name(node)) for node in found)
            raise InvalidMutation(f"{len(found)} nodes are called {name!r}: {names}. Ask for one of these.")
        raise not_found("node", name, [node.path for node in self.get_nodes()], "the model")

    def _called_graphs(self) -> list[Graph]:
        """Return the outermost graph and those that it calls, directly or not, in the order of `graphs`."""
        called: set[str] = set()
        waiting = [self.root_name]
        while waiting:
            name = waiting.pop()
            if name not in called:
                called.add(name)
                operations = (record.operation for record in self.graphs[name]._data.records.values())
                waiting += [operation.cell for operation in operations if operation.cell is not None]
        return [graph for name, graph in self.graphs.items() if name in called]

    def _copy_graph(self, graph: Graph) -> Graph:
        """Register a copy of a graph under a name of its own."""
        number = 1
        while f"{graph.name}_{number}" in self.graphs:
            number += 1
        name = f"{graph.name}_{number}"
        graph._data.frozen = True
        self.graphs[name] = Graph(self, name, graph._data)
        return self.graphs[name]


def _full_name(node: Node) -> str:
    return node.name if node.graph.is_root else f"{node.graph.name}.{node.name}"
