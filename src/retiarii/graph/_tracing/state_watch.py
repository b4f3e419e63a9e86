"""`StateWatch`: finds side effects of ``forward``, which a graph would lose."""

from __future__ import annotations

import pickle
import random
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from retiarii.graph._tracing.remembered import PLAIN, Remembered

_LIBRARIES = ("torch", "retiarii.", "builtins", "collections", "functools")
_CONTAINERS = (list, dict, set)
_DEPTH = 3


class StateWatch:
    """Records the attributes of modules, classes and files, and the state of random generators, to find changes.

    Args:
        model: The model that is going to be traced.
        namespaces: The global names of the code that it may run.
    """

    def __init__(self, model: nn.Module, namespaces: list[dict[str, Any]]) -> None:
        self._modules = dict(model.named_modules())
        self._before = {path: _copy(vars(module)) for path, module in self._modules.items()}
        classes = {cls for module in model.modules() for cls in type(module).__mro__}
        owners = [cls for cls in classes if not cls.__module__.startswith(_LIBRARIES)]
        self._shared: list[tuple[Any, dict[str, Any]]] = [
            (owner, _shared_values(owner)) for owner in (*owners, *namespaces)
        ]
        spaces = [*map(vars, self._modules.values()), *(vars(owner) for owner in owners), *namespaces]
        self._spaces, self._owners = spaces, {owner.__module__ for owner in owners}
        self._generators = list(_generators(spaces))
        self._random = self._random_state()

    def restore(self) -> None:
        """Restore the attributes of the modules."""
        for path, module in self._modules.items():
            _restore(vars(module), self._before[path])

    def shared_change(self) -> str | None:
        """Return the name of a class attribute or global variable that changed; None if none did."""
        for owner, before in self._shared:
            for name, value in _shared_values(owner).items():
                if name not in before or _is_other(value, before[name]):
                    return name
        return None

    def remembered(self) -> Remembered:
        """Return the current state of everything that ``forward`` can reach by a name."""
        return Remembered(self._spaces, self._owners)

    @contextmanager
    def shared_kept(self) -> Iterator[None]:
        """Restore class attributes and global variables afterwards."""
        kept = [(owner, _shared_values(owner)) for owner, _ in self._shared]
        try:
            yield
        finally:
            for owner, before in kept:
                for name, value in _shared_values(owner).items():
                    if name in before and _is_other(value, before[name]):
                        _give_back(owner, name, before[name])

    def change(self) -> str | None:
        """Return a sentence about the first change; None if nothing changed."""
        for path, module in self._modules.items():
            name = _difference(vars(module), self._before[path])
            if name is not None:
                where = f"{path}.{name}" if path else name
                return f"forward changes the attribute {where!r} of {type(module).__name__}, which a graph would not do"
        names = [
            name for name, state in self._random_state().items() if not _is_same(state, self._random.get(name, state))
        ]
        if names:
            return f"forward draws from the random generator of {names[0]}; a graph would keep what it drew once"
        return None

    def _random_state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"Python": random.getstate(), "torch": torch.random.get_rng_state()}
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            state["numpy"] = pickle.dumps(numpy.random.get_state())
        return state | {name: pickle.dumps(generator) for name, generator in self._generators}


def _shared_values(owner: Any) -> dict[str, tuple[Any, Any]]:
    """Return the plain values and containers of a class or module by name, with copies of the containers."""
    space = owner if isinstance(owner, dict) else vars(owner)
    return {
        name: (value, _copy(value, 2) if type(value) in _CONTAINERS else None)
        for name, value in list(space.items())
        if type(value) in (*PLAIN, *_CONTAINERS) and not name.startswith("__")
    }


def _is_other(now: tuple[Any, Any], before: tuple[Any, Any]) -> bool:
    if type(now[0]) in PLAIN:
        return type(before[0]) is not type(now[0]) or bool(now[0] != before[0])
    return now[0] is not before[0] or _difference(now[0], before[1], 2) is not None


def _give_back(owner: Any, name: str, before: tuple[Any, Any]) -> None:
    value, content = before
    if type(value) in _CONTAINERS:
        _restore(value, content, 2)
    if isinstance(owner, dict):
        owner[name] = value
    else:
        setattr(owner, name, value)


def _generators(spaces: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the random generators of Python and NumPy that are attributes, or items of a list or dict."""
    numpy = sys.modules.get("numpy")
    kinds = (random.Random, *((numpy.random.Generator, numpy.random.RandomState) if numpy is not None else ()))
    for space in spaces:
        for name, value in list(space.items()):
            items = value.values() if type(value) is dict else value if type(value) in (list, tuple) else (value,)
            for index, item in enumerate(list(items)):
                if isinstance(item, kinds) and not isinstance(item, random.SystemRandom):
                    yield f"{name} ({type(item).__name__} {index})", item


def _content(value: Any) -> Any:
    """Return the attributes of an object of a user's class, and any other value unchanged."""
    if isinstance(value, (nn.Module, torch.Tensor, type)) or type(value).__module__.startswith(_LIBRARIES):
        return value
    return value.__dict__ if isinstance(getattr(value, "__dict__", None), dict) else value


def _copy(value: Any, depth: int = _DEPTH) -> Any:
    """Return copies of containers and of objects of user classes, and any other value unchanged."""
    value = _content(value)
    if depth and isinstance(value, dict):
        return {key: (item, _copy(item, depth - 1)) for key, item in value.items()}
    if depth and isinstance(value, list):
        return [(item, _copy(item, depth - 1)) for item in value]
    if isinstance(value, set):
        return set(value)
    return value


def _restore(value: Any, before: Any, depth: int = _DEPTH) -> None:
    value = _content(value)
    if depth and isinstance(value, dict):
        if list(value) != list(before) or any(value[key] is not item for key, (item, _) in before.items()):
            value.clear()
            value.update({key: item for key, (item, _) in before.items()})
        for item, inner in before.values():
            _restore(item, inner, depth - 1)
    elif depth and isinstance(value, list):
        value[:] = [item for item, _ in before]
        for item, inner in before:
            _restore(item, inner, depth - 1)
    elif isinstance(value, set) and value != before:
        value.clear()
        value.update(before)


def _difference(value: Any, before: Any, depth: int = _DEPTH) -> str | None:
    """Return the name of the first entry that changed; ``""`` for an element of a list or set."""
    value = _content(value)
    if depth and isinstance(value, dict):
        for key in (*value, *before):
            if key not in value or key not in before or value[key] is not before[key][0]:
                return str(key)
            if _difference(value[key], before[key][1], depth - 1) is not None:
                return str(key)
    elif depth and isinstance(value, list):
        if len(value) != len(before) or any(item is not was for item, (was, _) in zip(value, before, strict=True)):
            return ""
        return next((d for i, (_, w) in zip(value, before, strict=True) if (d := _difference(i, w, depth - 1))), None)
    elif isinstance(value, set) and value != before:
        return ""
    return None


def _is_same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    return bool(first == second)
