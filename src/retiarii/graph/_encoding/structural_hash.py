"""`structural_hash`: equal for models with the same operations and edges; names do not count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from retiarii.graph._encoding.value_encoding import encode
from retiarii.graph._operations.operation import Arguments, Cast, Input, Inputs, Kind
from retiarii.graph._representation.execution_order import execution_order
from retiarii.graph._representation.graph_records import INPUT_ID, OUTPUT_ID, GraphData, NodeRecord
from retiarii.graph._representation.model import Model

_COMMUTATIVE = {
    f"{module}.{name}"
    for module in ("operator", "torch")
    for name in ("add", "mul", "eq", "ne", "maximum", "minimum", "logical_and", "logical_or")
} | {"operator.and_", "operator.or_", "operator.xor", "operator.iadd", "operator.imul"}
_ROUNDS = 2


def structural_hash(model: Model) -> str:
    """Return a hash of 32 hexadecimal digits that is equal for models that differ in names only.

    The hash depends on operations with their parameters, arguments of calls, edges with their order (except between the
    two inputs of a commutative operation), shared submodules, and nested graphs. It does not depend on names, labels,
    classes of the user's modules, weights, and the order of independent nodes.

    Limits: two models that compute the same function in different ways (``x + x`` and ``2 * x``; a block as a separate
    module or written out) have different hashes. The hash of a node is refined twice by the hashes of its inputs and
    its users, as in the Weisfeiler-Leman test; different graphs that the test does not distinguish share a hash.

    Raises:
        InvalidMutation: A graph has a cycle.
        GraphError: A parameter has no canonical form, or a choice is not fixed.
    """
    return _graph_hash(model, model.root_name)


def _graph_hash(model: Model, name: str) -> str:
    data = model.graphs[name]._data
    cells = {record.operation.cell for record in data.records.values() if record.operation.cell is not None}
    nested = {cell: _graph_hash(model, cell) for cell in sorted(cells)}
    key = json.dumps(nested, sort_keys=True)
    cached = data.cache.get("hash")
    if cached is None or cached[0] != key:
        cached = data.cache["hash"] = (key, _compute(data, name, nested))
    return str(cached[1])


def _compute(data: GraphData, name: str, nested: dict[str, str]) -> str:
    order = [INPUT_ID, *execution_order(data.records, name), OUTPUT_ID]
    colours = {node: _own_colour(data.records[node], data, nested) for node in order}
    for _ in range(_ROUNDS):
        colours = _with_inputs(data, order, colours)
        colours = _with_users(data, order, colours)
        colours = _with_members(data, order, colours)
    return _digest([colours[OUTPUT_ID], *sorted(colours.values()), len(data.input_names), *_idle(data)])


def _own_colour(record: NodeRecord, data: GraphData, nested: dict[str, str]) -> str:
    operation = record.operation
    parameters: Any = encode(dict(operation.parameters), record.name)
    if operation.kind is Kind.GRAPH:
        parameters = nested[operation.cell or ""]
    if operation.whole and operation.instance is not None:
        parameters = repr(operation.instance)
    if operation.kind is Kind.ATTRIBUTE:
        parameters = _attribute(str(operation.parameters["name"]), data)
    kind = "" if operation.kind is Kind.GRAPH else operation.type
    arguments = _normal(record)
    called = [encode(list(arguments.args), record.name), encode(dict(arguments.kwargs), record.name)]
    cast = [] if operation.cast == Cast() else [operation.cast.dtype, operation.cast.frozen]
    return _digest([operation.kind.value, kind, parameters, called, *cast])


def _normal(record: NodeRecord) -> Arguments:
    """Return arguments with `Inputs` replaced by one `Input` per edge, and slots numbered from 0."""
    slots = {slot: index for index, slot in enumerate(sorted(record.inputs))}
    args: list[Any] = []
    for value in record.arguments.args:
        if isinstance(value, Inputs):
            every = [Input(index) for index in slots.values()]
            args += every if value.spread else [every]
        else:
            args.append(value)

    def renumber(leaf: Any) -> Any:
        return Input(slots.get(leaf.slot, leaf.slot)) if isinstance(leaf, Input) else leaf

    return Arguments(tuple(args), record.arguments.kwargs).map(renumber)


def _attribute(path: str, data: GraphData) -> Any:
    tensor = next((tensor for tensor in data.module.tensors if tensor.path == path), None)
    if tensor is None:
        return path.rpartition(".")[2]
    value = encode(tensor.value, path) if tensor.kind == "constant" and tensor.value is not None else None
    return [tensor.kind, list(tensor.shape), tensor.dtype, tensor.requires_grad, value]


def _with_inputs(data: GraphData, order: list[int], colours: dict[int, str]) -> dict[int, str]:
    """Refine each colour by the colours of the node's inputs, in order."""
    refined: dict[int, str] = {}
    for node in order:
        record = data.records[node]
        inputs = [[refined.get(head, ""), slot or 0] for _, (head, slot) in sorted(record.inputs.items())]
        if record.operation.type in _COMMUTATIVE and len(inputs) == 2:
            inputs.sort(key=str)
        refined[node] = _digest([colours[node], inputs])
    return refined


def _with_users(data: GraphData, order: list[int], colours: dict[int, str]) -> dict[int, str]:
    """Refine each colour by the colours of the nodes that use the result, and by the slots."""
    users: dict[int, list[list[Any]]] = {node: [] for node in order}
    for node in order:
        record = data.records[node]
        commutes = record.operation.type in _COMMUTATIVE and len(record.inputs) == 2
        for index, (_, (head, slot)) in enumerate(sorted(record.inputs.items())):
            users[head].append([node, "any" if commutes else index, slot or 0])
    refined: dict[int, str] = {}
    for node in reversed(order):
        seen = sorted([refined[user], str(place), slot] for user, place, slot in users[node])
        refined[node] = _digest([colours[node], seen])
    return refined


def _with_members(data: GraphData, order: list[int], colours: dict[int, str]) -> dict[int, str]:
    """Refine the colours of nodes that share a submodule by each other."""
    shared: dict[str, list[str]] = {}
    for node in order:
        member = data.records[node].member
        if member is not None:
            shared.setdefault(member, []).append(colours[node])
    groups = {member: _digest(sorted(found)) for member, found in shared.items() if len(found) > 1}
    return {node: _digest([colours[node], groups.get(data.records[node].member or "", "")]) for node in order}


def _idle(data: GraphData) -> Iterable[str]:
    operations = data.module.idle.values()
    return sorted(_digest([item.type, encode(dict(item.parameters))]) for item in operations)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
