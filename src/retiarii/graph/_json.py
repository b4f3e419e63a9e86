"""Models as JSON: exact, and read without importing or running anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from retiarii.errors import GraphError
from retiarii.graph._model import Model
from retiarii.graph._module_record import BASE_NAMES
from retiarii.graph._operation import Arguments, Kind
from retiarii.graph._records import INPUT_ID, OUTPUT_ID, GraphData, ModuleRecord, NodeRecord, TensorRecord
from retiarii.graph._safe_names import identifier, path, qualified
from retiarii.graph._values import decode, decode_operation, encode, encode_operation

VERSION = 1


def dump_model(model: Model) -> dict[str, Any]:
    """Return a model as what JSON can hold; see `Model.to_json`."""
    graphs = {name: _dump_graph(graph._data, name) for name, graph in model.graphs.items()}
    return {"version": VERSION, "root": model.root_name, "graphs": graphs}


def load_model(data: Mapping[str, Any]) -> Model:
    """Read a model; see `Model.from_json`."""
    if not isinstance(data, Mapping) or data.get("version") != VERSION:
        version = data.get("version") if isinstance(data, Mapping) else None
        raise GraphError(f"This is no graph of version {VERSION}: its version is {version!r}.")
    try:
        graphs = {str(name): _load_graph(item) for name, item in data["graphs"].items()}
        root = str(data["root"])
        _check_cells(graphs, root)
        return Model(graphs, root)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as err:
        raise GraphError(f"This is no graph: {type(err).__name__}: {err}") from err


def _check_cells(graphs: Mapping[str, GraphData], root: str) -> None:
    """Check that nested graphs are there, and that none is inside itself.

    Raises:
        ValueError: They are not.
    """
    open_graphs: set[str] = set()
    done: set[str] = set()

    def visit(name: str) -> None:
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


def _load_graph(data: Mapping[str, Any]) -> GraphData:
    records = {record.id: record for record in map(_load_node, data["nodes"])}
    inputs = tuple(map(identifier, data["inputs"]))
    if records[INPUT_ID].operation.kind is not Kind.INPUT or records[OUTPUT_ID].operation.kind is not Kind.OUTPUT:
        raise ValueError(f"nodes {INPUT_ID} and {OUTPUT_ID} have to be the input and the output")
    if len(set(inputs)) != len(inputs) or "self" in inputs:
        raise ValueError(f"{inputs} are no parameters of a function")
    for record in records.values():
        for head, slot in record.inputs.values():
            if head not in records or (head == INPUT_ID and not 0 <= (slot or 0) < len(inputs)):
                raise ValueError(f"node {record.name!r} takes element {slot} of node {head}, which is not there")
    return GraphData(records, _load_module(data["module"]), inputs, int(data["next_id"]))


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


def _load_node(data: Mapping[str, Any]) -> NodeRecord:
    return NodeRecord(
        int(data["id"]),
        identifier(data["name"]),
        decode_operation(data["operation"]),
        None if data["member"] is None else path(data["member"]),
        None if data["label"] is None else str(data["label"]),
        Arguments(
            tuple(decode(data["args"])), {identifier(name): value for name, value in decode(data["kwargs"]).items()}
        ),
        {int(slot): (int(head), None if element is None else int(element)) for slot, head, element in data["inputs"]},
    )


def _dump_module(module: ModuleRecord, graph: str) -> dict[str, Any]:
    try:
        for name in module.order:
            path(name)
    except ValueError as err:
        raise GraphError(f"Graph {graph!r} cannot be written as JSON: {err}. Give the module another name.") from err
    return {
        "type": module.type,
        "base": module.base,
        "tensors": [_dump_tensor(tensor, graph) for tensor in module.tensors],
        "order": list(module.order),
        "containers": dict(module.containers),
        "idle": {path: encode_operation(operation, f"{graph}.{path}") for path, operation in module.idle.items()},
        "aliases": dict(module.aliases),
        "ties": dict(module.ties),
    }


def _load_module(data: Mapping[str, Any]) -> ModuleRecord:
    return ModuleRecord(
        qualified(data["type"]),
        _one_of(BASE_NAMES, data["base"]),
        tuple(map(_load_tensor, data["tensors"])),
        tuple(map(path, data["order"])),
        {path(name): _one_of(BASE_NAMES, kind) for name, kind in data["containers"].items()},
        {path(name): decode_operation(item) for name, item in data["idle"].items()},
        {path(name): path(other) for name, other in data["aliases"].items()},
        {path(name): path(other) for name, other in data["ties"].items()},
    )


def _one_of(names: Collection[str], name: Any) -> str:
    if name not in names:
        raise ValueError(f"{name!r} is none of {', '.join(names)}")
    return str(name)


def _number(value: Any) -> float | int | bool | None:
    if value is not None and not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is no number")
    return value


def _dump_tensor(tensor: TensorRecord, graph: str) -> dict[str, Any]:
    needs_value = tensor.fill is None and (tensor.kind == "constant" or not tensor.persistent)
    value = tensor.value if needs_value else None
    return {
        "path": tensor.path,
        "kind": tensor.kind,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "requires_grad": tensor.requires_grad,
        "persistent": tensor.persistent,
        "fill": encode(tensor.fill),
        "value": None if value is None else encode(value, f"{graph}.{tensor.path}"),
    }


def _load_tensor(data: Mapping[str, Any]) -> TensorRecord:
    return TensorRecord(
        path(data["path"]),
        _one_of(("parameter", "buffer", "constant"), data["kind"]),
        tuple(map(int, data["shape"])),
        str(decode({"$dtype": data["dtype"]})).removeprefix("torch."),
        bool(data["requires_grad"]),
        bool(data["persistent"]),
        _number(decode(data["fill"])),
        None if data["value"] is None else decode(data["value"]),
    )
