"""`Choices`: find the choices in an evaluator's arguments, and replace them by values."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from retiarii.evaluator._trace import TracedCall, build
from retiarii.space import AutomaticLabel, Choice, ChoiceVariable, Expression, SearchSpace, Value, Variable
from retiarii.space.construction import ConstructorCall, call_of, leaves, parts_of, rebuilt_from


class Choices:
    """The choices in the arguments of an object, from left to right.

    Choices without a label are labelled ``param_1``, ``param_2``, ...

    Args:
        owner: The object. If it is not traced, its attributes are searched instead of its arguments.
        name: The object's name in messages.
    """

    def __init__(self, owner: Any, name: str) -> None:
        self._owner = owner
        self._located = list(_locate(_arguments(owner), name, set()))
        self._public: dict[str, str] = {}  # from a choice's own label to its label in architectures

    @cached_property
    def space(self) -> SearchSpace:
        """The choices as a search space.

        Raises:
            LabelConflictError: One label stands for two domains.
        """
        return SearchSpace(
            [
                dataclasses.replace(variable.choice(), label=self._name(variable), declared_at=place)
                for place, variable in self._located
            ]
        )

    def fix(self, architecture: Mapping[str, Any]) -> Any:
        """Return the owner with its choices replaced by values; the owner itself if it has none.

        Raises:
            ArchitectureError: A value is missing or is not in the domain of its choice.
            LabelConflictError: One label stands for two domains.
        """
        if not self._located:
            return self._owner
        space = self.space
        chosen = space.architecture({label: architecture[label] for label in architecture if label in space})
        return _Fixer({own: chosen[public] for own, public in self._public.items()}).fix_owner(self._owner)

    def _name(self, variable: Variable) -> str:
        label = variable.label
        if label not in self._public:
            number = 1 + sum(isinstance(own, AutomaticLabel) for own in self._public)
            self._public[label] = f"param_{number}" if isinstance(label, AutomaticLabel) else label
        return self._public[label]


class _Fixer:
    """Replaces choices by values; an object that occurs twice is built again once."""

    def __init__(self, lookup: Mapping[str, Value]) -> None:
        self._lookup = lookup
        self._built: dict[int, Any] = {}

    def fix_owner(self, owner: Any) -> Any:
        """Return the owner built again, or a copy with new attributes if its arguments were not recorded."""
        call = call_of(owner)
        if call is not None:
            return self._fix_call(call, owner)
        fixed = copy.copy(owner)
        vars(fixed).update(self._fix(vars(owner)))
        return fixed

    def _fix(self, value: Any) -> Any:
        """Return a value with its choices replaced; the same object if it has none."""
        if isinstance(value, Choice):
            value = ChoiceVariable(value)
        if isinstance(value, Expression):
            return value.evaluate(self._lookup)
        parts = parts_of(value)
        if parts is not None:
            fixed = {key: self._fix(part) for key, part in parts.items()}
            return value if all(fixed[key] is part for key, part in parts.items()) else rebuilt_from(value, fixed)
        call = call_of(value)
        if call is None:
            return value
        if id(value) not in self._built:
            self._built[id(value)] = self._fix_call(call, value)
        return self._built[id(value)]

    def _fix_call(self, call: ConstructorCall, made: Any) -> Any:
        args, kwargs = self._fix(call.args), self._fix(call.kwargs)
        if args is call.args and kwargs is call.kwargs:
            return made
        return build(TracedCall(call.cls, args, kwargs)) if isinstance(call, TracedCall) else call.cls(*args, **kwargs)


def _locate(arguments: dict[str, Any], place: str, seen: set[int]) -> Iterator[tuple[str, Variable]]:
    """Yield the variables in arguments, and in the arguments of recorded objects, each with its place."""
    for name, value in arguments.items():
        for where, leaf in leaves(value, f"{place}.{name}"):
            if isinstance(leaf, Choice):
                yield where, ChoiceVariable(leaf)
            elif isinstance(leaf, Expression):
                yield from ((where, variable) for variable in leaf.variables())
            elif call_of(leaf) is not None and id(leaf) not in seen:
                seen.add(id(leaf))
                yield from _locate(_arguments(leaf), where, seen)


def _arguments(owner: Any) -> dict[str, Any]:
    """Return the recorded arguments of an object by name, or its attributes if nothing was recorded."""
    call = call_of(owner)
    if call is None:
        return dict(vars(owner))
    try:
        return dict(inspect.signature(call.cls).bind(*call.args, **call.kwargs).arguments)
    except (TypeError, ValueError):  # a signature that Python cannot inspect
        return {**{f"args[{index}]": value for index, value in enumerate(call.args)}, **call.kwargs}
