"""Qualified names of classes and functions: the canonical name of an object, and the object of a name.

`retiarii.graph._encoding.allowed` checks the names in graphs that are read from files. This file checks names that a
mutator or a user wrote: a function has to be an operator of PyTorch, of the modules ``operator`` or ``math``, a
harmless built-in, or a function of the user's own modules; a class has to be a subclass of ``torch.nn.Module``.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import operator
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from retiarii.errors import GraphError

_PREFIXES = ("__torch__.", "__mutated__.")
_WRAPPED = ("nni.retiarii.nn.pytorch.nn.", "nni.retiarii.nn.pytorch.", "nni.nas.nn.pytorch.", "retiarii.nn.pytorch.")
_FUNCTION_MODULES = {
    "torch": torch,
    "torch.nn.functional": nn.functional,
    "torch.linalg": torch.linalg,
    "torch.fft": torch.fft,
    "torch.special": torch.special,
    "operator": operator,
}
_BUILTINS = {"getattr", "len", "abs", "min", "max", "sum", "int", "float", "bool", "round", "pow"}
_CREATION = (
    "arange as_tensor empty empty_like eye full full_like linspace logspace normal ones ones_like rand rand_like "
    "randint randint_like randn randn_like randperm range scalar_tensor tensor zeros zeros_like"
).split()
_NO_OPERATORS = {"attrgetter", "call", "itemgetter", "methodcaller"}
CREATION_FUNCTIONS: frozenset[Callable[..., Any]] = frozenset(getattr(torch, name) for name in _CREATION)
"""Functions that make a tensor from plain values; they are traced although no input reaches them."""


def type_name(target: Any) -> str:
    """Return the canonical name of a class, a function, or a name in another spelling.

    ``torch.nn.modules.conv.Conv2d``, ``retiarii.nn.pytorch.Conv2d`` and the names of the original's generated code
    (``__torch__...``, ``nni.retiarii.nn.pytorch.nn.Conv2d``) all mean ``torch.nn.Conv2d``.

    Raises:
        GraphError: ``target`` has no name.
    """
    if isinstance(target, str):
        return _canonical(target)
    known = _torch_names().get(_hashable(target))
    if known is not None:
        return known
    layer = _name_in(nn, target) if isinstance(target, type) else None
    if layer is not None:
        return f"torch.nn.{layer}"
    name: str | None = getattr(target, "__qualname__", None) or getattr(target, "__name__", None)
    module = getattr(target, "__module__", None)
    if name is None:
        raise GraphError(f"{target!r} is neither a class, nor a function, nor the name of one.")
    return _canonical(f"{'operator' if module == '_operator' else module}.{name}")


def _hashable(target: Any) -> Any:
    try:
        hash(target)
    except TypeError:
        return None
    return target


def _canonical(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    for prefix in _WRAPPED:
        rest = name.removeprefix(prefix)
        if rest != name and hasattr(nn, rest):
            return f"torch.nn.{rest}"
    if name.startswith("retiarii.nn.pytorch._"):  # files with an underscore are private
        return f"retiarii.nn.pytorch.{name.rpartition('.')[2]}"
    if name.startswith("torch.nn.modules."):
        short = name.rpartition(".")[2]
        if hasattr(nn, short):
            return f"torch.nn.{short}"
    return name


@functools.cache
def _torch_names() -> dict[Any, str]:
    """Return the public name of every operator of PyTorch; of several names, the most common one."""
    names: dict[Any, str] = {}
    for prefix, module in _FUNCTION_MODULES.items():
        for name in dir(module):
            value = getattr(module, name)
            if not name.startswith("_") and inspect.isroutine(value):
                names.setdefault(value, f"{prefix}.{name}")
    for value in torch.overrides.get_overridable_functions().get(nn.functional, ()):  # conv2d is also torch.conv2d
        short = _name_in(nn.functional, value)
        if short is not None:
            names[value] = f"torch.nn.functional.{short}"
    return names


def _name_in(module: Any, value: Any) -> str | None:
    name = str(getattr(value, "__name__", ""))
    return name if getattr(module, name, None) is value else None


@functools.cache
def _torch_operators() -> frozenset[Any]:
    overridable = torch.overrides.get_overridable_functions()
    return frozenset(item for items in overridable.values() for item in items) | CREATION_FUNCTIONS


def resolve_class(name: str, *, node: str | None = None) -> type[nn.Module]:
    """Return the module class of a canonical name, importing the user's module where needed.

    Raises:
        GraphError: There is no such class, or it is not a subclass of ``torch.nn.Module``.
    """
    found = resolve_any(name, node)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise GraphError(f"{_at(node)}{name!r} is {found!r}, expected a subclass of torch.nn.Module.", node=node)
    return found


def resolve_function(name: str, *, node: str | None = None) -> Callable[..., Any]:
    """Return the function of a canonical name, if graphs may call it; see the docstring of this module.

    Raises:
        GraphError: There is no such function, or it is not one that a graph may call.
    """
    found = resolve_any(name, node)
    if not callable(found) or not _is_allowed(name, found):
        raise GraphError(
            f"{_at(node)}a graph may not call {name!r}. Allowed are PyTorch's operators, the modules operator and "
            "math, and functions of your own modules.",
            node=node,
        )
    return found  # type: ignore[no-any-return] # checked to be callable


def check_method(name: str, node: str) -> None:
    """Check that graphs may call a method.

    Raises:
        GraphError: Graphs may not call it.
    """
    owners = (torch.Tensor, list, tuple, dict)
    if not name.isidentifier() or name.startswith("_") or not any(hasattr(owner, name) for owner in owners):
        if not (name.startswith("__") and hasattr(torch.Tensor, name) and callable(getattr(operator, name, None))):
            raise GraphError(f"{_at(node)}a graph may not call the method {name!r}.", node=node)


def is_function_name(name: str) -> bool:
    """Return whether a canonical name stands for a function rather than for a module class."""
    if name.rpartition(".")[0] in (*_FUNCTION_MODULES, "math", "builtins"):
        return True
    if name.startswith("torch.nn."):
        return False
    target = _loaded(name)
    return callable(target) and not isinstance(target, type)


def _is_allowed(name: str, found: Any) -> bool:
    parent, _, short = name.rpartition(".")
    if parent == "builtins":
        return short in _BUILTINS
    if parent == "operator":
        return not short.startswith("_") and short not in _NO_OPERATORS
    if parent == "math":
        return not short.startswith("_")
    if name.split(".")[0] == "torch":
        return found in _torch_operators()
    return inspect.isfunction(found) and found.__module__.split(".")[0] not in sys.stdlib_module_names


def _loaded(name: str) -> Any:
    """Return the object of a name without importing anything; None if its module is not loaded."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        value: Any = sys.modules.get(".".join(parts[:cut]))
        if value is not None:
            for part in parts[cut:]:
                value = getattr(value, part, None)
            return value
    return None


def resolve_any(name: str, node: str | None = None) -> Any:
    """Return the object of a qualified name; the caller checks its type.

    Raises:
        GraphError: There is no such object.
    """
    if "<locals>" in name:
        raise GraphError(
            f"{_at(node)}{name!r} is defined inside a function and cannot be found by name. Define it at the top level "
            "of a module.",
            node=node,
        )
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = _import(".".join(parts[:cut]), name, node)
        if module is not None:
            value = module
            for part in parts[cut:]:
                if not hasattr(value, part):
                    raise GraphError(f"{_at(node)}there is no {name!r}: {value!r} has no {part!r}.", node=node)
                value = getattr(value, part)
            return value
    raise GraphError(f"{_at(node)}there is no {name!r}: no module of that name can be imported.", node=node)


def _import(module: str, name: str, node: str | None) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as err:
        if err.name is not None and (module == err.name or module.startswith(err.name + ".")):
            return None
        raise GraphError(f"{_at(node)}importing {module!r} for {name!r} failed: {err}.", node=node) from err
    except ImportError as err:
        raise GraphError(f"{_at(node)}importing {module!r} for {name!r} failed: {err}.", node=node) from err


def _at(node: str | None) -> str:
    return f"At node {node!r}: " if node else ""
