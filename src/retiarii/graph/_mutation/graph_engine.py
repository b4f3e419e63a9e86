"""`GraphEngine`: builds the network of an architecture with graphs and mutators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from retiarii.graph._building.module_builder import build_module
from retiarii.graph._building.shape_check import check
from retiarii.graph._building.verification import verify
from retiarii.graph._exporting.python_file import model_code
from retiarii.graph._mutation.mutator import Mutator, with_labels
from retiarii.graph._mutation.mutator_run import Decide, Run, from_architecture, run_mutators
from retiarii.graph._mutation.mutator_space import mutator_space
from retiarii.graph._operations.operation import Operation
from retiarii.graph._representation.graph_records import GraphData, NodeRecord, TensorRecord
from retiarii.graph._representation.model import Model
from retiarii.graph._tracing.lowering import lower_with_network
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.nn.pytorch.engine import NetworkEngine
from retiarii.nn.pytorch.origins import copy_origins
from retiarii.space import Architecture, SearchSpace

CACHED_GRAPHS = 16
"""How many fixed models an engine keeps as graphs."""

_DEPENDENT = "If choices depend on earlier ones, pass stationary=False to GraphEngine."


class GraphEngine(NetworkEngine):
    """Builds networks: fixes the choices in the model, traces the result, applies mutators, and builds the module.

    Choices in the model and mutators work together: the choices are fixed first, so that mutators see the graph
    of one network, and all of them are labels of one space and one architecture. A model is traced once for
    each architecture of its own choices, so only once if it has none; mutators change forks of that graph.

    An engine can be pickled if model and mutators can.

    Args:
        model: The base model, with or without choices.
        mutators: Applied in this order.
        example_input: A tensor, or a tuple of the arguments of ``forward``. With it, every graph that is traced is
            compared with its model on an example of that shape, and `build` checks every shape before it builds
            anything.
        stationary: Whether the mutators always make the same choices; None finds out by trying (see
            `mutator_space`).
        evaluator: The evaluator of the networks; mutators can read it as ``model.evaluator``.

    Raises:
        GraphError: An item of ``mutators`` is not a `Mutator`.
    """

    def __init__(
        self,
        model: nn.Module,
        mutators: Iterable[Mutator] = (),
        *,
        example_input: Any = None,
        stationary: bool | None = None,
        evaluator: Any = None,
    ) -> None:
        self.model = model
        self.mutators = with_labels(mutators)
        self.example_input = example_input
        self.evaluator = evaluator
        self._stationary = stationary
        self._traced: dict[str, tuple[Model, nn.Module]] = {}

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in super().__getstate__().items() if name not in ("space", "inline_space")}
        return {**state, "_traced": {}}

    @cached_property
    def inline_space(self) -> SearchSpace:
        """The choices that are written into the model."""
        return extract_space(self.model)

    @cached_property
    def space(self) -> SearchSpace:
        """The choices in the model and those of the mutators.

        Raises:
            GraphError: The model cannot be traced.
        """
        if not self.mutators:
            return self.inline_space
        return mutator_space(self, stationary=self._stationary)

    def base_graph(self, architecture: Mapping[str, Any]) -> Model:
        """Return the graph that the mutators start from; labels of mutators are ignored.

        Raises:
            ArchitectureError: The architecture does not fit the model.
            GraphError: The model cannot be traced.
        """
        return self._trace(architecture)[0]

    def run(self, architecture: Mapping[str, Any], decide: Decide) -> Run:
        """Run the mutators on the network of an architecture.

        Args:
            architecture: Values for the choices in the model.
            decide: Returns the value of each choice of the mutators.
        """
        return run_mutators(self.mutators, self.base_graph(architecture), decide)

    def graph(self, architecture: Mapping[str, Any]) -> Model:
        """Return the graph of an architecture: choices fixed, mutators applied.

        Raises:
            ArchitectureError: The architecture does not fit.
            InvalidMutation: A mutation cannot be done, or the shapes of the example input do not fit.
            GraphError: The model cannot be traced.
        """
        run = self.run(architecture, from_architecture(architecture, _DEPENDENT))
        if run.error is not None:
            raise run.error
        assert run.model is not None
        if self.example_input is not None:
            check(run.model, self.example_input)
        return run.model if self.mutators else run.model.fork()  # the cached graph must not change

    def build(self, architecture: Mapping[str, Any]) -> nn.Module:
        """Return the network of an architecture; see `graph` for what it raises.

        Initial weights are drawn for each network from torch's random generator, in the same order as in
        `retiarii.nn.pytorch.freeze`: with the same seed, layers that mutators did not change have the same weights as
        in a frozen network.
        """
        graph = self.graph(architecture)
        _, traced = self._trace(architecture)
        fixed = freeze(self.model, self._inline(architecture))
        network = build_module(with_weights(graph, traced, fixed))
        copy_origins(fixed, network)
        return network

    def code(self, architecture: Mapping[str, Any]) -> str:
        """Return the network of an architecture as a Python file; see `export_code` and `graph` for what it raises."""
        return model_code(self.graph(architecture), architecture)

    def _inline(self, architecture: Mapping[str, Any]) -> Architecture:
        return Architecture({label: value for label, value in architecture.items() if label in self.inline_space})

    def _trace(self, architecture: Mapping[str, Any]) -> tuple[Model, nn.Module]:
        """Return the graph of the fixed model, and the module that it was traced from.

        Tracing draws weights from a copy of the random generator: whether the graph was in the cache must not change
        the weights that a seed gives.
        """
        inline = self._inline(architecture)
        if inline.key not in self._traced:
            if len(self._traced) >= CACHED_GRAPHS:
                self._traced.pop(next(iter(self._traced)))
            gpus = {value.device.index for value in self.model.parameters() if value.is_cuda}
            with torch.random.fork_rng(devices=sorted(gpus)):
                graph, network = lower_with_network(self.model, inline)
                if self.example_input is not None:
                    verify(network, graph, self.example_input)
            graph.evaluator = self.evaluator
            self._traced[inline.key] = graph, network
        return self._traced[inline.key]


def with_weights(model: Model, traced: nn.Module, new: nn.Module) -> Model:
    """Return a model whose layers have the weights of another module.

    Args:
        model: The graph of ``traced``, perhaps mutated.
        traced: The module that was traced.
        new: A module of the same structure.
    """
    modules = dict(zip(traced.modules(), new.modules(), strict=True))
    tensors = {id(old): other for old, other in zip(_tensors(traced), _tensors(new), strict=True)}
    graphs = {name: _renewed(graph._data, modules, tensors) for name, graph in model.graphs.items()}
    return Model(graphs, model.root_name)


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _renewed(data: GraphData, modules: Mapping[nn.Module, nn.Module], tensors: Mapping[int, torch.Tensor]) -> GraphData:
    def operation(old: Operation) -> Operation:
        new = modules.get(old.instance) if old.instance is not None else None
        return old if new is None else replace(old, instance=new)

    def tensor(old: TensorRecord) -> TensorRecord:
        return replace(old, value=tensors.get(id(old.value), old.value))

    def node(old: NodeRecord) -> NodeRecord:
        return replace(old, operation=operation(old.operation))

    module = replace(
        data.module,
        tensors=tuple(map(tensor, data.module.tensors)),
        idle={path: operation(old) for path, old in data.module.idle.items()},
    )
    records = {number: node(record) for number, record in data.records.items()}
    return GraphData(records, module, data.input_names, data.next_id)
