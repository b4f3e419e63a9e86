"""Attributes of user modules: choices in them become values."""

from __future__ import annotations

import dis
import functools
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

from torch import nn

from retiarii.nn.pytorch._freezing.cloning import is_shared
from retiarii.nn.pytorch._recording.layer_factories import layer_class
from retiarii.nn.pytorch._recording.snapshot import TORCH_STATE
from retiarii.space import Expression
from retiarii.space.construction import replace_leaves


class ChosenValue:
    """Stands for a chosen value in a fixed model whose code calls the attribute, ``self.rate()``.

    Args:
        value: What the call returns.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    @classmethod
    def in_attribute(cls, owner: type, name: str, value: Any) -> Any:
        """Return the content of an attribute that was a choice: the value, or a `ChosenValue` if a method calls it.

        Args:
            owner: The class of the module that has the attribute.
            name: The name of the attribute.
            value: The chosen value.
        """
        return cls(value) if name in called_attributes(owner) else value

    def __call__(self) -> Any:
        """Return the value."""
        return self.value

    def __repr__(self) -> str:
        return f"ChosenValue({self.value!r})"


def fix_attributes(
    module: nn.Module, evaluate: Callable[[Any], Any], fixed: Callable[[nn.Module], nn.Module | None]
) -> None:
    """Replace the choices in the attributes of a module, and the modules that they refer to, in place.

    Args:
        module: The module; its children, parameters and buffers stay as they are.
        evaluate: Returns the value of an expression, and anything else as it is.
        fixed: Returns the fixed form of a module.
    """

    def fixed_leaf(leaf: Any) -> Any:
        return fixed(leaf) if isinstance(leaf, nn.Module) else layer_class(evaluate(leaf))

    state = vars(module)
    for name, value in list(state.items()):
        if isinstance(value, Expression):
            state[name] = ChosenValue.in_attribute(type(module), name, evaluate(value))
        elif name not in TORCH_STATE and not is_shared(value):
            state[name] = replace_leaves(value, fixed_leaf)


@functools.lru_cache(maxsize=1024)
def called_attributes(cls: type) -> frozenset[str]:
    """Return the names that the methods of a module class call as methods: ``rate`` for ``self.rate()``."""
    functions = (
        function
        for base in cls.__mro__
        if base is not object and base.__module__ != nn.Module.__module__
        for function in vars(base).values()
    )
    return frozenset(name for function in functions for name in _called_in(_code_of(function)))


def _code_of(function: Any) -> CodeType | None:
    if isinstance(function, (staticmethod, classmethod)):
        function = function.__func__
    if isinstance(function, property):
        function = function.fget
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function.__code__ if isinstance(function, FunctionType) else None


def _is_flagged(instruction: dis.Instruction) -> bool:
    """Return whether the lowest bit marks a method: since Python 3.12, one instruction loads attributes and methods."""
    return sys.version_info >= (3, 12) and bool((instruction.arg or 0) & 1)


def _called_in(code: CodeType | None) -> Iterator[str]:
    if code is None:
        return
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_METHOD" or (instruction.opname == "LOAD_ATTR" and _is_flagged(instruction)):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _called_in(constant)
