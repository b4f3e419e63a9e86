"""`find_culprit`: the part of an object that prevents the whole from being pickled."""

from __future__ import annotations

import functools
import inspect
import io
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from retiarii.evaluator._trace import traced_call

_ATOMS = (type(None), bool, int, float, complex, str, bytes)
_INSIDE = "Create it inside the evaluation"
_FIXES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("Tensor", "Parameter"), "Move it to the CPU (.cpu()); trials move models and batches to their own device."),
    (("generator", "coroutine", "async_generator"), "Pass a list, or a function that makes the generator."),
    (("lock", "RLock", "Condition", "Event", "Semaphore", "Queue", "SimpleQueue"), f"{_INSIDE}; locks cannot be sent."),
    (("Connection", "Cursor", "Engine", "socket", "SSLContext"), f"{_INSIDE}: connect there, and pass the address."),
    (("Thread", "Process", "Popen", "ThreadPoolExecutor", "ProcessPoolExecutor"), f"{_INSIDE} and pass its settings."),
)
_GENERAL_FIX = (
    f"{_INSIDE}, or build the object that holds it with retiarii.trace(Class)(...): then the class and its arguments "
    "are sent, and the other process builds the object again."
)


class Culprit(NamedTuple):
    """The smallest part that cannot be pickled: its path, the object and the error."""

    path: str
    obj: Any
    cause: Exception


def find_culprit(obj: Any, path: str, cause: Exception, attempt: Callable[[Any], Exception | None]) -> Culprit:
    """Find, depth first, the first part that cannot be pickled although all its own parts can.

    Args:
        obj: An object that cannot be pickled.
        path: The object's name in messages.
        cause: The error that pickling it raised.
        attempt: A function that tries to pickle an object and returns the error, or None.
    """
    whole = Culprit(path, obj, cause)
    return _search(whole, attempt, seen={id(obj)}) or whole


def explain(culprit: Any) -> str:
    """Return advice for an object that cannot be pickled."""
    if isinstance(culprit, io.IOBase):
        return "Pass the file's path, and open it inside the evaluation."
    names = {cls.__name__ for cls in type(culprit).__mro__}
    return next((fix for types_, fix in _FIXES if names.intersection(types_)), _GENERAL_FIX)


def _search(whole: Culprit, attempt: Callable[[Any], Exception | None], seen: set[int]) -> Culprit | None:
    """Return the culprit in an object; None if it fails only because of objects that were visited before."""
    failing = []
    for suffix, part in _parts(whole.obj):
        cause = None if isinstance(part, _ATOMS) else attempt(part)
        if cause is not None:
            failing.append(Culprit(whole.path + suffix, part, cause))
    if not failing:
        return whole
    for part in failing:
        if id(part.obj) not in seen:
            seen.add(id(part.obj))
            found = _search(part, attempt, seen)
            if found is not None:
                return found
    return None


def _parts(obj: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parts that pickling an object would pickle next, each with its path from the object."""
    call = traced_call(obj)
    if call is not None:
        yield from ((f"(argument {index})", value) for index, value in enumerate(call.args))
        yield from ((f"({name})", value) for name, value in call.kwargs.items())
    elif isinstance(obj, dict):
        yield from ((f"[{key!r}]", value) for key, value in obj.items())
    elif isinstance(obj, (list, tuple, set, frozenset)):
        yield from ((f"[{index}]", value) for index, value in enumerate(obj))
    elif isinstance(obj, types.FunctionType):
        yield from _function_parts(obj)
    elif isinstance(obj, types.MethodType):
        yield ".__self__", obj.__self__
    elif isinstance(obj, functools.partial):
        yield from ((".func", obj.func), (".args", obj.args), (".keywords", obj.keywords))
    elif isinstance(obj, type):
        yield from ((f".{name}", value) for name, value in vars(obj).items() if not name.startswith("__"))
    else:
        yield from _object_parts(obj)


def _function_parts(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a function that is pickled by value: free variables, used globals, defaults."""
    try:
        variables = inspect.getclosurevars(function)
    except ValueError:  # a free variable without a value yet
        return
    for name, value in {**variables.globals, **variables.nonlocals}.items():
        yield f", variable {name!r}", value
    parameters = inspect.signature(function).parameters.values()
    yield from ((f", default of {p.name!r}", p.default) for p in parameters if p.default is not p.empty)


def _object_parts(obj: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes and items of any other object, as its own pickling method gives them."""
    try:
        reduced = obj.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 - it may raise anything; this object is then the culprit
        return
    if isinstance(reduced, str):
        return  # pickled by name
    _, args, state, items, pairs = (*reduced, None, None, None)[:5]
    yield from ((".__class__" if isinstance(arg, type) else f".__reduce__()[{i}]", arg) for i, arg in enumerate(args))
    for attributes in state if isinstance(state, tuple) else (state,):  # a pair where the class has __slots__
        if isinstance(attributes, dict):
            yield from ((f".{name}", value) for name, value in attributes.items())
        elif attributes is not None:
            yield ".__getstate__()", attributes
    yield from ((f"[{index}]", value) for index, value in enumerate(items or ()))
    yield from ((f"[{key!r}]", value) for key, value in pairs or ())
