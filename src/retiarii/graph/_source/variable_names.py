"""`choose_names`: readable variable names for a generated ``forward``.

A value that only the next statement uses keeps its variable (``x = self.conv(x)``), a value that is used later gets a
variable of its own (``out``, or the name of its layer), and small expressions that are used once
(``x.shape[0]``) get none.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retiarii.graph._operations.operation import Kind
from retiarii.graph._representation.graph_records import INPUT_ID, OUTPUT_ID, GraphData, NodeRecord, Source
from retiarii.graph._source.literals import RESERVED
from retiarii.graph._source.python_syntax import changes_shape, computes_number, is_index, is_shape_query

_MERGES = {f"operator.{name}" for name in ("add", "iadd", "mul", "imul", "sub", "truediv")} | {"torch.add", "torch.mul"}
_LIBRARIES = ("torch.", "operator.", "math.", "builtins.")
_MODULES = (Kind.MODULE, Kind.GRAPH, Kind.CHOICE)


@dataclass(frozen=True)
class Names:
    """The result of `choose_names`.

    Attributes:
        inline: Nodes that are written where they are used.
        variables: Node, or input of the graph, to its variable; nodes that are inline or never used have none.
    """

    inline: frozenset[int]
    variables: Mapping[Source, str]


def choose_names(data: GraphData, order: Sequence[int]) -> Names:
    """Return which nodes are written inline, and the variables of all others.

    Args:
        data: The graph.
        order: Its nodes in the order of execution.
    """
    users = _users(data, order)
    if any(changes_shape(data.records[node]) for node in order):  # so a shape must be read at its place
        inline = frozenset(node for node in order if data.records[node].operation.kind is Kind.ATTRIBUTE)
    else:
        inline = frozenset(node for node in order if _is_inline(data.records[node], data, users[node]))
    return Names(inline, _Namer(data, order, inline).variables())


def _users(data: GraphData, order: Sequence[int]) -> dict[int, list[NodeRecord]]:
    found: dict[int, list[NodeRecord]] = {node: [] for node in (INPUT_ID, *order)}
    for node in (*order, OUTPUT_ID):
        for head, _ in data.records[node].inputs.values():
            found[head].append(data.records[node])
    return found


def _is_inline(record: NodeRecord, data: GraphData, users: Sequence[NodeRecord]) -> bool:
    if record.operation.kind is Kind.ATTRIBUTE:
        return True
    if len(users) != 1:
        return bool(users) and is_shape_query(record) and all(map(is_index, users))
    return is_index(record) or computes_number(record, data.records)


class _Namer:
    """Assigns variables in one pass over the statements of a graph."""

    def __init__(self, data: GraphData, order: Sequence[int], inline: frozenset[int]) -> None:
        self._data = data
        self._inline = inline
        self._statements = [*(node for node in order if node not in inline), OUTPUT_ID]
        self._needs = {node: self._needed(node) for node in self._statements}
        self._uses: dict[Source, list[int]] = {}
        for position, node in enumerate(self._statements):
            for source in self._needs[node]:
                self._uses.setdefault(source, []).append(position)
        self._names: dict[Source, str] = {(INPUT_ID, slot): name for slot, name in enumerate(data.input_names)}
        self._main = data.input_names[0] if data.input_names else "x"
        self._flowing: set[str] = {self._main}  # names for values that are passed on
        self._holder: dict[str, Source] = {name: source for source, name in self._names.items()}

    def variables(self) -> dict[Source, str]:
        for position, node in enumerate(self._statements[:-1]):
            source: Source = (node, None)
            if source in self._uses:
                name = self._choose(node, position)
                self._names[source] = name
                self._holder[name] = source
        return self._names

    def _needed(self, node: int) -> list[Source]:
        """Return the values that a statement reads, also in its inline parts."""
        found: dict[Source, None] = {}
        for head, slot in self._data.records[node].inputs.values():
            if head == INPUT_ID:
                found[head, slot or 0] = None
            elif head in self._inline:
                found.update(dict.fromkeys(self._needed(head)))
            else:
                found[head, None] = None
        return list(found)

    def _choose(self, node: int, position: int) -> str:
        record = self._data.records[node]
        if record.operation.kind in _MODULES and len(self._uses[node, None]) > 1:
            return self._free(_own_name(record), position)
        reused = self._reusable(record, position)
        if reused is not None and reused in self._flowing:
            return reused
        if self._is_free(self._main, position):
            return self._main
        if reused is not None:
            return reused
        if self._flows_on(node):
            name = self._free("out", position)
            self._flowing.add(name)
            return name
        return self._free(self._index_name(record) or _own_name(record), position)

    def _index_name(self, record: NodeRecord) -> str | None:
        """Return a name for an element: ``size_0`` of a shape, ``chunk_1`` of chunks."""
        if not is_index(record) or not isinstance(record.arguments.args[1], int):
            return None
        ((head, _),) = record.inputs.values()
        base = "size" if is_shape_query(self._data.records[head]) else self._names.get((head, None), "item")
        return f"{base}_{abs(record.arguments.args[1])}"

    def _reusable(self, record: NodeRecord, position: int) -> str | None:
        """Return the variable of an input that no later statement reads."""
        needs = self._needs[record.id]
        merges = record.operation.type in _MERGES
        if len(needs) > 1 and not merges:
            return None
        for source in needs:
            last = self._uses[source][-1] == position
            if last and (merges or len(self._uses[source]) == 1):
                return self._names[source]
        return None

    def _flows_on(self, node: int) -> bool:
        """Return whether the value has one user, which has no other input."""
        uses = self._uses[node, None]
        user = self._statements[uses[0]]
        return len(uses) == 1 and user != OUTPUT_ID and len(self._needs[user]) == 1

    def _is_free(self, name: str, position: int) -> bool:
        holder = self._holder.get(name)
        return holder is None or self._uses.get(holder, [-1])[-1] <= position

    def _free(self, name: str, position: int) -> str:
        candidate, number = name, 2
        while candidate in self._holder and not (name == "out" and self._is_free(candidate, position)):
            candidate, number = f"{name}{number}" if name == "out" else f"{name}_{number}", number + 1
        return candidate


def _own_name(record: NodeRecord) -> str:
    parts = [part for part in (record.member or "").split(".") if part and not part.isdigit()]
    if record.operation.kind in _MODULES and parts and (record.member or "").split(".")[-1] == parts[-1]:
        name = parts[-1]
    else:
        name = record.name if record.operation.kind in _MODULES else record.operation.short_type
    name = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_").lower() or "value"
    if record.operation.kind is Kind.FUNCTION and not record.operation.type.startswith(_LIBRARIES):
        name = f"{name}_result"  # the name of the function
    if keyword.iskeyword(name) or hasattr(builtins, name) or name in RESERVED or name[0].isdigit():
        return f"{name}_" if not name[0].isdigit() else f"value_{name}"
    return name
