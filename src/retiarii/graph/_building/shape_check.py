"""`check`: run a graph on shapes alone, before the network is built or trained."""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedFakeTensorException,
    unset_fake_temporarily,
)
from torch.utils import _pytree as pytree

from retiarii.errors import GraphError, InvalidMutation
from retiarii.graph._building.module_builder import check_fixed
from retiarii.graph._operations.layer_construction import build_layer, function_of
from retiarii.graph._operations.operation import Kind, Operation
from retiarii.graph._representation.execution_order import check_inputs
from retiarii.graph._representation.graph_records import (
    INPUT_ID,
    OUTPUT_ID,
    GraphData,
    NodeRecord,
    Source,
    full_path,
)
from retiarii.graph._representation.model import Model

_NEEDS_VALUES = (DataDependentOutputException, DynamicOutputShapeException, UnsupportedFakeTensorException)

_READ_MEMORY = {"apply_", "map_", "map2_", "numpy", "data_ptr", "untyped_storage", "storage"}


def check(model: Model, example_input: Any) -> dict[str, tuple[int, ...]]:
    """Check every shape of a model by running it on tensors without content.

    Basic units whose ``forward`` reads the values of tensors cannot run without content; the model then runs once,
    on zeros, with new weights.

    Args:
        model: A model whose choices are fixed.
        example_input: A tensor, or a tuple of tensors: the arguments of ``forward``. Only shapes and dtypes count.

    Returns:
        Path of a node to the shape of its result, for results that are tensors.

    Raises:
        InvalidMutation: A shape does not fit; the message has the node, its path, and all shapes involved. Or a graph
            cannot run.
        GraphError: A choice is left, the example has no tensor, or its number of values is not the number of inputs.
    """
    inputs = example_arguments(example_input)
    names = model.root_graph.input_names
    if len(inputs) != len(names):
        raise GraphError(f"The example input has {len(inputs)} values, expected {len(names)}: {', '.join(names)}.")
    if not any(isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves(inputs)):
        raise GraphError(f"The example input is {example_input!r}, expected a tensor, or a tuple of the arguments.")
    if not _reads_memory(model):
        try:
            with _quiet():
                return _run(model, inputs, FakeTensorMode(allow_non_fake_inputs=True))
        except _NEEDS_VALUES:
            pass
    return _run(model, inputs, nullcontext())


def _reads_memory(model: Model) -> bool:
    """Return whether a method is called that reads the memory of a tensor: PyTorch crashes if there is none."""
    operations = (record.operation for graph in model.graphs.values() for record in graph._data.records.values())
    return any(operation.kind is Kind.METHOD and operation.type in _READ_MEMORY for operation in operations)


def example_arguments(example_input: Any) -> tuple[Any, ...]:
    """Return the arguments of ``forward`` for an example input: the input itself, or the items of a tuple or list."""
    return tuple(example_input) if isinstance(example_input, (tuple, list)) else (example_input,)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PyTorch from logging a traceback for each wrong shape: `check` reports it."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled


