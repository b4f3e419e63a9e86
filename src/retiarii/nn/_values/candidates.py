"""Candidates of a `ValueChoice` that no JSON holds: dicts, classes, functions and other objects.

The architecture holds a plain value for each: the qualified name of a class or function, or its index. The objects stay
with the choice, so reading an architecture never imports or runs anything.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from types import BuiltinFunctionType, FunctionType
from typing import Any

from retiarii._lazy import is_a
from retiarii.errors import DomainError, LabelConflictError
from retiarii.nn._stand_in import stood_for
from retiarii.space import Value, Variable, identity, plain_value

_NAMED = (type, FunctionType, BuiltinFunctionType)
_MODULES = ("torch.nn:Module", "keras:Layer", "retiarii.nn.keras:Blueprint")
_MUTABLE = (dict, list, set)
_NO_NAME = object()


def plain_candidates(candidates: Sequence[Any], label: str) -> tuple[Value, ...] | None:
    """Return what architectures call the candidates; None where that is the candidates themselves.

    Names are used where all candidates have one, indices otherwise.

    Raises:
        DomainError: A candidate is a module.
    """
    for position, candidate in enumerate(candidates):
        if any(is_a(candidate, kind) for kind in _MODULES):
            raise DomainError(
                f"Candidate {position} of ValueChoice {label!r} is a module, {type(candidate).__name__}. Use "
                "LayerChoice for modules, or give their classes."
            )
    if all(map(_is_plain, candidates)):
        return None if not any(isinstance(each, list) for each in candidates) else tuple(map(plain_value, candidates))
    names = [_name(candidate) for candidate in candidates]
    if _NO_NAME in names or len({identity(name) for name in names}) < len(names):
        return tuple(range(len(candidates)))
    return tuple(names)


def own_copy(candidate: Any) -> Any:
    """Return what a model gets of a candidate: a copy of a list or dict, so that two models share none."""
    return copy.deepcopy(candidate) if isinstance(candidate, _MUTABLE) else stood_for(candidate)


def content(candidate: Any) -> Any:
    """Return what tells two candidates apart that architectures call the same; None where nothing does."""
    if isinstance(candidate, dict):
        return [(key, content(value)) for key, value in candidate.items()]
    if isinstance(candidate, (list, tuple)):
        return [content(part) for part in candidate]
    return _name(candidate) if _name(candidate) is not _NO_NAME else type(candidate)


class ContentsCheck:
    """Checks that candidates are the same objects where architectures call them the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, str]] = {}

    def check(self, variable: Variable, place: str) -> None:
        """Compare a variable with those of its label that were seen before.

        Args:
            variable: The variable.
            place: Where it is declared.

        Raises:
            LabelConflictError: Another one has other objects as candidates.
        """
        contents = getattr(variable, "contents", None)
        known, first = self._known.setdefault(variable.label, (contents, place))
        if known != contents:
            raise LabelConflictError(
                f"The label {variable.label!r} stands for {known} at {first} and for {contents} at {place}. Give the "
                "two choices the same candidates in the same order, or different labels.",
                label=variable.label,
                places=(first, place),
            )


def _is_plain(candidate: Any) -> bool:
    try:
        plain_value(candidate)
    except ValueError as err:
        # A number that JSON cannot hold is a mistake, not an object; the choice says so.
        return isinstance(candidate, (float, str, tuple, list)) and "of type" not in str(err)
    return True


def _name(candidate: Any) -> Any:
    candidate = stood_for(candidate)
    if candidate is None or isinstance(candidate, (bool, int, float, str)):
        return candidate
    if not isinstance(candidate, _NAMED) or "<lambda>" in candidate.__qualname__:
        return _NO_NAME
    if isinstance(candidate, BuiltinFunctionType):
        return candidate.__name__  # the qualified name of torch's is that of a hidden class
    return candidate.__qualname__.rpartition("<locals>.")[2]
