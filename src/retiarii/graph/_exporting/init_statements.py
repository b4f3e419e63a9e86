"""`InitWriter`: the statements of a generated ``__init__``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from retiarii.graph._building.module_builder import build_module, chain_members, holders, lasting_ties
from retiarii.graph._exporting.snippets import Call, Constant, Snippet
from retiarii.graph._operations.operation import Operation
from retiarii.graph._operations.safe_names import is_name, quoted
from retiarii.graph._representation.graph_records import TensorRecord, full_path
from retiarii.graph._representation.model import Model
from retiarii.graph._source.forward_source import children_of, is_numbered, member_source
from retiarii.graph._source.literals import Literals

Construct = Callable[[Operation, str, str], Snippet]


@dataclass
class Statement:
    """One line of ``__init__``: an assignment, or (with an empty target) an expression."""

    target: str
    expression: Snippet


def sequential(function: str, parts: list[tuple[str, Snippet]], literals: Literals) -> Snippet:
    """Return a call that takes modules as ``nn.Sequential`` does, with names unless the names are 0, 1, 2, ...

    Args:
        function: The source of the function.
        parts: Name to the expression of each module.
        literals: Collects the imports.
    """
    if [name for name, _ in parts] == [str(index) for index in range(len(parts))]:
        return Call(function, [part for _, part in parts])
    literals.imports.add("from collections import OrderedDict")
    pairs = [Call("", [quoted(name), part]) for name, part in parts]
    return Call(function, [Call("OrderedDict", [Call("[", pairs)])])


class InitWriter:
    """Writes the submodules, containers, parameters and buffers of a graph's module, in the order of registration.

    Args:
        model: The model.
        name: The graph.
        running: The nodes of the graph that run.
        literals: Writes constants.
        construct: Returns the expression for a member, from its operation, its path in the model, and its key.
    """

    def __init__(self, model: Model, name: str, running: list[int], literals: Literals, construct: Construct) -> None:
        self._model = model
        self._name = name
        self._data = model.graphs[name]._data
        self._module = self._data.module
        self._literals = literals
        self._construct = construct
        records = (self._data.records[node] for node in running)
        self._members = {record.member: record.operation for record in records if record.member is not None}
        self._members.update(self._module.idle)
        self._tensors = {tensor.path: tensor for tensor in self._module.tensors}
        self._containers = dict(holders(self._data, running))
        self._chain = chain_members(self._data, running)

    def statements(self) -> list[Statement]:
        """Return the statements, the call of the base class's constructor first."""
        members = [(name, self._expression(name)) for name in self._chain or ()]
        lines = [Statement("", sequential("super().__init__", members, self._literals))]
        if self._chain is None:
            for name in self._children(""):
                lines += self._declaration(name)
            for alias, path in self._module.aliases.items():
                if path in self._members or path in self._containers:
                    lines.append(self._alias(alias, path))
        if self._name == self._model.root_name:
            lines += self._ties()
        return lines

    def _alias(self, alias: str, path: str) -> Statement:
        """Return the assignment that gives a submodule a further name."""
        target, original = self._access(alias), self._access(path)
        if not target.endswith(")"):
            return Statement(target, original)
        owner, _, name = alias.rpartition(".")
        return Statement("", Call(f"{self._access(owner)}.add_module", [quoted(name), original]))

    def _ties(self) -> Iterator[Statement]:
        """Yield the assignments that let submodules share submodules, parameters and buffers."""
        if not self._module.ties:
            return
        for alias, path in lasting_ties(build_module(self._model), self._model):
            if all(map(is_name, (*alias.split("."), *path.split(".")))):
                yield Statement(f"self.{alias}", f"self.{path}")
                continue
            owner, _, name = alias.rpartition(".")
            place, _, first = path.rpartition(".")
            original = f"getattr(self.get_submodule({quoted(place)}), {quoted(first)})"
            call = Call("setattr", [f"self.get_submodule({quoted(owner)})", quoted(name), original])
            yield Statement("", call)

    def _children(self, prefix: str) -> list[str]:
        """Return the paths right below a prefix, in the order of registration, new ones last."""
        every = [*self._tensors, *self._members, *self._containers]
        below = [path for path in every if path.startswith(prefix) and "." not in path[len(prefix) :]]
        order = {path: index for index, path in enumerate(self._module.order)}
        return sorted(dict.fromkeys(below), key=lambda path: order.get(path, len(order)))

    def _declaration(self, path: str) -> Iterator[Statement]:
        tensor = self._tensors.get(path)
        if tensor is not None and tensor.kind != "parameter":
            yield Statement("", self._buffer(tensor))
            return
        name = path.rpartition(".")[2]
        if is_name(name):
            yield Statement(self._access(path), self._expression(path))
        else:
            owner = self._access(path.rpartition(".")[0])
            register = "add_module" if tensor is None else "register_parameter"
            yield Statement("", Call(f"{owner}.{register}", [quoted(name), self._expression(path)]))
        if self._containers.get(path) == "Module":
            for child in self._children(f"{path}."):
                yield from self._declaration(child)

    def _access(self, path: str) -> str:
        return member_source(path, self._data) if path else "self"

    def _expression(self, path: str) -> Snippet:
        tensor = self._tensors.get(path)
        if tensor is not None:
            return self._parameter(tensor)
        if path in self._members:
            return self._construct(self._members[path], full_path(self._name, path), path)
        return self._container(path, self._containers[path])

    def _container(self, path: str, kind: str) -> Snippet:
        function = self._literals.name(f"torch.nn.{kind}")
        if kind == "Module":
            return Call(function, [])
        children = {child.rpartition(".")[2]: child for child in self._children(f"{path}.")}
        if kind in ("ModuleDict", "ParameterDict"):
            items = [Call("", [quoted(name), self._expression(child)]) for name, child in children.items()]
            return Call(function, [Call("dict", [Call("[", items)])])
        if kind == "Sequential" and not is_numbered(children_of(path, self._data)):
            return sequential(function, [(n, self._expression(child)) for n, child in children.items()], self._literals)
        last = max((int(name) for name in children), default=-1)
        gap = self._literals.name("torch.nn.Identity") + "()"
        parts = [self._expression(children[str(index)]) if str(index) in children else gap for index in range(last + 1)]
        return Call(function, parts if kind == "Sequential" else [Call("[", parts)])

    def _parameter(self, tensor: TensorRecord) -> Snippet:
        flags: dict[str, Snippet] = {} if tensor.requires_grad else {"requires_grad": "False"}
        return Call(self._literals.name("torch.nn.Parameter"), [self._value(tensor)], flags)

    def _buffer(self, tensor: TensorRecord) -> Snippet:
        owner, _, name = tensor.path.rpartition(".")
        is_state = tensor.kind == "buffer" and tensor.persistent
        flags: dict[str, Snippet] = {} if is_state else {"persistent": "False"}
        return Call(f"{self._access(owner)}.register_buffer", [quoted(name), self._value(tensor)], flags)

    def _value(self, tensor: TensorRecord) -> Snippet:
        """Return the initial value: the values of a buffer, or numbers that loading weights replaces."""
        self._literals.imports.add("import torch")
        shape = Constant(f"{tensor.path}.shape", "shape", self._literals.value(tuple(tensor.shape)))
        kind: dict[str, Snippet] = {} if tensor.dtype == "float32" else {"dtype": f"torch.{tensor.dtype}"}
        if tensor.fill is not None:
            plain = {0.0: "torch.zeros", 1.0: "torch.ones"}.get(tensor.fill)
            if plain is not None:
                return Call(plain, [shape], kind)
            return Call("torch.full", [shape, self._literals.value(tensor.fill)], kind)
        if tensor.value is not None and tensor.kind != "parameter":
            values = self._literals.value(tensor.value.detach(), full_path(self._name, tensor.path))
            return Constant(f"{tensor.path}.value", "value", values)
        if getattr(torch, tensor.dtype).is_floating_point:
            return Call("torch.randn", [shape], kind, suffix=" * 0.02")
        return Call("torch.zeros", [shape], kind)
