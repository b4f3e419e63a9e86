"""`check_unchanged`: the source text of a definition is what the program runs, not what it has replaced since."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from retiarii.errors import GraphError

_PLAIN = (int, float, complex, str, bytes, bool, type(None))


def check_unchanged(target: Any, text: str) -> None:
    """Check that a class or function does what its source text says.

    Args:
        target: The class or function.
        text: Its definition.

    Raises:
        GraphError: Something outside of the definition changed it: an attribute or method of a class was replaced, a
            function was wrapped, or has implementations for further types (``functools.singledispatch``).
    """
    definition = ast.parse(text).body[0]
    for what in _changes(target, definition):
        raise GraphError(
            f"{what} after the definition of {target.__qualname__}, so that its source text, which the exported file "
            "would have, does something else. Move the change into the definition."
        )


def _changes(target: Any, definition: ast.stmt) -> Iterator[str]:
    decorators = getattr(definition, "decorator_list", [])
    if hasattr(target, "registry") and len(target.registry) > 1:
        yield "Implementations for other types were registered"
    if hasattr(target, "__wrapped__") and not isinstance(target, type) and not decorators:
        yield "The function was wrapped by another one"
    if isinstance(target, type) and isinstance(definition, ast.ClassDef):
        yield from _changed_members(target, definition)


def _changed_members(cls: type, definition: ast.ClassDef) -> Iterator[str]:
    for statement in definition.body:
        if isinstance(statement, ast.FunctionDef) and not statement.decorator_list:
            member = vars(cls).get(statement.name)
            if isinstance(member, FunctionType) and member.__name__ != statement.name:
                yield f"The method {statement.name!r} was replaced"
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            names = [name.id for name in statement.targets if isinstance(name, ast.Name)]
            for name in names:
                now = vars(cls).get(name)
                if type(now) in _PLAIN and now != statement.value.value:  # not what a metaclass made of it
                    yield f"The class attribute {name!r} was set to {now!r}"
