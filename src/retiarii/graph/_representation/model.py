"""`Model`: a network as graphs, one for every module whose ``forward`` was traced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import nn

from retiarii._counted import counted
from retiarii.errors import InvalidMutation
from retiarii.graph._representation.graph import Graph, not_found
from retiarii.graph._representation.graph_records import GraphData
from retiarii.graph._representation.node import Node
from retiarii.trial import Metrics

ROOT = "_model"


class Model:
    """A network as graphs: what mutators read and change.

    Forks share everything but what is changed in them, and weights are never copied before `to_module`.

    Attributes:
        graphs: Name to graph: ``"_model"`` for the outermost one, and the module's path for the others.
        root_name: The name of the outermost graph.
        evaluator: What evaluates the model, where one was set; not part of the JSON.
        history: The models that this one was mutated from, the base model first.
        metric: The final metric, where there is one.
        intermediate_metrics: Metrics reported on the way.
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
        """Yield the nodes of all graphs, the outermost graph first."""
        for graph in self.graphs.values():
            yield from graph.nodes

    def get_nodes_by_label(self, label: str) -> list[Node]:
        """Return all nodes with a label.

        Raises:
            InvalidMutation: There is none; the nearest label is in the message.
        """
        found = [node for graph in self.graphs.values() for node in graph.get_nodes_by_label(label)]
        if not found:
            records = [record for graph in self.graphs.values() for record in graph._data.records.values()]
            raise not_found("label", label, sorted({r.label for r in records if r.label is not None}), "the model")
        return found

    def get_nodes_by_type(self, type_name: Any) -> list[Node]:
        """Return all nodes of a type: a class, a function, or the name of one. There may be none."""
        return [node for graph in self.graphs.values() for node in graph.get_nodes_by_type(type_name)]

    def get_node_by_name(self, name: str) -> Node:
        """Return the node of a name that is unique in the model, or of a path such as ``layer1.0.conv1``.

        Raises:
            InvalidMutation: There is no such node, or several have the name; the message has their full names.
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

    def to_module(self) -> nn.Module:
        """Build the network: `retiarii.graph.build_module`."""
        from retiarii.graph._building.module_builder import build_module  # building knows models, not the reverse

        return build_module(self)

    def to_code(self) -> str:
        """Return the network as Python code: `retiarii.graph.export_code`."""
        from retiarii.graph._exporting.python_file import model_code  # as above

        return model_code(self)

    def to_json(self) -> dict[str, Any]:
        """Return plain data from which `from_json` makes an equal model.

        Raises:
            GraphError: A choice is not fixed yet, or a parameter is no plain value.
        """
        from retiarii.graph._encoding.model_json import dump_model  # as above

        return dump_model(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, modules: Iterable[str] = ()) -> Model:
        """Read what `to_json` returned, from any source: a graph can only compute.

        Args:
            data: What the parser of JSON returned.
            modules: Names of your modules and packages whose basic units, functions and enumerations the graph may
                use; only these are imported. A graph may call everything that is defined in them, with any arguments.

        Raises:
            GraphError: ``data`` is not a model, or uses something else than operators of PyTorch and Python that
                compute, layers of ``torch.nn``, and what is defined in ``modules``.
        """
        from retiarii.graph._encoding.model_json import load_model  # as above

        return load_model(data, modules)

    def _repr_svg_(self) -> str:
        from retiarii.graph._drawing.drawing import draw  # as above

        return draw(self)

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
