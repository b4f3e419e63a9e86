"""Python's syntax for operators, indexing and attributes, and which nodes use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from retiarii.graph._operations.nested_values import leaves
from retiarii.graph._operations.operation import Input, Inputs, Kind
from retiarii.graph._representation.graph_records import INPUT_ID, NodeRecord

BINARY = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "matmul": "@",
    "and_": "&", "or_": "|", "xor": "^", "lshift": "<<", "rshift": ">>",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip
IN_PLACE = {
    "iadd": "+=", "isub": "-=", "imul": "*=", "itruediv": "/=", "ifloordiv": "//=", "imod": "%=", "ipow": "**=",
    "imatmul": "@=", "iand": "&=", "ior": "|=", "ixor": "^=", "ilshift": "<<=", "irshift": ">>=",
}  # fmt: skip
UNARY = {"neg": "-", "pos": "+", "invert": "~"}
_NUMBERS = {"add", "sub", "mul", "truediv", "floordiv", "mod", "neg", "pow"}
_RESHAPING = {
    "squeeze_", "unsqueeze_", "transpose_", "t_", "swapaxes_", "swapdims_", "resize_", "resize_as_", "set_",
    "as_strided_", "append", "extend", "insert", "pop", "clear", "update", "remove", "reverse", "setdefault", "popitem",
}  # fmt: skip
_MAX_DEPTH = 20
_SHAPE_METHODS = {"size", "dim", "numel", "ndimension"}
_SHAPE_ATTRIBUTES = {"shape", "ndim", "device", "dtype"}


def operator_of(record: NodeRecord) -> str | None:
    """Return the name of a function of the module ``operator``, or None."""
    if record.operation.kind is not Kind.FUNCTION or not record.operation.type.startswith("operator."):
        return None
    return record.operation.short_type


def changes_shape(record: NodeRecord) -> bool:
    """Return whether a node may change the shape of its input in place, or the items of a list or dict."""
    return record.operation.kind is Kind.METHOD and record.operation.type in _RESHAPING


def is_shape_query(record: NodeRecord) -> bool:
    """Return whether a node asks a tensor for its shape, dtype or device."""
    if record.operation.kind is Kind.METHOD:
        return record.operation.type in _SHAPE_METHODS and len(record.inputs) == 1
    is_attribute = record.operation.type == "builtins.getattr" and len(record.arguments.args) == 2
    return is_attribute and record.arguments.args[1] in _SHAPE_ATTRIBUTES


def is_index(record: NodeRecord) -> bool:
    """Return whether a node reads a constant element or slice without a copy: ``x[0]``, ``x[:, 1:]``."""
    if operator_of(record) != "getitem" or len(record.inputs) != 1 or len(record.arguments.args) != 2:
        return False
    key = record.arguments.args[1]
    is_copy = any(isinstance(part, (list, bool)) for part in (key if isinstance(key, tuple) else (key,)))
    return not is_copy and not any(isinstance(leaf, (Input, Inputs)) for leaf in leaves(key))


def is_scalar_function(record: NodeRecord) -> bool:
    """Return whether a node is arithmetic that plain numbers support."""
    return operator_of(record) in _NUMBERS


def computes_number(
    record: NodeRecord,
    records: Mapping[int, NodeRecord],
    is_number: Callable[[NodeRecord], bool] = is_shape_query,
    depth: int = 0,
) -> bool:
    """Return whether a node computes a number from the shapes of tensors: by queries, indices and arithmetic only.

    Args:
        record: The node.
        records: The nodes of its graph; inputs that are not among them do not count.
        is_number: Whether a node is such a query.
        depth: How many nodes it is away from the one that was asked about.
    """
    if is_number(record):
        return True
    if depth > _MAX_DEPTH or not record.inputs or not (is_index(record) or is_scalar_function(record)):
        return False
    heads = [records[head] for head, _ in record.inputs.values() if head in records]
    return all(head.id != INPUT_ID and computes_number(head, records, is_number, depth + 1) for head in heads)


def is_positional(record: NodeRecord, count: int) -> bool:
    """Return whether a node is called with exactly this number of positional arguments and no keyword arguments."""
    args, kwargs = record.arguments.args, record.arguments.kwargs
    if kwargs:
        return False
    if len(args) == 1 and isinstance(args[0], Inputs):
        return args[0].spread and len(record.inputs) == count
    return len(args) == count


def index_source(key: Any, write: Any) -> str:
    """Return the source between the brackets of ``x[...]``.

    Args:
        key: The index: a value, a slice, a tuple of these.
        write: Returns the source of a value.
    """
    if isinstance(key, tuple) and key and not isinstance(key, Input):
        parts = [index_source(item, write) if not isinstance(item, tuple) else write(item) for item in key]
        return ", ".join(parts) + ("," if len(parts) == 1 else "")
    if isinstance(key, slice):
        start, stop, step = ("" if part is None else write(part) for part in (key.start, key.stop, key.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return str(write(key))
