"""`trace` and `serialize`: objects with a record of their constructor and arguments.

A traced object is an ordinary object of its class with a record of its constructor and arguments. The record is used to
send the object to other processes, and to build it again with chosen values if its arguments contain choices; until
then the choices have their default values. Modules of `retiarii.nn.pytorch` have the same kind of record. A choice of
`retiarii.space` in an argument is treated as a variable.
"""

from __future__ import annotations

import functools
import inspect
import operator
import sys
from collections.abc import Callable
from types import UnionType
from typing import Any, TypeVar, overload

from retiarii.errors import EvaluatorError
from retiarii.space import Choice, ChoiceVariable, Expression
from retiarii.space.construction import (
    CALL_ATTRIBUTE,
    ConstructorCall,
    call_of,
    evaluate,
    leaves,
    replace_expressions,
    replace_leaves,
)

T = TypeVar("T")

_MARK = "_retiarii_traced"
_IS_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class made by a class statement, whose attributes can be set


class TracedCall(ConstructorCall):
    """A recorded call that is also used to send the object to other processes."""


def traced_call(obj: Any) -> TracedCall | None:
    """Return the recorded call of a traced object; None for other objects."""
    call = None if isinstance(obj, type) else call_of(obj)
    return call if isinstance(call, TracedCall) else None


def as_variables(value: Any) -> Any:
    """Return ``value`` with each choice in it replaced by a variable; ``value`` itself if it contains none."""
    return replace_leaves(value, lambda leaf: ChoiceVariable(leaf) if isinstance(leaf, Choice) else leaf)


def build(call: ConstructorCall) -> Any:
    """Make the object of a call, with choices at their defaults, and record the call on it.

    An object that cannot hold a record (a number, a list, an array, one of the arguments) is returned without one. If
    the arguments contain choices, the call is returned as an expression instead.
    """
    made = call.build()
    is_own = all(made is not leaf for _, leaf in leaves((call.args, call.kwargs)))  # not one of the arguments
    try:
        if is_own:
            vars(made)[CALL_ATTRIBUTE] = call
    except TypeError:  # no __dict__: a list, a number, an array
        is_own = False
    return made if is_own or not _holds_choices(call) else _expression(call)


def _holds_choices(call: ConstructorCall) -> bool:
    """Return whether there are choices in the arguments, or in the arguments of recorded objects in them."""
    return any(isinstance(leaf, Expression) or _is_choosable(leaf) for _, leaf in leaves((call.args, call.kwargs)))


def _is_choosable(leaf: Any) -> bool:
    call = None if isinstance(leaf, Expression) else call_of(leaf)
    return call is not None and _holds_choices(call)


def _expression(call: ConstructorCall) -> Expression:
    """Return a call as an expression, which is called when the values of its choices are known."""

    def deferred(leaf: Any) -> Any:
        inner = call_of(leaf) if _is_choosable(leaf) else None
        return leaf if inner is None else _expression(inner)

    deferred_call = type(call)(call.cls, replace_leaves(call.args, deferred), replace_leaves(call.kwargs, deferred))
    return Expression.apply(_Made(deferred_call), *deferred_call.expressions)


class _Made:
    """A function that makes a call with given values of its expressions."""

    def __init__(self, call: ConstructorCall) -> None:
        self._call = call
        self.__name__ = _name(call.cls)

    def __call__(self, *values: Any) -> Any:
        waiting = iter(values)
        arguments = (self._call.args, self._call.kwargs)
        args, kwargs = replace_expressions(arguments, lambda _: next(waiting))
        return build(TracedCall(self._call.cls, args, kwargs))


@overload
def trace(cls_or_func: T, *, kw_only: bool = True) -> T: ...


@overload
def trace(cls_or_func: None = None, *, kw_only: bool = True) -> Callable[[T], T]: ...


