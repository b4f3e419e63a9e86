"""`UserSource`: the user's own classes and functions as source text, with everything that they refer to.

Rules: a class or function of the user's modules is copied as it stands in its file, without the decorators of this
package and with ``retiarii.nn.pytorch`` replaced by ``torch.nn``; what it refers to (helper functions, base classes,
constants) is copied too. What comes from an installed library is imported from there. Where there is no source text,
the object is imported from the user's module, and a comment says so.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import io
import symtable
import sys
import sysconfig
import textwrap
import tokenize
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from retiarii.errors import GraphError
from retiarii.graph._exporting.definition_source import (
    check_unchanged,
    file_tree,
    functions_of,
    imports_of,
    is_from_elsewhere,
    lookup,
    source_of,
)
from retiarii.graph._operations.qualified_names import resolve_any, type_name
from retiarii.graph._operations.safe_names import class_name
from retiarii.graph._source.literals import RESERVED, Literals
from retiarii.nn.pytorch import is_basic_unit
from retiarii.nn.pytorch.constructor_calls import layer_class

_OWN = "retiarii"
_CALLED = ("OrderedDict", "dict", "float", "frozenset", "getattr", "set", "slice", "super")  # in generated constructors
_LIBRARIES = tuple(
    {str(Path(sysconfig.get_paths()[name]).resolve()) for name in ("purelib", "platlib", "stdlib", "platstdlib")}
)


class UserSource:
    """Collects definitions; each object is defined once, before the objects that refer to it.

    Args:
        literals: Writes constants, and collects the imports.

    Attributes:
        definitions: The text of each definition, in order.
    """

    def __init__(self, literals: Literals) -> None:
        self.definitions: list[str] = []
        self._literals = literals
        self._names: dict[str, Any] = dict.fromkeys((*RESERVED, *_CALLED))
        self._known: dict[int, str] = {}
        self._keep: list[Any] = []  # keeps the objects alive whose ids are in `_known`

    def reserve(self, name: str) -> str:
        """Return a name for a generated class that nothing else has."""
        unique, number = name, 2
        while unique in self._names:
            unique, number = f"{name}{number}", number + 1
        self._names[unique] = None
        return unique

    def is_used(self, name: str) -> bool:
        """Return whether the file uses a name."""
        return name in self._names

    def name(self, qualified: str, target: Any) -> str:
        """Return the name of a class or function in the exported file; define or import it there.

        Raises:
            GraphError: There is no such object, or it contains choices.
        """
        target = resolve_any(qualified) if target is None else target
        known = self._known.get(id(target))
        if known is not None:
            return known
        short = class_name(getattr(target, "__name__", qualified.rpartition(".")[2]))
        name = self.reserve(short)
        self._known[id(target)] = name
        self._keep.append(target)
        module = sys.modules.get(getattr(target, "__module__", ""))
        if module is not None and _is_library(module):
            alias = "" if name == target.__name__ else f" as {name}"
            self._literals.imports.add(f"from {module.__name__} import {target.__name__}{alias}")
            return name
        self._copy(target, short, name)
        return name

    def _copy(self, target: Any, short: str, name: str) -> None:
        try:
            text = textwrap.dedent(source_of(target))
            ast.parse(text)
        except (OSError, TypeError, SyntaxError) as err:
            self._import(target, name, err)
            return
        check_unchanged(target, text)
        text = _without_own_decorators(text, target)
        renamed: dict[str, str] = {} if name == short else {short: name}
        for used in _global_names(text):
            if used != short:
                self._refer(used, target, text, renamed)
        if isinstance(target, type) and is_basic_unit(target):
            text = _with_super_call(text)
        self.definitions.append(_renamed(text, renamed).rstrip())

    def _import(self, target: Any, name: str, err: Exception) -> None:
        module, qualified = target.__module__, target.__qualname__
        if "<locals>" in qualified or module == "__main__":
            raise GraphError(
                f"The source of {qualified} ({module}) is needed for the exported code and is not available: {err}. "
                "Define it in a file."
            ) from err
        alias = "" if name == qualified else f" as {name}"
        self._literals.imports.add(
            f"from {module} import {qualified}{alias}  # its source was not available; this file needs your module"
        )

    def _refer(self, used: str, target: Any, text: str, renamed: dict[str, str]) -> None:
        """Make a global name of a copied definition known in the exported file."""
        found, value = _lookup(used, target)
        if not found:
            return
        value = layer_class(value)
        statement = _library_import(used, value, target)
        if statement is not None and self._names.setdefault(used, value) is value:
            self._literals.imports.add(statement)
            return
        if isinstance(value, ModuleType):
            self._refer_to_module(used, value, target, text)
        elif isinstance(value, type) or inspect.isroutine(value):
            self._refer_to_definition(used, value, target, renamed)
        else:
            self._refer_to_constant(used, value, target, renamed)

    def _refer_to_module(self, used: str, module: ModuleType, target: Any, text: str) -> None:
        name = module.__name__
        if name == "retiarii.nn.pytorch":
            _check_no_choices(used, target, text)
            name = "torch.nn"
        if name.split(".")[0] == _OWN:
            raise GraphError(f"The source of {target.__qualname__} uses {used} ({name}), which needs retiarii to run.")
        parent, _, last = name.rpartition(".")
        if used == name.split(".")[0] and used in sys.modules and sys.modules[used] is module:
            statement = f"import {name}"
        elif parent and used == last and (parent, last) != ("torch.nn", "functional"):
            statement = f"from {parent} import {last}"
        else:
            statement = f"import {name} as {used}"
        comment = "" if _is_library(module) or name == "torch.nn" else "  # this file needs your module"
        self._literals.imports.add(statement + comment)
        self._names.setdefault(used, module)

    def _refer_to_definition(self, used: str, value: Any, target: Any, renamed: dict[str, str]) -> None:
        module = getattr(value, "__module__", None) or ""
        if module.startswith(f"{_OWN}.nn.pytorch") or module in (_OWN, f"{_OWN}.utils"):
            raise GraphError(
                f"The source of {target.__qualname__} uses {used} of {module}, which needs retiarii to run."
            )
        canonical = type_name(value)
        if canonical.startswith("torch.") or module.split(".")[0] in sys.stdlib_module_names:
            parent, _, last = canonical.rpartition(".")
            alias = "" if last == used else f" as {used}"
            self._literals.imports.add(f"from {parent} import {last}{alias}")
            self._names.setdefault(used, value)
            return
        name = self.name(canonical, value)
        if name != used:
            renamed[used] = name

    def _refer_to_constant(self, used: str, value: Any, target: Any, renamed: dict[str, str]) -> None:
        try:
            literal = self._literals.value(value, target.__qualname__)
        except GraphError as err:
            raise GraphError(
                f"The source of {target.__qualname__} uses the global {used!r} of type {type(value).__name__}, which "
                "cannot be written into the exported file. Make it an argument of the constructor."
            ) from err
        definition = f"{used} = {literal}"
        if definition in self.definitions:
            return
        name = self.reserve(used)
        if name != used:
            renamed[used] = name
        self.definitions.append(f"{name} = {literal}")


def _is_library(module: ModuleType) -> bool:
    """Return whether a module is installed or part of Python, and not the user's own code."""
    top = module.__name__.split(".")[0]
    if top == _OWN:
        return False
    if top in sys.stdlib_module_names and top != "__main__":
        return True
    file = getattr(module, "__file__", None)
    return file is not None and str(Path(file).resolve()).startswith(_LIBRARIES)


