"""How many blocks there are where the number is chosen, and how blocks are made."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

from retiarii.errors import DomainError
from retiarii.nn._values.value_choice import ValueChoice
from retiarii.space import Expression


def block_depth(depth: Any, label: str | None) -> int | Expression:
    """Return the depth that the user gave a `Repeat`, as a number or an expression.

    Raises:
        DomainError: It is something else.
    """
    if isinstance(depth, tuple) and len(depth) == 2 and all(type(end) is int for end in depth):
        low, high = depth
        if low > high:
            raise DomainError(f"Repeat has the depth {depth}, expected (min, max) with min <= max.")
        return ValueChoice(range(low, high + 1), label=label)
    if type(depth) is not int and not isinstance(depth, Expression):
        raise DomainError(f"Repeat has the depth {depth!r}, expected an integer, (min, max), or a choice of integers.")
    if label is not None:
        warnings.warn(f"Repeat ignores label={label!r}: only a depth of (min, max) has one.", stacklevel=3)
    return depth


def depth_extremes(depth: int | Expression) -> tuple[int, int]:
    """Return the smallest and the largest depth.

    Raises:
        DomainError: A depth is no integer or below 0, or all are 0.
    """
    depths = depth.possible_values() if isinstance(depth, Expression) else (depth,)
    wrong = [value for value in depths if type(value) is not int or value < 0]
    if wrong or not max(depths):
        raise DomainError(
            f"Repeat has the depth {depth!r}, which may be {wrong[0] if wrong else 'nothing but 0'!r}. Expected "
            "integers of at least 0, and one above 0."
        )
    return min(depths), max(depths)


def needs_index(factory: Callable[..., Any]) -> bool:
    """Return whether a function that makes a block has to be told the index of the block."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # a signature that Python cannot see
        return True
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return any(
        parameter.kind is inspect.Parameter.VAR_POSITIONAL
        or (parameter.kind in positional and parameter.default is inspect.Parameter.empty)
        for parameter in parameters
    )
