"""`build_module`: from a `Model` to a PyTorch module.

Each graph becomes a class whose ``forward`` is compiled from the source that `export_code` writes. So both
compute the same to the last bit, and a call costs the same as in hand-written code. The source contains names and
constants of the graph only; it is compiled once, in a namespace that holds nothing but the functions it calls.
Submodules are constructed directly, and keep the weights of the traced model where the graph did not change them.
"""

from __future__ import annotations

import base64
import functools
import itertools
import linecache
import math
import operator
import weakref
import zlib
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

import torch
from torch import nn

from retiarii.errors import GraphError
from retiarii.graph._operations.layer_construction import build_layer
from retiarii.graph._operations.operation import Input, Inputs, Kind, Operation
from retiarii.graph._operations.qualified_names import type_name
from retiarii.graph._operations.safe_names import class_name
from retiarii.graph._representation.execution_order import check_inputs
from retiarii.graph._representation.graph_records import (
    CONTAINERS,
    INPUT_ID,
    OUTPUT_ID,
    GraphData,
    TensorRecord,
    full_path,
)
from retiarii.graph._representation.model import Model
from retiarii.graph._source.forward_source import children_of, forward_source, is_numbered
from retiarii.graph._source.literals import Literals
from retiarii.nn.pytorch import Placeholder

_BASES: dict[str, type[nn.Module]] = {
    kind.__name__: kind for kind in (nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict)
}


def build_module(model: Model, *, keep_weights: bool = True) -> nn.Module:
    """Build the network of a model, in training mode.

    Args:
        model: A model whose choices are fixed.
        keep_weights: Copy the weights of the traced model to layers that did not change. If False, or if the model
            was read from JSON, constructors initialise every layer.

    Returns:
        A module that can be pickled and copied; its parameters have the names of the traced model.

    Raises:
        GraphError: A choice or placeholder is left, or a layer cannot be built.
        InvalidMutation: A graph cannot run: it has a cycle, or a node lacks an input.
    """
    module = _ModuleBuilder(model, keep_weights).graph(model.root_name)
    _tie(module, model)
    return module.train()


class _ModuleBuilder:
    """Builds the modules of one model."""

    def __init__(self, model: Model, keep_weights: bool) -> None:
        self._model = model
        self._keep = keep_weights

    def graph(self, name: str) -> nn.Module:
        """Build the module of a graph."""
        data = self._model.graphs[name]._data
        running = check_inputs(data, name)
        module = empty_module(data, name)
        parts = dict(self._parts(data, name, running))
        try:
            self._assemble(module, data, running, parts)
        except (AttributeError, KeyError, TypeError, ValueError, IndexError, RuntimeError) as err:
            raise GraphError(
                f"The modules and tensors of graph {name!r} cannot be put together: {type(err).__name__}: {err}. Two "
                "of them have the same path, a name is one that torch.nn.Module needs itself, or memory is exhausted."
            ) from err
        return module

    def _assemble(self, module: nn.Module, data: GraphData, running: list[int], parts: Mapping[str, Any]) -> None:
        for path in _in_order(data, running, parts):
            part = parts[path]
            if isinstance(part, TensorRecord):
                _attach_tensor(module, part, self._keep)
            else:
                _attach(module, path, part)
        for path, kind in holders(data, running):
            if kind == "ModuleList" or (kind == "Sequential" and is_numbered(children_of(path, data))):
                _fill_gaps(module.get_submodule(path))
        for alias, path in data.module.aliases.items():
            if path in parts or path in data.module.containers:
                _attach(module, alias, module.get_submodule(path))

    def _parts(self, data: GraphData, name: str, running: list[int]) -> Iterator[tuple[str, Any]]:
        for path, kind in holders(data, running):
            yield path, CONTAINERS.get(kind, nn.Module)()
        built: set[str] = set()
        for node in running:
            record = data.records[node]
            if record.member is not None and record.member not in built:
                built.add(record.member)
                yield record.member, self._member(record.operation, full_path(name, record.member))
        for path, operation in data.module.idle.items():
            yield path, build_layer(operation, full_path(name, path), keep_weights=self._keep)
        for tensor in data.module.tensors:
            yield tensor.path, tensor

    def _member(self, operation: Operation, path: str) -> nn.Module:
        if operation.kind is Kind.GRAPH:
            assert operation.cell is not None
            return self.graph(operation.cell)
        check_fixed(operation, path)
        return build_layer(operation, path, keep_weights=self._keep)


