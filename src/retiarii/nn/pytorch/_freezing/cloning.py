"""Copies of single modules, and of the values of their attributes and arguments."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from types import BuiltinFunctionType, CellType, FunctionType
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from retiarii.nn.pytorch._labels.weight_origins import BASE_NAMES, SUPERNET_NAMES
from retiarii.nn.pytorch._recording.layer_factories import LayerFactory, layer_class
from retiarii.space import Expression
from retiarii.space.construction import CALL_ATTRIBUTE, leaves, replace_leaves

# Immutable, so that a copy may be the thing itself.
SHARED = frozenset({
    bool, int, float, complex, str, bytes, range, type(None), type, BuiltinFunctionType, torch.dtype, torch.device,
    torch.Size,
})  # fmt: skip

_DROPPED = frozenset({CALL_ATTRIBUTE, BASE_NAMES, SUPERNET_NAMES})
_CONTENTS = frozenset({"_parameters", "_buffers", "_modules", *_DROPPED})


def is_shared(value: Any) -> bool:
    """Return whether a value is immutable all through, so that two modules may have it."""
    kind = type(value)
    return kind in SHARED or (kind is tuple and SHARED.issuperset(map(type, value)))


def empty_clone(module: nn.Module) -> tuple[nn.Module, list[str]]:
    """Return a module with the same attributes, but no tensors, children and notes yet.

    Returns:
        The module, and the names of the attributes that are still those of the original and need to be copied.
    """
    new: nn.Module = object.__new__(type(module))
    state = vars(new)
    unfinished = []
    for name, value in vars(module).items():
        kind = type(value)
        if kind in SHARED or (kind is tuple and SHARED.issuperset(map(type, value))):
            state[name] = value
        elif name in _CONTENTS:
            if name not in _DROPPED:
                state[name] = {}
        elif (kind is OrderedDict or kind is set) and not value:  # hooks
            state[name] = kind()
        else:
            state[name] = value
            unfinished.append(name)
    return new, unfinished


class Replicator:
    """Copies values deeply, as `copy.deepcopy` does, but fixes modules and evaluates expressions on the way.

    Objects that cannot be copied (locks, open files, generators), data sets and loaders are shared.

    Args:
        memo: From the id of an object to its copy. Objects in it are not copied again.
        fix: Returns the fixed copy of a module.
        evaluate: Returns the value of an expression.
    """

    def __init__(
        self,
        memo: dict[int, Any],
        fix: Callable[[nn.Module], nn.Module | None],
        evaluate: Callable[[Expression], Any],
    ) -> None:
        self._memo = memo
        self._fix = fix
        self._evaluate = evaluate

    def replicate(self, value: Any) -> Any:
        """Return the copy of a value that belongs to the base model."""
        if is_shared(value):
            return value
        if isinstance(value, Expression):
            return self._evaluate(value)
        if id(value) not in self._memo:
            self._memo[id(value)] = self._copy(value)
        return self._memo[id(value)]

    def _copy(self, value: Any) -> Any:
        if isinstance(value, nn.Module):
            return self._fix(value)
        if isinstance(value, (Dataset, DataLoader)):
            return value
        if isinstance(value, FunctionType):
            return self._rebound(value)
        kind = type(value)
        if kind is list:
            return [self.replicate(part) for part in value]
        if kind is tuple:
            parts = tuple(map(self.replicate, value))
            return value if all(new is old for new, old in zip(parts, value, strict=True)) else parts
        if kind is dict or kind is OrderedDict:
            return kind((key, self.replicate(part)) for key, part in value.items())
        if any(isinstance(leaf, (Expression, nn.Module, LayerFactory)) for _, leaf in leaves(value)):
            return layer_class(replace_leaves(value, self._leaf))
        return self._deep_copy(value)

    def _leaf(self, leaf: Any) -> Any:
        return layer_class(leaf) if isinstance(leaf, LayerFactory) else self.replicate(leaf)

    def _deep_copy(self, value: Any) -> Any:
        try:
            return copy.deepcopy(value, self._memo)
        except (TypeError, RuntimeError, NotImplementedError, copy.Error):
            return value

    def _rebound(self, function: FunctionType) -> FunctionType:
        """Return a function whose closure refers to the copies of modules; most functions have none."""
        contents = [_content(cell) for cell in function.__closure__ or ()]
        if not any(isinstance(content, nn.Module) for content in contents):
            return function
        cells = tuple(
            CellType(self.replicate(content)) if isinstance(content, nn.Module) else cell
            for cell, content in zip(function.__closure__ or (), contents, strict=True)
        )
        new = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)
        new.__kwdefaults__ = function.__kwdefaults__
        new.__dict__.update(function.__dict__)
        return new


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # still empty
        return None
