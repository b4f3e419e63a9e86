"""Recorded constructor calls, by which an object can be built again with other values.

A `ConstructorCall` is stored on the object that it made, and `call_of` returns it. Its arguments may contain
expressions in lists, tuples, dicts and dataclasses, which the functions of this module find and replace.
`retiarii.nn.pytorch` records the modules of models in this way, and `retiarii.evaluator` the arguments of evaluators.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from retiarii.space._choice import Choice
from retiarii.space._expression import Expression, Variable

__all__ = [
    "CALL_ATTRIBUTE",
    "ConstructorCall",
    "call_of",
    "evaluate",
    "find_expressions",
    "leaves",
    "locate_expressions",
    "parts_of",
    "rebuilt_from",
    "replace_expressions",
    "replace_leaves",
    "variables_in",
]

CALL_ATTRIBUTE = "_retiarii_call"


@dataclasses.dataclass(eq=False)
class ConstructorCall:
    """A recorded constructor call.

    Attributes:
        cls: The class, or another callable that made the object.
        args: Positional arguments, expressions unevaluated.
        kwargs: Keyword arguments, expressions unevaluated.
    """

    cls: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The expressions in the arguments."""
        return find_expressions((self.args, self.kwargs))

    def named_arguments(self) -> Iterator[tuple[str, Any]]:
        """Yield the arguments by name, as far as Python can see the signature."""
        target: Any = self.cls
        args = self.args
        if isinstance(self.cls, type):  # some classes have a __new__ that takes anything
            target, args = target.__init__, (None, *args)
        try:
            bound = inspect.signature(target).bind(*args, **self.kwargs).arguments
        except (TypeError, ValueError):
            yield from ((f"argument {number}", value) for number, value in enumerate(self.args))
            yield from self.kwargs.items()
            return
        yield from list(bound.items())[len(args) - len(self.args) :]

    def build(self, lookup: Mapping[str, Any] | None = None) -> Any:
        """Build the object again; the new object has no recorded call.

        Args:
            lookup: Label to chosen value; None for the defaults.
        """
        return self.cls(*evaluate(self.args, lookup), **evaluate(self.kwargs, lookup))


def call_of(obj: Any) -> ConstructorCall | None:
    """Return the recorded constructor call of an object; None if there is none."""
    return getattr(obj, "__dict__", {}).get(CALL_ATTRIBUTE)


def evaluate(value: Any, lookup: Mapping[str, Any] | None = None) -> Any:
    """Replace the expressions in nested lists, tuples, dicts and dataclasses by their values.

    Args:
        value: Any value; it is not changed.
        lookup: Label to chosen value; None for the defaults.

    Raises:
        ArchitectureError: A required label is missing.
    """
    return replace_expressions(value, Expression.default if lookup is None else lambda found: found.evaluate(lookup))


def replace_expressions(value: Any, function: Callable[[Expression], Any]) -> Any:
    """Return ``value`` with every expression replaced; containers without expressions are not copied."""
    return replace_leaves(value, lambda leaf: function(leaf) if isinstance(leaf, Expression) else leaf)


def replace_leaves(value: Any, function: Callable[[Any], Any]) -> Any:
    """Return ``value`` with ``function`` applied to the leaves of nested lists, tuples, dicts and dataclasses.

    Containers in which nothing changes are not copied.
    """
    parts = parts_of(value)
    if parts is None:
        return function(value)
    replaced = {key: replace_leaves(part, function) for key, part in parts.items()}
    if all(replaced[key] is part for key, part in parts.items()):
        return value
    return rebuilt_from(value, replaced)


def find_expressions(value: Any) -> tuple[Expression, ...]:
    """Return the expressions in nested lists, tuples, dicts and dataclasses, in order."""
    return tuple(expression for _, expression in locate_expressions(value))


def locate_expressions(value: Any, place: str = "") -> Iterator[tuple[str, Expression]]:
    """Yield each expression with its place: ``place`` followed by indices, keys and field names."""
    for where, leaf in leaves(value, place):
        if isinstance(leaf, Expression):
            yield where, leaf


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested lists, tuples, dicts and dataclasses, each with its place."""
    parts = parts_of(value)
    if parts is None:
        yield place, value
        return
    named = dataclasses.is_dataclass(value)
    for key, part in parts.items():
        yield from leaves(part, f"{place}.{key}" if named else f"{place}[{key!r}]")


def parts_of(value: Any) -> dict[Any, Any] | None:
    """Return the parts of a container by key, or None for anything else, such as an expression or a choice."""
    if isinstance(value, Expression):
        return None
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value))
    if isinstance(value, dict):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Choice)):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    return None


def rebuilt_from(value: Any, parts: dict[Any, Any]) -> Any:
    """Return a container like ``value`` with other parts."""
    if isinstance(value, tuple):
        return type(value)(*parts.values()) if hasattr(value, "_fields") else type(value)(parts.values())
    if isinstance(value, list):
        return type(value)(parts.values())
    if isinstance(value, dict):
        other = copy.copy(value)
        other.update(parts)
        return other
    return dataclasses.replace(value, **parts)


def variables_in(expressions: Iterator[Expression] | tuple[Expression, ...]) -> tuple[Variable, ...]:
    """Return the variables of several expressions, one per label."""
    return tuple({variable.label: variable for found in expressions for variable in found.variables()}.values())