def check_fixed(operation: Operation, path: str) -> None:
    """Check that an operation is not a choice or a placeholder.

    Raises:
        GraphError: It is.
    """
    if operation.kind is Kind.CHOICE:
        raise GraphError(
            f"Node {path!r} is a {operation.short_type} that is not fixed yet. Fix it first: "
            "lower(model, architecture).",
            node=path,
        )
    if operation.type == PLACEHOLDER:
        raise GraphError(
            f"Node {path!r} is a placeholder that no mutator replaced. Let a mutator call update_operation() on it.",
            node=path,
        )


PLACEHOLDER = type_name(Placeholder)


def chain_members(data: GraphData, order: list[int]) -> list[str] | None:
    """Return the members of a ``Sequential`` that calls each of them once in a chain; None for any other graph."""
    module = data.module
    if module.base != "Sequential" or module.tensors or module.idle or module.containers or module.aliases:
        return None
    before: Any = (INPUT_ID, None)
    members: list[str] = []
    for node in (*order, OUTPUT_ID):
        record = data.records[node]
        source = record.inputs.get(0)
        if len(record.inputs) != 1 or source is None or (source[0], source[1] or None) != before:
            return None
        if record.arguments.kwargs or record.arguments.args not in ((Input(0),), (Inputs(spread=True),)):
            return None
        if node != OUTPUT_ID:
            if record.member is None or "." in record.member:
                return None
            members.append(record.member)
        before = (node, None)
    return members if len(data.input_names) == 1 and len(set(members)) == len(members) else None


def empty_module(data: GraphData, name: str) -> nn.Module:
    """Return a module with the right class and no submodules yet."""
    if chain_members(data, check_inputs(data, name)) is not None:
        if data.module.type == "torch.nn.Sequential":
            return nn.Sequential()
        return make_class(data.module.class_name, "Sequential", None, ())()
    literals = Literals()
    body = forward_source(data, name, literals)
    source = "\n    ".join([f"def forward({', '.join(['self', *data.input_names])}):", *body]) + "\n"
    base = data.module.base if data.module.base in _BASES else "Module"
    return make_class(data.module.class_name, base, source, tuple(sorted(literals.objects.items())))()


class GeneratedModule(nn.Module):
    """Base class of all modules whose ``forward`` was generated from a graph.

    Attributes:
        source: The source of ``forward``; None if it is inherited from ``Sequential``.
    """

    source: str | None = None
    _recipe: tuple[Any, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _empty, (self._recipe,), self.__dict__


def _empty(recipe: tuple[Any, ...]) -> nn.Module:
    cls = make_class(*recipe)
    return cls.__new__(cls)


@functools.lru_cache(maxsize=4096)
def make_class(name: str, base: str, source: str | None, objects: tuple[tuple[str, Any], ...]) -> type[nn.Module]:
    """Return the class with a ``forward``; equal arguments give the same class.

    Args:
        name: The name of the class.
        base: The name of the base class, of ``torch.nn``.
        source: ``def forward(...)``, or None to inherit it.
        objects: Name to object, for names in the source that are not PyTorch's.
    """
    body: dict[str, Any] = {"source": source, "_recipe": (name, base, source, objects), "__module__": __name__}
    if source is not None:
        body["forward"] = _compile(name, source, dict(objects))
    return type(class_name(name), (GeneratedModule, _BASES[base]), body)


def _compile(name: str, source: str, objects: Mapping[str, Any]) -> FunctionType:
    filename = f"<graph {name} {next(_numbers)}>"
    namespace: dict[str, Any] = {
        "torch": torch, "nn": nn, "F": nn.functional, "operator": operator, "math": math, "functools": functools,
        "base64": base64, "zlib": zlib,
        **objects,
    }  # fmt: skip
    code = compile(source, filename, "exec")
    exec(code, namespace)  # generated source: names of a checked graph and constants that `Literals` wrote
    forward: FunctionType = namespace["forward"]
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)  # for tracebacks
    weakref.finalize(forward, linecache.cache.pop, filename, None)
    return forward


