"""`plan_classes`: one class for all graphs that differ only in constants, which become constructor parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from retiarii.graph._building.module_builder import chain_members, check_fixed
from retiarii.graph._exporting.init_statements import InitWriter, Statement, sequential
from retiarii.graph._exporting.snippets import Call, Constant, Snippet, calls, constants, skeleton
from retiarii.graph._exporting.user_source import UserSource
from retiarii.graph._operations.layer_construction import layer_type, source_arguments
from retiarii.graph._operations.operation import Kind, Operation
from retiarii.graph._operations.safe_names import class_name, is_name
from retiarii.graph._operations.torch_layers import constructor_signature
from retiarii.graph._representation.execution_order import check_inputs
from retiarii.graph._representation.graph_records import GraphData, full_path
from retiarii.graph._representation.model import Model
from retiarii.graph._source.forward_source import forward_source
from retiarii.graph._source.literals import Literals


@dataclass
class ClassPlan:
    """One class of the exported file.

    Attributes:
        name: The name of the class.
        base: The name of its base class in ``torch.nn``.
        input_names: The parameters of ``forward``.
        forward: The lines of ``forward``; None if it is inherited.
        statements: The statements of ``__init__`` for each graph of this class, by the graph's name.
        parameters: Name of a constructor parameter to the constants that it stands for.
    """

    name: str
    base: str
    input_names: tuple[str, ...]
    forward: list[str] | None
    statements: dict[str, list[Statement]] = field(default_factory=dict)
    parameters: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def arguments(self, graph: str) -> dict[str, str]:
        """Return the constructor arguments of a graph of this class, as source."""
        sources = {constant.key: constant.source for constant in _constants(self.statements[graph])}
        return {name: sources[keys[0]] for name, keys in self.parameters.items()}


def plan_classes(model: Model, literals: Literals, names: UserSource) -> list[ClassPlan]:
    """Return the classes of a model, each after the classes that it uses.

    Args:
        model: A model whose choices are fixed.
        literals: Writes constants.
        names: The names in the exported file.

    Raises:
        GraphError: A choice is left, or a constant has no source.
        InvalidMutation: A graph cannot run.
    """
    return _Planner(model, literals, names).plan()


class _Planner:
    def __init__(self, model: Model, literals: Literals, names: UserSource) -> None:
        self._model = model
        self._literals = literals
        self._names = names
        self._class_of: dict[str, ClassPlan] = {}
        self._running = {name: check_inputs(graph._data, name) for name, graph in model.graphs.items()}

    def plan(self) -> list[ClassPlan]:
        plans: list[ClassPlan] = []
        for level in self._levels():
            plans += self._plan_level(level)
        return plans

    def _levels(self) -> list[list[str]]:
        """Return the names of the graphs that are used, by level: graphs without nested graphs first, the root last."""
        height: dict[str, int] = {}

        def visit(name: str) -> int:
            if name not in height:
                height[name] = 1 + max((visit(cell) for cell in self._cells(name)), default=-1)
            return height[name]

        visit(self._model.root_name)
        levels: list[list[str]] = [[] for _ in range(max(height.values()) + 1)]
        for name in self._model.graphs:
            if name in height:
                levels[height[name]].append(name)
        return levels

    def _cells(self, name: str) -> list[str]:
        records = self._model.graphs[name]._data.records
        operations = (records[node].operation for node in self._running[name])
        return [operation.cell for operation in operations if operation.cell is not None]

    def _plan_level(self, level: list[str]) -> list[ClassPlan]:
        groups: dict[Any, ClassPlan] = {}
        for name in level:
            data = self._model.graphs[name]._data
            if self._plain_chain(name) is not None:
                continue  # written as nn.Sequential(...) where it is used
            base, forward = self._body(name, data)
            statements = InitWriter(
                self._model, name, self._running[name], self._literals, self.construction
            ).statements()
            key = (data.module.type, base, data.input_names, tuple(forward or ()), _skeleton(statements))
            if key not in groups:
                groups[key] = ClassPlan("", base, data.input_names, forward)
            groups[key].statements[name] = statements
            self._class_of[name] = groups[key]
        for plan in groups.values():
            first = self._model.graphs[next(iter(plan.statements))]
            plan.name = self._names.reserve(_class_name(first._data))
            _unify(plan)
            plan.parameters = _parameters(plan, self._names)
        return list(groups.values())

    def _plain_chain(self, name: str) -> list[str] | None:
        """Return the members of a graph that is just a ``torch.nn.Sequential``."""
        data = self._model.graphs[name]._data
        if data.module.type != "torch.nn.Sequential" or name == self._model.root_name:
            return None
        return chain_members(data, self._running[name])

    def _body(self, name: str, data: GraphData) -> tuple[str, list[str] | None]:
        if chain_members(data, self._running[name]) is not None:
            return "Sequential", None
        return data.module.base, forward_source(data, name, self._literals)

    def construction(self, operation: Operation, path: str, key: str) -> Snippet:
        """Return the expression that builds a member of a graph.

        Args:
            operation: The operation of the node.
            path: The path of the member in the model.
            key: The path of the member in its class.
        """
        if operation.kind is Kind.GRAPH:
            assert operation.cell is not None
            return self._cell(operation.cell, key)
        check_fixed(operation, path)
        return _layer(operation, path, key, self._literals)

    def _cell(self, cell: str, key: str) -> Snippet:
        plan = self._class_of.get(cell)
        if plan is not None:
            arguments = plan.arguments(cell)
            return Call(plan.name, [], {name: Constant(f"{key}.{name}", name, arguments[name]) for name in arguments})
        members = self._plain_chain(cell)
        assert members is not None
        data = self._model.graphs[cell]._data
        by_member = {data.records[node].member: data.records[node].operation for node in self._running[cell]}
        parts = [
            (member, self.construction(by_member[member], full_path(cell, member), f"{key}.{member}"))
            for member in members
        ]
        return sequential(self._literals.name("torch.nn.Sequential"), parts, self._literals)


def _layer(operation: Operation, path: str, key: str, literals: Literals) -> Snippet:
    """Return the constructor call of a layer; each argument is a constant that may become a parameter."""
    args, kwargs = source_arguments(operation, path)
    names = list(constructor_signature(layer_type(operation, path)).parameters)
    function = literals.name(operation.type, operation.target)
    if operation.cast.dtype is not None:
        literals.imports.add("import torch")

    def constant(name: str, value: Any) -> Constant:
        return Constant(f"{key}.{name}", name, literals.value(value, path))

    positional = [constant(name, value) for name, value in zip(names, args, strict=False)]
    positional += [constant(f"argument_{at}", args[at]) for at in range(len(names), len(args))]
    named = {name: constant(name, value) for name, value in kwargs.items()}
    return Call(function, positional, named, operation.cast.source, layer_type(operation, path))


def _class_name(data: GraphData) -> str:
    if data.module.type.startswith("torch.nn."):
        return {"Sequential": "Chain"}.get(data.module.class_name, data.module.class_name)
    return class_name(data.module.class_name)


def _constants(statements: list[Statement]) -> Iterator[Constant]:
    for statement in statements:
        yield from constants(statement.expression)


def _skeleton(statements: list[Statement]) -> tuple[str, ...]:
    """Return the statements without their constants: equal for graphs that can share a class."""
    return tuple(f"{statement.target} {skeleton(statement.expression)}" for statement in statements)


def _unify(plan: ClassPlan) -> None:
    """Add the defaults of arguments that only some graphs of a class pass, so that all pass the same arguments."""
    if len(plan.statements) == 1:
        return
    rows = [[call for item in items for call in calls(item.expression)] for items in plan.statements.values()]
    for twins in zip(*rows, strict=True):
        names = {name for call in twins for name in call.kwargs}
        for call in twins:
            call.add_defaults(names)


def _parameters(plan: ClassPlan, names: UserSource) -> dict[str, tuple[str, ...]]:
    """Return the constants that differ between the graphs of a class; constants that always agree share a name."""
    columns: dict[str, list[str]] = {}
    known: dict[str, Constant] = {}
    for statements in plan.statements.values():
        for constant in _constants(statements):
            columns.setdefault(constant.key, []).append(constant.source)
            known.setdefault(constant.key, constant)
    groups: dict[tuple[str, ...], list[str]] = {}
    for key, values in columns.items():
        if len(set(values)) > 1:
            groups.setdefault(tuple(values), []).append(key)
    found: dict[str, tuple[str, ...]] = {}
    for keys in groups.values():
        name = _parameter_name(known[keys[0]], found, names)
        found[name] = tuple(keys)
    return found


def _parameter_name(constant: Constant, taken: Mapping[str, Any], names: UserSource) -> str:
    """Return a parameter name that hides no name that the constructors of the file use."""
    if constant.name not in taken and is_name(constant.name) and not names.is_used(constant.name):
        return constant.name
    parts = re.sub(r"\W", "_", constant.key, flags=re.ASCII).strip("_").split("_")
    name = "_".join(part for part in parts if part) or "value"
    if name[0].isdigit() or not is_name(name):
        name = f"layer_{name}"
    number, candidate = 2, name
    while candidate in taken or names.is_used(candidate):
        candidate, number = f"{name}_{number}", number + 1
    return candidate
