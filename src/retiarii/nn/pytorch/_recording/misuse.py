"""Errors about choices that were used as plain values, with the names that the user wrote."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

import torch

from retiarii.errors import ChoiceMisuseError, DomainError
from retiarii.space import Expression, Value

_INTEGERS = "write // instead of /, or ValueChoice.to_int(...)"


@contextmanager
def explaining_misuse() -> Iterator[None]:
    """Turn a TypeError that comes from a choice in a constructor's arguments into one that names class and argument.

    torch's C++ argument parser drops the message of a choice about its use, and raises a TypeError of its own.
    """
    try:
        yield
    except ChoiceMisuseError as err:
        if err.__cause__ is not None:  # explained already, by a constructor further in
            raise
        explained = _explain(err)
        if explained is None:
            raise
        raise explained from err
    except TypeError as err:
        explained = _explain(err)
        if explained is None:
            raise
        raise explained from err


@contextmanager
def explaining_division(
    cls: Callable[..., Any], written: tuple[Any, dict[str, Any]], plain: tuple[Any, dict[str, Any]]
) -> Iterator[None]:
    """Refuse a float for a size, such as ``width / 2``, if the class expects an integer or its constructor fails.

    Args:
        cls: The class that is built inside the block.
        written: Positional and named arguments with expressions.
        plain: The same with values.

    Raises:
        ChoiceMisuseError: An argument is a float and should be an integer.
    """
    if _float_in(written, plain) is not None and cls.__module__.startswith("torch.nn."):
        _refuse_float_sizes(cls, written, plain)
    try:
        yield
    except TypeError as err:
        found = _float_in(written, plain, float.is_integer)  # others, such as rates, are meant to be floats
        if isinstance(err, ChoiceMisuseError) or found is None:
            raise
        expression, value = found
        raise ChoiceMisuseError(
            f"{cls.__name__} got {expression!r}, which is the float {value!r} here, and failed: {err}. If it needs an "
            f"integer, such as a size, {_INTEGERS}."
        ) from err


@contextmanager
def explaining_values(owner: str, values: Mapping[str, Value]) -> Iterator[None]:
    """Turn a layer's complaint about the values of its arguments into one that names the choices they are from.

    Args:
        owner: The name of the class.
        values: The values of the choices in the arguments, by label; where there are none, errors stay as they are.
    """
    try:
        yield
    except (AssertionError, ValueError) as err:
        if not values:
            raise
        shown = ", ".join(f"{str(label)!r} = {value!r}" for label, value in values.items())
        raise DomainError(
            f"torch.nn.{owner} cannot be built with {shown}: {err}. A model with choices is built with the first "
            "candidate of each, so put candidates first that fit together. To exclude other combinations, derive one "
            "argument from another (out_channels=groups * 2), or use the strategy's model_filter."
        ) from err


def _refuse_float_sizes(
    cls: Callable[..., Any], written: tuple[Any, dict[str, Any]], plain: tuple[Any, dict[str, Any]]
) -> None:
    """Refuse floats for arguments that torch annotates as integers: many of its layers fail on them only when they run.

    Raises:
        ChoiceMisuseError: There is one.
    """
    signature = inspect.signature(cls)
    try:
        expressions, values = (signature.bind(*args, **kwargs).arguments for args, kwargs in (written, plain))
    except TypeError:  # the message of the constructor is better
        return
    for name, value in values.items():
        annotation = str(signature.parameters[name].annotation)
        found = _float_in(expressions[name], value) if "int" in annotation and "float" not in annotation else None
        if found is not None:
            raise ChoiceMisuseError(
                f"{cls.__name__} got {found[0]!r} as its argument {name!r}, which is the float {found[1]!r} here and "
                f"has to be an integer: {_INTEGERS}."
            )


def _float_in(
    written: Any, plain: Any, is_wanted: Callable[[float], bool] = lambda value: True
) -> tuple[Expression, float] | None:
    """Return an expression in the arguments that is a float, and that number."""
    if isinstance(written, Expression):
        return (written, plain) if type(plain) is float and is_wanted(plain) else None
    if isinstance(written, (tuple, list)):
        pairs = zip(written, plain, strict=True)
    elif isinstance(written, dict):
        pairs = zip(written.values(), plain.values(), strict=True)
    else:
        return None
    return next((found for pair in pairs if (found := _float_in(*pair, is_wanted)) is not None), None)


def _explain(err: TypeError) -> ChoiceMisuseError | None:
    for frame in reversed(list(_frames(err.__traceback__))):
        owner = frame.f_locals.get("self")
        if isinstance(owner, torch.nn.Module) and frame.f_code.co_name == "__init__":
            found = _choice_argument(frame)
            if found is not None:
                return _error(type(owner), *found)
    return None


def _frames(traceback: TracebackType | None) -> Iterator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _choice_argument(frame: FrameType) -> tuple[str, Expression] | None:
    arguments = inspect.getargvalues(frame)
    named = {name: arguments.locals.get(name) for name in arguments.args}
    named.update(arguments.locals.get(arguments.keywords or "", {}))
    for name, value in named.items():
        parts = value if isinstance(value, (list, tuple)) else (value,)
        for part in parts:
            if isinstance(part, Expression):
                return name, part
    return None


def _error(cls: type[torch.nn.Module], argument: str, choice: Expression) -> ChoiceMisuseError:
    if cls.__module__.startswith("torch."):
        name, fix = f"torch.nn.{cls.__name__}", f"Use retiarii.nn.pytorch.{cls.__name__}"
    else:
        name, fix = (
            cls.__qualname__,
            f"Use basic_unit({cls.__name__}), or mark it with @basic_unit",
        )
    return ChoiceMisuseError(
        f"{name} got {choice!r} as its argument {argument!r} and used it as a plain value, but its value is chosen "
        f"only when an architecture is fixed. {fix}, which then gets the chosen value, or use ModelParameterChoice in "
        "the model's own __init__."
    )