def trace(cls_or_func: Any = None, *, kw_only: bool = True) -> Any:
    """Return a class or function whose objects record their constructor and arguments.

    ::

        dataset = trace(MNIST)("data", train=True)  # a real MNIST

        @trace
        class MyDataset(Dataset): ...

    Such an object is sent to other processes as its constructor and arguments, which may be traced objects themselves.
    Later changes of the object are lost. Arguments may contain choices (`retiarii.nn.pytorch.ValueChoice`, or those of
    `retiarii.space`), which are searched if the object is an argument of an evaluator. An object without a ``__dict__``
    (a list, a number) cannot hold a record and is sent by value; made with choices, it is an expression, like
    ``width * 2``.

    Args:
        cls_or_func: The class or function. As a decorator, `trace` changes the class itself. A class that exists
            already is not changed: the returned object replaces it (also in ``isinstance`` and as a base class).
        kw_only: Accepted for scripts written for NNI, without effect.

    Raises:
        EvaluatorError: ``cls_or_func`` cannot be called.
    """
    if cls_or_func is None:
        return trace
    if isinstance(cls_or_func, TracedFactory) or (inspect.isclass(cls_or_func) and vars(cls_or_func).get(_MARK)):
        return cls_or_func
    if not callable(cls_or_func):
        raise EvaluatorError(
            f"trace got {cls_or_func!r} of type {type(cls_or_func).__name__}, expected a class or a function."
        )
    if inspect.isclass(cls_or_func) and _is_being_defined(cls_or_func):
        return record_constructor(cls_or_func, TracedCall)
    return TracedFactory(cls_or_func)


def serialize(cls_or_instance: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Make an object with a record of its constructor and arguments: ``serialize(cls, ...)`` is ``trace(cls)(...)``.

    Args:
        cls_or_instance: A class or function. An object without further arguments is returned unchanged.
        args: Positional arguments of the class.
        kwargs: Keyword arguments of the class.

    Raises:
        EvaluatorError: Arguments are given, but ``cls_or_instance`` cannot be called.
    """
    is_constructor = inspect.isclass(cls_or_instance) or inspect.isroutine(cls_or_instance)
    if is_constructor or isinstance(cls_or_instance, TracedFactory) or args or kwargs:
        return trace(cls_or_instance)(*args, **kwargs)
    return cls_or_instance


class TracedFactory:
    """Replaces a class or function that must not be changed, and records the calls of the objects that it makes."""

    __wrapped__: Callable[..., Any]

    def __init__(self, target: Callable[..., Any]) -> None:
        functools.update_wrapper(self, target, updated=())
        if inspect.isclass(target):  # so that Base.__init__(self, ...) in old-style subclasses means the class's
            vars(self)["__init__"] = target.__init__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return build(TracedCall(self.__wrapped__, as_variables(args), as_variables(kwargs)))

    def __repr__(self) -> str:
        return f"trace({_name(self.__wrapped__)})"

    def __getattr__(self, name: str) -> Any:
        if "__wrapped__" not in vars(self):
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> TracedFactory:
        return self

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self.__wrapped__,)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self.__wrapped__)  # type: ignore[arg-type]  # a function raises TypeError, rightly

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self.__wrapped__)  # type: ignore[arg-type]  # as above

    def __or__(self, other: Any) -> UnionType:
        return operator.or_(self.__wrapped__, other)  # type: ignore[no-any-return]  # in annotations: DataLoader | None

    def __ror__(self, other: Any) -> UnionType:
        return operator.or_(other, self.__wrapped__)  # type: ignore[no-any-return]  # as above

    def __reduce__(self) -> str | tuple[Any, ...]:
        wrapped = self.__wrapped__
        is_importable = wrapped.__module__ != "__main__" and _published(wrapped) is self
        return wrapped.__qualname__ if is_importable else (TracedFactory, (wrapped,))


def record_constructor(cls: type[T], kind: type[ConstructorCall]) -> type[T]:
    """Change a class so that its objects record their constructor calls, except objects of subclasses.

    Args:
        cls: A class.
        kind: The class of the record; a `TracedCall` is also used to send the objects to other processes.
    """
    original = cls.__init__

    @functools.wraps(original)
    def recording_init(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self) is not cls:
            original(self, *args, **kwargs)
            return
        args, kwargs = as_variables(args), as_variables(kwargs)
        original(self, *evaluate(args), **evaluate(kwargs))
        vars(self)[CALL_ATTRIBUTE] = kind(cls, args, kwargs)

    cls.__init__ = recording_init  # type: ignore[method-assign]  # patched on purpose
    setattr(cls, _MARK, issubclass(kind, TracedCall))
    return cls


def _is_being_defined(cls: type) -> bool:
    """Return whether a class may be changed: it is being decorated, or is defined inside a function."""
    return bool(cls.__flags__ & _IS_HEAP_TYPE) and _published(cls) is not cls


def _published(target: Any) -> Any:
    """Return the object with the name of a class or function in its module; None if there is none."""
    try:
        return operator.attrgetter(target.__qualname__)(sys.modules[target.__module__])
    except (AttributeError, KeyError):
        return None


def _name(target: Any) -> str:
    return str(getattr(target, "__qualname__", target))
