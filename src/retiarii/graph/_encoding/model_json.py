"""Models as JSON: exact, and reading runs nothing but operators of PyTorch and Python.

Everything that comes from a file is checked here, once: a graph that was read can be drawn, hashed and exported,
or reading it raised a `GraphError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from retiarii.errors import GraphError
from retiarii.graph._encoding.allowed import Allowed
from retiarii.graph._encoding.field_checks import (
    MAX_DEPTH,
    check_plain,
    identifier,
    number,
    one_of,
    path,
    qualified,
    text,
    torch_constant,
    truth,
    whole_number,
)
from retiarii.graph._encoding.value_decoding import Decoder
from retiarii.graph._encoding.value_encoding import encode, encode_operation
from retiarii.graph._operations.operation import Arguments, Kind, Operation
from retiarii.graph._operations.safe_names import is_name
from retiarii.graph._representation.graph_records import (
    CONTAINERS,
    INPUT_ID,
    OUTPUT_ID,
    GraphData,
    ModuleRecord,
    NodeRecord,
    Source,
    TensorRecord,
)
from retiarii.graph._representation.model import Model

VERSION = 1
_CALLING_KEY = ("builtins.max", "builtins.min")

_holder = one_of("Module", *CONTAINERS)
_tensor_kind = one_of("parameter", "buffer", "constant")


def model_to_json(model: Model) -> dict[str, Any]:
    """Return plain data from which `model_from_json` makes an equal model.

    Parameters of layers are not part of the data; buffers and constants are.

    Raises:
        GraphError: A choice is not fixed yet, or a parameter is not a plain value.
    """
    graphs = {name: _dump_graph(graph._data, name) for name, graph in model.graphs.items()}
    return {"version": VERSION, "root": model.root_name, "graphs": graphs}


def model_from_json(data: Mapping[str, Any], *, modules: Iterable[str] = ()) -> Model:
    """Read data that `model_to_json` returned, from any source: a graph can only compute.

    Args:
        data: The data, as the parser of JSON returned it.
        modules: Names of your modules and packages whose basic units, functions and enumerations the graph may use;
            only these are imported. A graph may call everything that is defined in them, with any arguments.

    Raises:
        GraphError: ``data`` is not a model, or uses something else than operators of PyTorch and Python that compute,
            layers of ``torch.nn``, and what is defined in ``modules``.
    """
    if not isinstance(data, dict) or type(data.get("version")) is not int or data["version"] != VERSION:
        version = data.get("version") if isinstance(data, dict) else None
        raise GraphError(f"The data is not a graph of version {VERSION}: its version is {version!a:.100}.")
    try:
        check_plain(data)
        reader = _Reader(Decoder(Allowed(modules)))
        graphs = {_graph_name(name): reader.graph(item) for name, item in data["graphs"].items()}
        _check_cells(graphs, data["root"])
        return Model(graphs, data["root"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, OverflowError) as err:
        raise GraphError(f"The data is not a graph: {type(err).__name__}: {err}") from err


def _graph_name(name: str) -> str:
    return name if name.startswith("_") and is_name(name) else path(name)


def _check_cells(graphs: Mapping[str, GraphData], root: str) -> None:
    """Check that all nested graphs exist, and that none contains itself.

    Raises:
        ValueError: A graph is missing, contains itself, or is nested too deep.
    """
    open_graphs: set[str] = set()
    done: set[str] = set()

    def visit(name: str) -> None:
        if len(open_graphs) > MAX_DEPTH:
            raise ValueError(f"its graphs are nested more than {MAX_DEPTH} deep")
        if name not in graphs:
            raise ValueError(f"there is no graph {name!r}, only {', '.join(map(repr, graphs))}")
        if name in open_graphs:
            raise ValueError(f"graph {name!r} is nested in itself")
        if name in done:
            return
        open_graphs.add(name)
        for record in graphs[name].records.values():
            if record.operation.kind is Kind.GRAPH:
                visit(str(record.operation.cell))
        open_graphs.remove(name)
        done.add(name)

    for name in (root, *graphs):
        visit(name)


def _dump_graph(data: GraphData, name: str) -> dict[str, Any]:
    return {
        "module": _dump_module(data.module, name),
        "inputs": list(data.input_names),
        "next_id": data.next_id,
        "nodes": [_dump_node(record, name) for record in data.records.values()],
    }


def _dump_node(record: NodeRecord, graph: str) -> dict[str, Any]:
    where = f"{graph}.{record.name}"
    return {
        "id": record.id,
        "name": record.name,
        "operation": encode_operation(record.operation, where),
        "member": record.member,
        "label": record.label,
        "args": encode(list(record.arguments.args), where),
        "kwargs": encode(dict(record.arguments.kwargs), where),
        "inputs": [[slot, head, head_slot] for slot, (head, head_slot) in sorted(record.inputs.items())],
    }


def _dump_module(module: ModuleRecord, graph: str) -> dict[str, Any]:
    try:
        for name in module.order:
            path(name)
    except ValueError as err:
        raise GraphError(f"Graph {graph!r} cannot be written as JSON: {err}. Give the module another name.") from err
    return {
        **vars(module),
        "tensors": [_dump_tensor(tensor, graph) for tensor in module.tensors],
        "order": list(module.order),
        "containers": dict(module.containers),
        "idle": {path: encode_operation(operation, f"{graph}.{path}") for path, operation in module.idle.items()},
        "aliases": dict(module.aliases),
        "ties": dict(module.ties),
    }


def _dump_tensor(tensor: TensorRecord, graph: str) -> dict[str, Any]:
    needs_value = tensor.fill is None and tensor.kind != "parameter"
    value = encode(tensor.value, f"{graph}.{tensor.path}") if needs_value else None
    return {**vars(tensor), "shape": list(tensor.shape), "fill": encode(tensor.fill), "value": value}


class _Reader:
    """Reads graphs with a decoder for the values in them."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def graph(self, data: Mapping[str, Any]) -> GraphData:
        nodes = [self._node(item) for item in data["nodes"]]
        records = {record.id: record for record in nodes}
        inputs = tuple(map(identifier, data["inputs"]))
        if records[INPUT_ID].operation.kind is not Kind.INPUT or records[OUTPUT_ID].operation.kind is not Kind.OUTPUT:
            raise ValueError(f"nodes {INPUT_ID} and {OUTPUT_ID} have to be the input and the output")
        if len(set(inputs)) != len(inputs) or "self" in inputs:
            raise ValueError(f"{inputs} are not parameters of a function")
        if len(records) != len(nodes) or len({record.name for record in nodes}) != len(nodes):
            raise ValueError("two nodes have one number or one name")
        for record in nodes:
            _check_node(record, records, len(inputs))
        next_id = max(whole_number(data["next_id"]), *(number + 1 for number in records))
        return GraphData(records, self._module(data["module"]), inputs, next_id)

    def _node(self, data: Mapping[str, Any]) -> NodeRecord:
        operation = self._decoder.operation(data["operation"])
        args, kwargs = self._decoder.value(data["args"]), self._decoder.value(data["kwargs"])
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise ValueError(f"node {data['name']!r} has no arguments")
        if operation.type == "builtins.getattr":
            self._decoder.check_attribute(args[1] if len(args) == 2 and not kwargs else None)
        if operation.type in _CALLING_KEY and "key" in kwargs:
            raise ValueError(f"node {data['name']!r} gives {operation.type} a function to call")
        return NodeRecord(
            whole_number(data["id"]),
            identifier(data["name"]),
            operation,
            None if data["member"] is None else path(data["member"]),
            None if data["label"] is None else text(data["label"]),
            Arguments(tuple(args), {identifier(name): value for name, value in kwargs.items()}),
            dict(map(_edge, data["inputs"])),
        )

    def _module(self, data: Mapping[str, Any]) -> ModuleRecord:
        return ModuleRecord(
            qualified(data["type"]),
            _holder(data["base"]),
            tuple(map(self._tensor, data["tensors"])),
            tuple(map(path, data["order"])),
            {path(name): _holder(kind) for name, kind in data["containers"].items()},
            {path(name): self._idle(item) for name, item in data["idle"].items()},
            {path(name): path(other) for name, other in data["aliases"].items()},
            {path(name): path(other) for name, other in data["ties"].items()},
        )

    def _idle(self, data: Any) -> Operation:
        operation = self._decoder.operation(data)
        if operation.kind is not Kind.MODULE:
            raise ValueError(f"{operation.type!r} is not a layer")
        return operation

    def _tensor(self, data: Mapping[str, Any]) -> TensorRecord:
        dtype = torch_constant(data["dtype"], torch.dtype)
        shape = tuple(map(whole_number, data["shape"]))
        value = None if data["value"] is None else self._decoder.value(data["value"])
        if value is not None and (not isinstance(value, torch.Tensor) or (value.dtype, value.shape) != (dtype, shape)):
            raise ValueError(f"the value of {data['path']!r} is not a tensor of its shape and dtype")
        if value is None and data["fill"] is None and data["kind"] != "parameter" and torch.Size(shape).numel():
            raise ValueError(f"the {data['kind']} {data['path']!r} has no values")
        return TensorRecord(
            path(data["path"]),
            _tensor_kind(data["kind"]),
            shape,
            str(dtype).removeprefix("torch."),
            truth(data["requires_grad"]),
            truth(data["persistent"]),
            number(self._decoder.value(data["fill"])),
            value,
        )