_numbers = itertools.count()


def holders(data: GraphData, running: list[int]) -> Iterator[tuple[str, str]]:
    """Yield the paths and kinds of the containers that are needed, outer ones first."""
    yield from data.module.containers.items()
    known = {*data.module.containers}
    for node in running:
        member = data.records[node].member
        parts = (member or "").split(".")[:-1]
        for end in range(1, len(parts) + 1):
            path = ".".join(parts[:end])
            if path not in known and not any(data.records[other].member == path for other in running):
                known.add(path)
                yield path, "Module"


def _in_order(data: GraphData, running: list[int], parts: Mapping[str, Any]) -> list[str]:
    """Return the paths in the order of registration; in a ``Sequential`` chain, of execution."""
    chain = chain_members(data, running)
    if chain is not None:
        return chain
    order = {path: index for index, path in enumerate(data.module.order)}
    return sorted(parts, key=lambda path: order.get(path, len(order)))


def _attach(module: nn.Module, path: str, part: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    module.get_submodule(parent).add_module(name, part)


def _fill_gaps(holder: nn.Module) -> None:
    """Put ``nn.Identity()`` at the indices of submodules that were removed from a list."""
    count = max((int(name) for name in holder._modules), default=-1) + 1
    if len(holder._modules) < count:
        kept = dict(holder._modules)
        holder._modules.clear()
        for index in range(count):
            holder.add_module(str(index), kept.get(str(index)) or nn.Identity())


def _attach_tensor(module: nn.Module, record: TensorRecord, keep: bool) -> None:
    parent_path, _, name = record.path.rpartition(".")
    parent = module.get_submodule(parent_path)
    value = initial_value(record, keep)
    if record.kind == "parameter":
        parameter = nn.Parameter(value, requires_grad=record.requires_grad)
        if isinstance(parent, nn.ParameterList):
            parent.append(parameter)
        elif isinstance(parent, nn.ParameterDict):
            parent[name] = parameter
        else:
            parent.register_parameter(name, parameter)
    else:
        parent.register_buffer(name, value, persistent=record.kind == "buffer" and record.persistent)


def initial_value(record: TensorRecord, keep: bool) -> torch.Tensor:
    """Return the initial value of a parameter or buffer.

    A copy of the traced model's value if there is one; the constant if all elements were equal; otherwise
    small random numbers (zeros for integers).
    """
    if record.value is not None and (keep or record.kind != "parameter"):
        return record.value.detach().clone()
    dtype = getattr(torch, record.dtype)
    if record.fill is not None:
        return torch.full(record.shape, record.fill, dtype=dtype)
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(record.shape, dtype=dtype) * 0.02
    return torch.zeros(record.shape, dtype=dtype)


def lasting_ties(module: nn.Module, model: Model) -> Iterator[tuple[str, str]]:
    """Yield the names that share one module or tensor in the traced model, unless a mutation removed or changed it.

    Args:
        module: The module that was built from the model.
        model: The model.

    Yields:
        The path of a submodule, parameter or buffer, and the path of the one that replaces it. Aliases within one
        graph are left out: building the graph ties them.
    """
    aliases = {full_path(name, alias) for name, graph in model.graphs.items() for alias in graph.module.aliases}
    for path, first in model.root_graph.module.ties.items():
        try:
            tied, original = _part_at(module, path), _part_at(module, first)
        except AttributeError:  # a mutation removed one of them
            continue
        if path not in aliases and _are_alike(tied, original):
            yield path, first


def _tie(module: nn.Module, model: Model) -> None:
    for path, first in lasting_ties(module, model):
        parent, _, name = path.rpartition(".")
        setattr(module.get_submodule(parent), name, _part_at(module, first))


def _part_at(module: nn.Module, path: str) -> Any:
    parent, _, name = path.rpartition(".")
    owner = module.get_submodule(parent)
    if name not in {**owner._parameters, **owner._buffers, **owner._modules}:
        raise AttributeError(name)
    return getattr(owner, name)


def _are_alike(first: Any, second: Any) -> bool:
    if isinstance(first, nn.Module):
        return type(first) is type(second) and repr(first) == repr(second)
    return isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor) and first.shape == second.shape
