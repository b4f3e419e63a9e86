"""`forward_source`: the body of a ``forward`` from a graph, in the user's order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from retiarii.errors import GraphError
from retiarii.graph._operations.layer_construction import function_of, public_name
from retiarii.graph._operations.operation import Input, Inputs, Kind
from retiarii.graph._operations.safe_names import is_name, keyword_argument, quoted
from retiarii.graph._representation.execution_order import check_inputs
from retiarii.graph._representation.graph_records import INPUT_ID, OUTPUT_ID, GraphData, NodeRecord, Source, full_path
from retiarii.graph._source.literals import Literals
from retiarii.graph._source.python_syntax import BINARY, IN_PLACE, UNARY, index_source, is_positional, operator_of
from retiarii.graph._source.variable_names import Names, choose_names


def forward_source(data: GraphData, graph: str, literals: Literals) -> list[str]:
    """Return the lines of the body of ``forward``, without indentation.

    Args:
        data: The graph.
        graph: Its name, for messages.
        literals: Writes constants and the names of functions.

    Raises:
        InvalidMutation: The graph cannot run.
        GraphError: A constant has no source.
    """
    order = check_inputs(data, graph)
    return _ForwardWriter(data, graph, literals, choose_names(data, order)).lines(order)


class _ForwardWriter:
    """Writes the statements of one graph."""

    def __init__(self, data: GraphData, graph: str, literals: Literals, names: Names) -> None:
        self._data = data
        self._graph = graph
        self._literals = literals
        self._names = names

    def lines(self, order: list[int]) -> list[str]:
        lines: list[str] = []
        for node in order:
            if node in self._names.inline:
                continue
            lines.append(self._statement(self._data.records[node]))
        returned = self._expression(self._data.records[OUTPUT_ID])
        last = self._data.records[OUTPUT_ID].inputs.get(0)
        if lines and last is not None and lines[-1].startswith(f"{returned} = ") and last[0] == order[-1]:
            lines[-1] = f"return {lines[-1].partition(' = ')[2]}"
        else:
            lines.append(f"return {returned}")
        return lines

    def _statement(self, record: NodeRecord) -> str:
        variable = self._names.variables.get((record.id, None))
        sign = IN_PLACE.get(operator_of(record) or "")
        if sign is not None and is_positional(record, 2) and isinstance(record.arguments.args[0], Input):
            left, right = self._arguments(record)
            if variable in (None, left) and left.replace(".", "").isidentifier():
                return f"{left} {sign} {right}"
        if operator_of(record) == "setitem" and is_positional(record, 3) and variable is None:
            head, _, value = self._arguments(record)
            key = index_source(record.arguments.args[1], lambda item: self._value(item, record))
            return f"{_atom(head)}[{key}] = {value}"
        expression = self._expression(record)
        return f"{variable} = {expression}" if variable is not None else expression

    def _expression(self, record: NodeRecord) -> str:
        kind = record.operation.kind
        if kind is Kind.OUTPUT:
            (value,) = record.arguments.args
            return self._value(value, record)
        if kind is Kind.ATTRIBUTE:
            return member_source(str(record.operation.parameters["name"]), self._data)
        if kind in (Kind.METHOD, Kind.FUNCTION):
            function_of(record.operation, full_path(self._graph, record.name))  # raises if it is not allowed
        if kind is Kind.METHOD:
            head, *rest = self._arguments(record)
            return f"{_owner(head)}.{record.operation.type}({', '.join(rest)})"
        if kind is Kind.FUNCTION:
            return self._operator(record) or self._call(record)
        assert record.member is not None
        return f"{member_source(record.member, self._data)}({', '.join(self._arguments(record))})"

    def _call(self, record: NodeRecord) -> str:
        name = self._literals.name(record.operation.type, function_of(record.operation, record.name))
        return f"{name}({', '.join(self._arguments(record))})"

    def _operator(self, record: NodeRecord) -> str | None:
        """Return a call of ``operator`` in Python's syntax, such as ``a + b``; None for other calls."""
        if record.operation.type == "builtins.getattr":
            return self._attribute(record)
        name = operator_of(record)
        if name in BINARY and is_positional(record, 2):
            left, right = (self._operand(record, index) for index in range(2))
            return f"{left} {BINARY[name]} {right}"
        if name in UNARY and is_positional(record, 1):
            return f"{UNARY[name]}{self._operand(record, 0)}"
        if name == "getitem" and is_positional(record, 2) and _can_be_indexed(*record.arguments.args):
            head = self._operand(record, 0)
            if isinstance(record.arguments.args[0], Inputs):
                return f"{head}[{self._operand(record, 1)}]"
            return f"{head}[{index_source(record.arguments.args[1], lambda value: self._value(value, record))}]"
        return None

    def _attribute(self, record: NodeRecord) -> str:
        path = full_path(self._graph, record.name)
        if not is_positional(record, 2):
            raise GraphError(f"Node {path!r} calls getattr() with other arguments than a value and a name.", node=path)
        head, _ = self._arguments(record)
        return f"{_owner(head)}.{public_name(record.arguments.args[-1], path)}"

    def _operand(self, record: NodeRecord, index: int) -> str:
        return _atom(self._arguments(record)[index])

    def _arguments(self, record: NodeRecord) -> list[str]:
        parts: list[str] = []
        for value in record.arguments.args:
            if isinstance(value, Inputs) and value.spread:
                parts += [self._source(record.inputs[slot]) for slot in sorted(record.inputs)]
            else:
                parts.append(self._value(value, record))
        kwargs = record.arguments.kwargs
        parts += [keyword_argument(name, self._value(value, record)) for name, value in kwargs.items()]
        return parts

    def _value(self, value: Any, record: NodeRecord) -> str:
        """Return the source of an argument, whose leaves may be edges."""

        def edge(marker: Input | Inputs) -> str:
            if isinstance(marker, Input):
                return self._source(record.inputs[marker.slot])
            return f"[{', '.join(self._source(record.inputs[slot]) for slot in sorted(record.inputs))}]"

        return self._literals.value(value, full_path(self._graph, record.name), edge)

    def _source(self, source: Source) -> str:
        head, slot = source
        if head == INPUT_ID:
            return self._names.variables[INPUT_ID, slot or 0]
        if head in self._names.inline:
            text = self._expression(self._data.records[head])
        else:
            text = self._names.variables[head, None]
        return text if slot is None else f"{_atom(text)}[{slot}]"


