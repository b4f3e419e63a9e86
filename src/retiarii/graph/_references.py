"""Stand-ins for classes, functions and the like that were read from JSON: names, looked up when a model is built."""

from __future__ import annotations

import enum
import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retiarii.errors import GraphError
from retiarii.graph._types import is_function_name, resolve_any, resolve_class, resolve_function


class Reference(ABC):
    """Something that is looked up when it is needed."""

    @abstractmethod
    def resolve(self) -> Any:
        """Return the object.

        Raises:
            GraphError: There is none, or a graph may not use it; see `retiarii.graph._types`.
        """


@dataclass(frozen=True)
class TypeReference(Reference):
    """A class or function.

    Attributes:
        name: Its canonical name.
    """

    name: str

    def resolve(self) -> Any:
        """Return the class or function; see `Reference.resolve`."""
        if is_function_name(self.name):
            return resolve_function(self.name)
        found = resolve_any(self.name)
        return resolve_class(self.name) if isinstance(found, type) else resolve_function(self.name)


@dataclass(frozen=True)
class EnumReference(Reference):
    """A member of an enumeration."""

    type: str
    member: str

    def resolve(self) -> Any:
        """Return the member; see `Reference.resolve`."""
        found = resolve_any(self.type)
        if not (isinstance(found, type) and issubclass(found, enum.Enum)):
            raise GraphError(f"{self.type!r} is {found!r}, expected an enumeration.")
        return found[self.member]


@dataclass(frozen=True)
class PartialReference(Reference):
    """A ``functools.partial`` object."""

    function: Any
    args: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def resolve(self) -> Any:
        """Return the partial object; see `Reference.resolve`."""
        return functools.partial(
            resolved(self.function),
            *map(resolved, self.args),
            **{name: resolved(value) for name, value in self.keywords.items()},
        )


def resolved(value: Any) -> Any:
    """Return what a reference stands for, and anything else as it is.

    Raises:
        GraphError: See `Reference.resolve`.
    """
    return value.resolve() if isinstance(value, Reference) else value
