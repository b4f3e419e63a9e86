"""List the public classes and functions that no test uses: ``python scripts/unused_names.py``.

The public names are those in an ``__all__`` of the package. A test uses a name if it calls it, derives from it,
decorates with it, passes it on or reads an attribute of it; imports and annotations do not count. Names are followed
through the imports of each file, so ``text.lower()`` is no use of `retiarii.graph.lower`. The code blocks of the README
and the docs, the examples and the conformance tests count, because tests run them.
``tests/package/test_package_used.py`` requires an empty list.
"""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import retiarii
import retiarii.nn.pytorch
from retiarii.nn.pytorch._recording.layer_factories import torch_names

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Print the unused names, one per line; the exit code is 1 if there are any."""
    os.environ.setdefault("KERAS_BACKEND", "torch")  # installed in any case, unlike Keras's own default
    missing = unused()
    sys.stdout.writelines(f"{name}\n" for name in missing)
    sys.exit(bool(missing))


def unused() -> list[str]:
    """Return the public names that no test uses, each under the first module that has it."""
    used = {id(found) for code in _sources() for found in _used(ast.parse(code))}
    return sorted(name for name, value in _public().items() if id(value) not in used)


def _public() -> dict[str, Any]:
    """Return the public classes and functions by name; those of ``torch.nn`` are PyTorch's."""
    found: dict[int, tuple[str, Any]] = {}
    for name in _public_modules():
        module = importlib.import_module(name)
        for item in getattr(module, "__all__", ()):
            value = getattr(module, item)
            is_ours = isinstance(value, (type, types.FunctionType)) and value.__module__.startswith("retiarii.")
            is_of_torch = module is retiarii.nn.pytorch and item in torch_names()
            if is_ours and not is_of_torch:
                found.setdefault(id(value), (f"{name}.{item}", value))
    return dict(found.values())


def _public_modules() -> Iterator[str]:
    for module in pkgutil.walk_packages(retiarii.__path__, "retiarii."):
        if not any(part.startswith("_") for part in module.name.split(".")):
            yield module.name


def _sources() -> Iterator[str]:
    """Yield the sources that tests run."""
    for path in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("examples/*.py"), *ROOT.glob("src/retiarii/testing/*.py")]:
        yield path.read_text()
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        yield "\n".join(BLOCK.findall(page.read_text()))


def _used(tree: ast.Module) -> Iterator[Any]:
    """Yield the objects of the package that a file uses."""
    names = dict(_imported(tree))
    for node in _expressions(tree):
        dotted = _dotted(node)
        if dotted is not None and dotted[0] in names:
            value: Any = _resolved(names[dotted[0]])
            yield value
            for part in dotted[1:]:
                value = getattr(value, part, None)
                yield value


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the local names of a file's imports from the package, with their full names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "retiarii":
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "retiarii":
                    yield alias.asname or "retiarii", alias.name if alias.asname else "retiarii"


def _resolved(dotted: str) -> Any:
    """Return the object of a dotted name: a module, or an attribute of one."""
    try:
        return importlib.import_module(dotted)
    except ImportError:
        module, _, name = dotted.rpartition(".")
        return getattr(importlib.import_module(module), name, None)


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the names and attributes in a tree, the longest chains only, annotations left out."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, (ast.Name, ast.Attribute)) and _dotted(child) is not None:
                yield child
            elif isinstance(child, ast.AST):
                yield from _expressions(child)


def _dotted(node: ast.expr) -> list[str] | None:
    """Return the parts of ``a.b.c``; None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else None


if __name__ == "__main__":
    main()
