"""Errors about choices that were used as plain values, told in the user's words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

import torch

from retiarii.errors import ChoiceMisuseError, DomainError
from retiarii.space import Expression, Value


@contextmanager
def explaining_misuse() -> Iterator[None]:
    """Turn a TypeError that comes from a choice in a constructor's arguments into one that names class and argument.

    torch's C++ argument parser swallows what a choice says about its use, and raises a TypeError of its own.
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
    owner: str, written: tuple[Any, dict[str, Any]], plain: tuple[Any, dict[str, Any]]
) -> Iterator[None]:
    """Turn a TypeError of a constructor that got ``width / 2`` for a size into one that says to use ``//``.

    Args:
        owner: The name of the class.
        written: Positional and named arguments with expressions.
        plain: The same with values.
    """
    try:
        yield
    except TypeError as err:
        found = _quotient(written, plain)
        if isinstance(err, ChoiceMisuseError) or found is None:
            raise
        expression, value = found
        raise ChoiceMisuseError(
            f"{owner} got {expression!r}, which is the float {value!r} here, and failed: {err}. If it needs an "
            "integer, such as a size, write // instead of /, or ValueChoice.to_int(...)."
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


def _quotient(written: Any, plain: Any) -> tuple[Expression, float] | None:
    """Return an expression in the arguments that divides and gives a whole number, and that number."""
    if isinstance(written, Expression):
        return (written, plain) if type(plain) is float and plain.is_integer() and written.divides() else None
    if isinstance(written, (tuple, list)):
        pairs = zip(written, plain, strict=True)
    elif isinstance(written, dict):
        pairs = zip(written.values(), plain.values(), strict=True)
    else:
        return None
    return next((found for pair in pairs if (found := _quotient(*pair)) is not None), None)


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
