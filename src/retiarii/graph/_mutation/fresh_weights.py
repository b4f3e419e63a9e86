"""`with_weights`: one traced model, many networks, each with initial weights of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import nn

from retiarii.graph._operations.operation import Operation
from retiarii.graph._representation.graph_records import GraphData, NodeRecord, TensorRecord
from retiarii.graph._representation.model import Model


def with_weights(model: Model, traced: nn.Module, new: nn.Module) -> Model:
    """Return the same graphs, to be built with the weights of another module.

    Args:
        model: Made by tracing ``traced``, and perhaps mutated since.
        traced: What it was traced from.
        new: A module of exactly the same structure.
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
