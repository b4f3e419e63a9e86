"""Look-ups in the table of NNI's names: modules, their names, and our equivalents."""

from __future__ import annotations

import difflib
import functools
import importlib
from typing import Any

from retiarii._lazy import load
from retiarii.compat._nni_row import Adapted, Row
from retiarii.compat._nni_table import CONTINUED, MODULES, NEAREST

ROOT = "nni"
_ELSEWHERE = 0.8  # how alike a name of another module has to be
_GUIDE = "docs/coming-from-nni.md has the table of names."


@functools.cache
def _packages() -> frozenset[str]:
    """Return the modules of the table, and the parents of modules that have rows or hints."""
    known = [*MODULES, *(name for name in NEAREST if name.startswith(f"{ROOT}."))]
    above = {name[:end] for name in known for end, letter in enumerate(name) if letter == "."}
    return frozenset({*MODULES, *above})


def is_module(fullname: str) -> bool:
    """Return whether a module of NNI can be imported."""
    return fullname in _packages()


def submodules_of(module: str) -> set[str]:
    """Return the names of the modules directly below a module."""
    return {name.rpartition(".")[2] for name in _packages() if name.rpartition(".")[0] == module}


def names_of(module: str) -> list[str]:
    """Return the names that a module has, sorted."""
    names: set[str] = set(MODULES.get(module, ()))
    if module in CONTINUED:
        prefix, ours = CONTINUED[module]
        names.update(f"{prefix}{name}" if name[0].isupper() else name for name in _layers(ours))
    return sorted(names)


def attribute(module: str, name: str) -> Any:
    """Return our object for a name of one of NNI's modules.

    Raises:
        KeyError: The module has no such name.
    """
    row = MODULES.get(module, {}).get(name)
    if isinstance(row, Row):
        return Adapted(module, name, row)
    if row is not None:
        return load(row)
    if module not in CONTINUED or name.startswith("_"):
        raise KeyError(name)
    prefix, ours = CONTINUED[module]
    for spelled in (name.removeprefix(prefix), name):
        if spelled in _layers(ours):
            return getattr(importlib.import_module(ours), spelled)
    raise KeyError(name)


def _layers(ours: str) -> set[str]:
    """Return the names that one of our modules has in common with ``torch.nn``."""
    return set(importlib.import_module(ours).__all__) & set(dir(importlib.import_module("torch.nn")))


def no_equivalent(fullname: str) -> str:
    """Return the message for a module or name without an equivalent, which suggests the nearest one.

    Args:
        fullname: The name with its module, for example ``nni.retiarii.strategy.TPE``.
    """
    hint = _hint(fullname)
    if hint is not None:
        return f"retiarii has no equivalent of {fullname}. What comes nearest is {hint}. {_GUIDE}"
    parent, _, name = fullname.rpartition(".")
    near = _most_alike(name, [parent]) or _most_alike(name, list(MODULES), cutoff=_ELSEWHERE)
    if near is not None:
        return f"retiarii has no equivalent of {fullname}. What comes nearest is {near}. {_GUIDE}"
    there = sorted({*MODULES.get(parent, ()), *_filled_below(parent)})
    known = f"In {parent} there are {', '.join(there)}" if there else f"There is no {parent} either"
    return f"retiarii has no equivalent of {fullname}. {known}. {_GUIDE}"


def _hint(fullname: str) -> str | None:
    """Return the hint for a name; without one, the hint for the nearest parent module that has one."""
    if fullname.rpartition(".")[2] in NEAREST:
        return NEAREST[fullname.rpartition(".")[2]]
    while fullname:
        if fullname in NEAREST:
            return NEAREST[fullname]
        fullname = fullname.rpartition(".")[0]
    return None


def _most_alike(name: str, places: list[str], cutoff: float = 0.6) -> str | None:
    """Return the most similarly spelled name in some modules, with our name for it.

    Args:
        name: The name that was not found.
        places: The modules to search; if several have a name, the first counts.
        cutoff: The smallest accepted similarity, from 0 to 1.
    """
    named = {other: place for place in reversed(places) for other in [*names_of(place), *_filled_below(place)]}
    near = difflib.get_close_matches(name, named, n=1, cutoff=cutoff)
    if not near:
        return None
    place, other = named[near[0]], near[0]
    if other in _filled_below(place):
        return f"the module {place}.{other}"
    ours = _ours(place, other)
    return f"{place}.{other}" if "._" in ours else f"{place}.{other}, here {ours}"


def _ours(module: str, name: str) -> str:
    """Return our name for a name of one of NNI's modules."""
    row = MODULES.get(module, {}).get(name)
    if row is not None:
        return (row.target if isinstance(row, Row) else row).replace(":", ".")
    prefix, ours = CONTINUED[module]
    return f"{ours}.{name.removeprefix(prefix)}"


def _filled_below(module: str) -> set[str]:
    """Return the names of a module's direct submodules that contain names, themselves or further below."""
    start = f"{module}."
    return {name[len(start) :].partition(".")[0] for name in MODULES if name.startswith(start)}