def _lookup(name: str, target: Any) -> tuple[bool, Any]:
    """Look up a global name of a definition; return whether it was found, and its value."""
    for function in functions_of(target):
        for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if free == name and free != "__class__":
                return True, cell.cell_contents
    if is_from_elsewhere(target):
        found, value = lookup(name, target)
        return found, value if found else getattr(builtins, name, None)
    namespace = vars(sys.modules[target.__module__]) if target.__module__ in sys.modules else {}
    if name in namespace:
        return True, namespace[name]
    return False, getattr(builtins, name, None)


def _library_import(used: str, value: Any, target: Any) -> str | None:
    """Return the user's import statement of a library name, if the exported file can repeat it.

    Many objects do not know where they can be imported from, such as ``types.FunctionType``, which says that it is
    ``builtins.function``.
    """
    if used in RESERVED or isinstance(value, ModuleType):
        return None
    for statement, alias in imports_of(used, file_tree(target)):
        if isinstance(statement, ast.ImportFrom) and not statement.level and statement.module is not None:
            source = sys.modules.get(statement.module)
            if source is not None and _is_library(source) and getattr(source, alias.name, None) is value:
                suffix = "" if alias.name == used else f" as {used}"
                return f"from {statement.module} import {alias.name}{suffix}"
    return None


def _global_names(text: str) -> list[str]:
    """Return the global names that a definition uses, in order."""
    found: dict[str, None] = {}
    stack = [symtable.symtable(text, "<source>", "exec")]
    while stack:
        table = stack.pop()
        is_top = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or (is_top and not symbol.is_assigned())):
                found[symbol.get_name()] = None
        stack.extend(reversed(table.get_children()))
    return [name for name in found if not hasattr(builtins, name)]


def _without_own_decorators(text: str, target: Any) -> str:
    """Cut the decorators of this package off a definition."""
    node = ast.parse(text).body[0]
    lines = text.splitlines()
    for decorator in reversed(getattr(node, "decorator_list", [])):
        root = decorator.func if isinstance(decorator, ast.Call) else decorator
        path = ast.unparse(root).split(".")
        found, value = _lookup(path[0], target)
        for part in path[1:]:
            value = getattr(value, part, None)
        if found and (getattr(value, "__module__", None) or "").split(".")[0] == _OWN:
            del lines[decorator.lineno - 1 : decorator.end_lineno]
    return "\n".join(lines) + "\n"


def _with_super_call(text: str) -> str:
    """Add ``super().__init__()`` to the constructor of a basic unit if it is missing."""
    cls = ast.parse(text).body[0]
    init = next((n for n in ast.walk(cls) if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    if init is None or "__init__" in {n.attr for n in ast.walk(init) if isinstance(n, ast.Attribute)}:
        return text
    first = init.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(init.body) > 1:
        first = init.body[1]
    lines = text.splitlines()
    lines.insert(first.lineno - 1, " " * first.col_offset + "super().__init__()")
    return "\n".join(lines) + "\n"


def _check_no_choices(alias: str, target: Any, text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == alias:
            if not hasattr(nn, node.attr):
                raise GraphError(
                    f"The source of {target.__qualname__} uses {alias}.{node.attr}, which needs retiarii to run. Leave "
                    "@basic_unit away, so that the module is exported as what the architecture makes of it."
                )


def _renamed(text: str, names: dict[str, str]) -> str:
    """Replace names in source text, attributes and keywords of calls excepted."""
    if not names:
        return text
    lines = text.splitlines(keepends=True)
    before = ""
    edits: list[tuple[int, int, int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and token.string in names and before != ".":
            edits.append((token.start[0] - 1, token.start[1], token.end[1], names[token.string]))
        before = token.string
    for line, start, end, name in reversed(edits):
        lines[line] = lines[line][:start] + name + lines[line][end:]
    return "".join(lines)
