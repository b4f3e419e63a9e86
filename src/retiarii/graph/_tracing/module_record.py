"""`describe_module`: the parameters, buffers, containers and shared submodules of a traced module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from retiarii.graph._operations.layer_reading import HOLDERS, LayerReader
from retiarii.graph._operations.qualified_names import type_name
from retiarii.graph._representation.graph_records import CONTAINERS, ModuleRecord, TensorRecord
from retiarii.graph._tracing.scope import Scope


def describe_module(scope: Scope, reader: LayerReader, members: set[str], attributes: set[str]) -> ModuleRecord:
    """Return the record of the module of a scope.

    Args:
        scope: The finished scope.
        reader: Reads the operations of layers.
        members: The paths of the submodules that are called.
        attributes: The paths of the tensors that are used.

    Raises:
        GraphError: The constructor arguments of a submodule that is never called are not known.
    """
    module = scope.module
    own = list(_own_modules(module, reader, members))
    idle = {
        path: reader.operation(child, f"{scope.path}.{path}".lstrip("."))
        for path, child in own
        if path not in members and _is_idle_layer(child, reader)
    }
    containers = {path: _container_type(child) for path, child in own if path not in members and path not in idle}
    inside = (*members, *idle)
    aliases = _aliases(module, inside)
    tensors = [
        *(_tensor_record(path, value, module) for path, value in _own_tensors(module, (*inside, *aliases))),
        *(_record(name, "constant", value) for name, value in scope.constants.items() if name in attributes),
    ]
    return ModuleRecord(
        type=type_name(type(module)),
        base=_container_type(module),
        tensors=tuple(tensors),
        order=tuple(_registration_order(module, inside)),
        containers=containers,
        idle=idle,
        aliases=aliases,
        ties=_ties(module) if not scope.path else {},
    )


def _own_modules(
    module: nn.Module, reader: LayerReader, members: set[str], prefix: str = ""
) -> Iterator[tuple[str, nn.Module]]:
    """Yield the submodules with their paths, but not the children of called submodules and of layers."""
    for name, child in module.named_children():
        path = prefix + name
        yield path, child
        if path not in members and not _is_idle_layer(child, reader):
            yield from _own_modules(child, reader, members, f"{path}.")


def _is_idle_layer(module: nn.Module, reader: LayerReader) -> bool:
    return reader.is_leaf(module) and not isinstance(module, HOLDERS)


def _container_type(module: nn.Module) -> str:
    return next((name for name, kind in CONTAINERS.items() if isinstance(module, kind)), "Module")


def _own_tensors(module: nn.Module, inside: tuple[str, ...]) -> Iterator[tuple[str, torch.Tensor]]:
    named = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
    for path, value in named:
        if not any(path.startswith(f"{member}.") for member in inside):
            yield path, value


def _tensor_record(path: str, value: torch.Tensor, module: nn.Module) -> TensorRecord:
    owner_path, _, name = path.rpartition(".")
    owner = module.get_submodule(owner_path)
    if isinstance(value, nn.Parameter):
        return _record(path, "parameter", value)
    return _record(path, "buffer", value, persistent=name not in owner._non_persistent_buffers_set)


def _record(path: str, kind: str, value: torch.Tensor, persistent: bool = True) -> TensorRecord:
    return TensorRecord(
        path,
        kind,
        tuple(value.shape),
        str(value.dtype).removeprefix("torch."),
        requires_grad=value.requires_grad,
        persistent=persistent,
        fill=_fill(value),
        value=value,
    )


def _fill(value: torch.Tensor) -> float | int | bool | None:
    if value.numel() == 0 or value.is_meta or value.is_complex():
        return None
    first = value.detach().flatten()[0]
    if not bool((value.detach() == first).all()):
        return None
    return first.item()


def _registration_order(module: nn.Module, inside: tuple[str, ...], prefix: str = "") -> Iterator[str]:
    """Yield the paths of tensors and submodules in the order of ``named_parameters``."""
    for name in (*module._parameters, *module._buffers):
        yield prefix + name
    for name, child in module.named_children():
        yield prefix + name
        if prefix + name not in inside:
            yield from _registration_order(child, inside, f"{prefix}{name}.")


def _aliases(module: nn.Module, inside: tuple[str, ...]) -> dict[str, str]:
    """Return the second and further names of submodules."""
    named = module.named_modules(remove_duplicate=False)
    hidden = tuple(f"{member}." for member in inside)
    return _second_names((path, child) for path, child in named if path and not path.startswith(hidden))


def _ties(module: nn.Module) -> dict[str, str]:
    """Return the second and further names of submodules, parameters and buffers, also in different scopes."""
    found = _second_names(_parts(module))
    return {path: first for path, first in found.items() if not _is_inside(path, found)}


def _parts(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield every name of every submodule, parameter and buffer."""
    for path, child in module.named_modules(remove_duplicate=False):
        yield path, child
        for name, value in (*child._parameters.items(), *child._buffers.items()):
            if value is not None:
                yield f"{path}.{name}" if path else name, value


def _second_names(named: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Return the second and further names of objects, with the first name of each."""
    first: dict[int, str] = {}
    found: dict[str, str] = {}
    for path, item in named:
        known = first.setdefault(id(item), path)
        if known != path:
            found[path] = known
    return found


def _is_inside(path: str, others: Mapping[str, str]) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:end]) in others for end in range(1, len(parts)))
