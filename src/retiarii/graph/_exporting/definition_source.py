"""`source_of`: the source text of a class or function, and whether the object still does what the text says.

An experiment that is loaded from its store has classes of a script that this process does not run. Their text is read
from the file of the script.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from retiarii.errors import GraphError

_PLAIN = (int, float, complex, str, bytes, bool, type(None))


def source_of(target: Any) -> str:
    """Return the source text of a class or function, as `inspect.getsource` does.

    Raises:
        OSError: There is no file, or it was changed since the object was defined.
        TypeError: The object is built in.
    """
    if not is_from_elsewhere(target):
        return inspect.getsource(target)
    script = _Script.of(target)
    if script is None:
        raise OSError("it was defined in a notebook or at a prompt")
    return script.definition(target)


def file_tree(target: Any) -> ast.Module:
    """Return the syntax tree of the file that defines a class or function; an empty one if there is no file."""
    if is_from_elsewhere(target):
        script = _Script.of(target)
        return script.tree if script is not None else ast.Module([], [])
    module = sys.modules.get(getattr(target, "__module__", ""))
    try:
        return ast.parse(inspect.getsource(module)) if module is not None else ast.Module([], [])
    except (OSError, TypeError, SyntaxError):
        return ast.Module([], [])


def imports_of(name: str, tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, ast.alias]]:
    """Yield the import statements of a file that bind a name, with the part of the statement that does so."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if name == (alias.asname or alias.name.split(".")[0]):
                    yield node, alias


def is_from_elsewhere(target: Any) -> bool:
    """Return whether an object was defined in the ``__main__`` of another process."""
    here = vars(sys.modules["__main__"])
    return getattr(target, "__module__", None) == "__main__" and here.get(target.__name__) is not target


def lookup(name: str, target: Any) -> tuple[bool, Any]:
    """Look up a global name of a definition from another process; return whether it was found, and its value.

    Raises:
        GraphError: The script defines the name, and its value did not come with the definition.
    """
    for function in functions_of(target):
        if name in function.__globals__:
            return True, function.__globals__[name]
    script = _Script.of(target)
    return (False, None) if script is None else script.value(name, target)


def functions_of(target: Any) -> Iterator[Any]:
    """Yield a function, or the functions of a class."""
    values = vars(target).values() if isinstance(target, type) else (target,)
    for value in values:
        function = inspect.unwrap(value) if callable(value) else value
        function = getattr(function, "__func__", function)
        if inspect.isfunction(function):
            yield function


class _Script:
    """The source file of a script.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        text = Path(path).read_text(encoding="utf-8")
        self._lines = text.splitlines(keepends=True)
        self.tree = ast.parse(text)
        self._codes = {(code.co_name, code.co_code, code.co_names) for code in _codes(compile(text, path, "exec"))}

    @staticmethod
    def of(target: Any) -> _Script | None:
        """Return the script that defines an object; None if it has no file."""
        path = next((function.__code__.co_filename for function in functions_of(target)), "")
        return _script(path) if Path(path).is_file() else None

    def definition(self, target: Any) -> str:
        """Return the text of a class or function, its decorators included.

        Raises:
            OSError: The definition is missing or was changed.
        """
        body: list[ast.stmt] = self.tree.body
        node: ast.stmt | None = None
        for name in target.__qualname__.split("."):
            node = next((node for node in body if getattr(node, "name", None) == name), None)
            body = getattr(node, "body", [])
        codes = [function.__code__ for function in functions_of(target)]
        if node is None or any((code.co_name, code.co_code, code.co_names) not in self._codes for code in codes):
            raise OSError("its file was changed since the experiment was started")
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        return "".join(self._lines[first - 1 : node.end_lineno])

    def value(self, name: str, target: Any) -> tuple[bool, Any]:
        """Look up a global name without running the script; return whether it was found, and its value."""
        for known in (self._base, self._import, self._constant):
            found, value = known(name, target)
            if found:
                return True, value
        if name in self._defined:
            raise GraphError(
                f"The source of {target.__qualname__} (__main__) uses {name!r}, which the script defines and this "
                "process does not know. Export from the script itself, or move the model to a module of its own."
            )
        return False, None

    def _base(self, name: str, target: Any) -> tuple[bool, Any]:
        """Look up a name among the base classes, which no function refers to."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef) and node.name == target.__name__:
                for base, cls in zip(node.bases, getattr(target, "__bases__", ()), strict=False):
                    if isinstance(base, ast.Name) and base.id == name:
                        return True, cls
        return False, None

    def _import(self, name: str, target: Any) -> tuple[bool, Any]:
        node, alias = next(imports_of(name, self.tree), (None, None))
        return (False, None) if node is None or alias is None else _imported(node, alias, target)

    def _constant(self, name: str, target: Any) -> tuple[bool, Any]:
        for statement in self.tree.body:
            if isinstance(statement, ast.Assign) and name in map(ast.unparse, statement.targets):
                try:
                    return True, ast.literal_eval(statement.value)
                except ValueError:
                    break
        return False, None

    @property
    def _defined(self) -> set[str]:
        """The names that the script defines."""
        names = (node for node in ast.walk(self.tree) if isinstance(node, ast.Name))
        assigned = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        return assigned | {getattr(statement, "name", "") for statement in self.tree.body}


@lru_cache(maxsize=4)
def _script(path: str) -> _Script:
    return _Script(path)


def _imported(node: ast.Import | ast.ImportFrom, alias: ast.alias, target: Any) -> tuple[bool, Any]:
    try:
        if isinstance(node, ast.Import):
            module = importlib.import_module(alias.name)
            return True, module if alias.asname else sys.modules[alias.name.split(".")[0]]
        package = next((function.__globals__.get("__package__") for function in functions_of(target)), None)
        module = importlib.import_module("." * node.level + (node.module or ""), package)
        if not hasattr(module, alias.name):
            return True, importlib.import_module(f"{module.__name__}.{alias.name}")
        return True, getattr(module, alias.name)
    except (ImportError, TypeError):
        return False, None


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def check_unchanged(target: Any, text: str) -> None:
    """Check that a class or function was not changed after its definition.

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
                if type(now) in _PLAIN and now != statement.value.value:  # a metaclass may have changed other types
                    yield f"The class attribute {name!r} was set to {now!r}"