def _edge(data: Any) -> tuple[int, Source]:
    slot, head, element = data
    return whole_number(slot), (whole_number(head), None if element is None else whole_number(element))


def _check_node(record: NodeRecord, records: Mapping[int, NodeRecord], num_inputs: int) -> None:
    """Check that the edges of a node start at existing nodes, and that it has the fields of its kind.

    Raises:
        ValueError: They do not.
    """
    if (record.member is not None) != record.operation.has_member:
        raise ValueError(f"node {record.name!r} ({record.operation.kind.value}) has the member {record.member!r}")
    if record.operation.kind in (Kind.INPUT, Kind.OUTPUT) and record.id not in (INPUT_ID, OUTPUT_ID):
        raise ValueError(f"node {record.name!r} is a second input or output")
    if record.operation.kind is Kind.OUTPUT and (len(record.arguments.args) != 1 or record.arguments.kwargs):
        raise ValueError("the output does not take one value")
    if record.operation.kind is Kind.METHOD and not record.arguments.args:
        raise ValueError(f"node {record.name!r} calls the method {record.operation.type!r} of nothing")
    for head, slot in record.inputs.values():
        if head not in records or head == OUTPUT_ID or (head == INPUT_ID and not (slot or 0) < num_inputs):
            raise ValueError(f"node {record.name!r} takes element {slot} of node {head}, which is not there")