def _run(model: Model, inputs: tuple[Any, ...], mode: AbstractContextManager[Any]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    with torch.random.fork_rng(devices=[]), mode, torch.no_grad():
        empty = pytree.tree_map_only(
            torch.Tensor, lambda tensor: torch.zeros(tuple(tensor.shape), dtype=tensor.dtype), list(inputs)
        )
        _Checker(model, shapes).graph(model.root_name, empty)
    return shapes


class _Checker:
    """Runs the nodes of a model one by one.

    Args:
        model: The model.
        shapes: Receives the shape of each node's result.
    """

    def __init__(self, model: Model, shapes: dict[str, tuple[int, ...]]) -> None:
        self._model = model
        self._shapes = shapes
        self._layers: dict[str, nn.Module] = {}

    def graph(self, name: str, inputs: list[Any]) -> Any:
        """Run a graph, and return its result."""
        data = self._model.graphs[name]._data
        values: dict[int, Any] = {}

        def value_of(source: Source) -> Any:
            head, slot = source
            if head == INPUT_ID:
                return inputs[slot or 0]
            return values[head] if slot is None else values[head][slot]

        for node in (*check_inputs(data, name), OUTPUT_ID):
            record = data.records[node]
            path = full_path(name, record.member or record.name)
            try:
                taken = {slot: value_of(source) for slot, source in record.inputs.items()}
            except (IndexError, KeyError, TypeError) as err:
                what = f"Node {path!r} takes a part of a result that does not have this part: {err}."
                raise InvalidMutation(what, node=path) from err
            args, kwargs = record.arguments.fill(taken)
            values[node] = self._node(record, name, path, args, kwargs)
            if isinstance(values[node], torch.Tensor) and node != OUTPUT_ID:
                self._shapes[path] = tuple(values[node].shape)
        return values[OUTPUT_ID]

    def _node(self, record: NodeRecord, graph: str, path: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        operation = record.operation
        data = self._model.graphs[graph]._data
        if operation.kind is Kind.OUTPUT:
            return args[0]
        if operation.kind is Kind.ATTRIBUTE:
            return self._attribute(operation, data, path)
        if operation.kind is Kind.GRAPH:
            assert operation.cell is not None
            return self.graph(operation.cell, [*args, *kwargs.values()])
        function = self._function(operation, path)
        try:
            return function(*args, **kwargs)
        except _NEEDS_VALUES:
            raise
        except Exception as err:
            sources = [_source_name(source, data, graph) for source in record.inputs.values()]
            raise _misfit(operation, path, (args, kwargs), err, self._layers.get(path), sources) from err

    def _function(self, operation: Operation, path: str) -> Callable[..., Any]:
        if operation.kind in (Kind.METHOD, Kind.FUNCTION):
            return function_of(operation, path)
        check_fixed(operation, path)
        if path not in self._layers:
            # A user's constructor may read weights, so it gets real ones; they mix with empty inputs.
            is_plain = operation.type.startswith("torch.nn.")
            with nullcontext() if is_plain else unset_fake_temporarily():
                self._layers[path] = build_layer(operation, path, keep_weights=False).eval()
        return self._layers[path]

    def _attribute(self, operation: Operation, data: GraphData, path: str) -> Any:
        name = str(operation.parameters["name"])
        if operation.type == "training":
            return False
        tensor = next((tensor for tensor in data.module.tensors if tensor.path == name), None)
        if tensor is not None:
            return torch.zeros(tensor.shape, dtype=getattr(torch, tensor.dtype))
        return self._parameter_of_layer(name, data, path)

    def _parameter_of_layer(self, name: str, data: GraphData, path: str) -> Any:
        """Return a parameter that belongs to a layer: ``self.embedding.weight``."""
        for record in data.records.values():
            if record.member is not None and name.startswith(f"{record.member}."):
                layer = build_layer(record.operation, path, keep_weights=False)
                return operator.attrgetter(name.removeprefix(f"{record.member}."))(layer)
        raise InvalidMutation(f"Node {path!r} needs {name!r}, which is not in the graph any more.", node=path)


def _misfit(
    operation: Operation, path: str, arguments: Any, err: Exception, layer: nn.Module | None, sources: list[str]
) -> InvalidMutation:
    """Return the error for an operation that fails, with the shapes of its inputs and where they come from."""
    taken = [leaf for leaf in pytree.tree_leaves(arguments) if isinstance(leaf, torch.Tensor)]
    got = " and ".join(_shape(tensor) for tensor in taken) or "no tensor"
    own: Mapping[str, Any] = dict(layer.named_parameters()) if layer is not None else {}
    has = "; its " + ", ".join(f"{name} has {_shape(value)}" for name, value in own.items()) if own else ""
    origin = f" (from {' and '.join(dict.fromkeys(sources))})" if sources else ""
    reason = f"{type(err).__name__}: {str(err).partition(chr(10))[0]}"
    return InvalidMutation(
        f"Node {path!r} ({operation.type}) cannot take its inputs: {got}{origin}{has}. {reason}", node=path
    )


def _source_name(source: Source, data: GraphData, graph: str) -> str:
    head, slot = source
    if head == INPUT_ID:
        return f"input {data.input_names[slot or 0]!r}"
    record = data.records[head]
    return repr(full_path(graph, record.member or record.name))


def _shape(tensor: torch.Tensor) -> str:
    kind = "" if tensor.dtype.is_floating_point else f" of {str(tensor.dtype).removeprefix('torch.')}"
    return f"shape {tuple(tensor.shape)}{kind}"