def _can_be_indexed(head: Any, index: Any) -> bool:
    """Return whether ``head[index]`` can be written: Python's compiler warns if it sees that indexing must fail."""
    if isinstance(head, (Inputs, list, tuple)):
        return isinstance(index, (int, slice, Input))
    return not (head is None or head is ... or isinstance(head, (bool, int, float, complex, str)))


def _atom(text: str) -> str:
    """Return an expression, in parentheses if an operator beside it could bind tighter."""
    depth = 0
    for index, letter in enumerate(text):
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == " " and depth == 0:
            return f"({text})"
        elif letter in "-+~" and index == 0:
            return f"({text})"
    return text


def _owner(text: str) -> str:
    """Return an expression for reading its attribute: ``1.real`` is a syntax error, so numbers get parentheses."""
    return f"({text})" if text.isdigit() else _atom(text)


def member_source(path: str, data: GraphData) -> str:
    """Return the source for a submodule or tensor of ``self``: ``self.blocks[0].conv``.

    Numbers become indices in lists, and in a ``Sequential`` whose numbers are in order; names become keys in dicts.
    """
    text, holder, prefix = "self", data.module.base, ""
    for name in path.split("."):
        if holder in ("ModuleDict", "ParameterDict"):
            text += f"[{quoted(name)}]"
        elif holder in ("ModuleList", "Sequential", "ParameterList") and _is_index_of(name, prefix, data):
            text += f"[{name}]"
        else:
            text = f"{text}.{name}" if is_name(name) else f"getattr({text}, {quoted(name)})"
        prefix = f"{prefix}.{name}" if prefix else name
        holder = data.module.containers.get(prefix, "Module")
    return text


def _is_index_of(name: str, holder: str, data: GraphData) -> bool:
    if not holder:
        names = list(child_names(data))
        return name in names and names == [str(index) for index in range(len(names))]
    key = f"numbered {holder}"
    if key not in data.cache:
        data.cache[key] = is_numbered(children_of(holder, data))
    return bool(data.cache[key])


def children_of(holder: str, data: GraphData) -> list[str]:
    """Return the names of the children of a container in the traced module, in order."""
    start = f"{holder}."
    return [
        path[len(start) :] for path in data.module.order if path.startswith(start) and "." not in path[len(start) :]
    ]


def is_numbered(names: Sequence[str]) -> bool:
    """Return whether names are numbers in ascending order, so that a list with gaps can have them as indices."""
    numbers = [int(name) for name in names if re.fullmatch("0|[1-9][0-9]*", name)]
    return len(numbers) == len(names) and numbers == sorted(numbers)


def child_names(data: GraphData) -> dict[str, None]:
    """Return the names of the direct submodules: those of the traced module in their order, then new ones.

    In a chain (a ``Sequential``), the order is that of execution.
    """
    members = dict.fromkeys(record.member for record in data.records.values() if record.member is not None)
    kept = {*members, *data.module.idle, *data.module.aliases, *data.module.containers}
    roots = {path.partition(".")[0] for path in kept}
    names = dict.fromkeys(name for name in data.module.order if "." not in name and name in roots)
    names.update(dict.fromkeys(member.partition(".")[0] for member in members))
    return names
