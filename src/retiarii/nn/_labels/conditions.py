"""Conditions that follow from expressions: a block is active when the depth is more than its index."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

from retiarii.errors import SpaceError
from retiarii.space import ALWAYS, Condition, Expression, Test, either

MAX_COMBINATIONS = 10_000

NEVER: Condition = frozenset()


def condition_where(value: Expression | Any, predicate: Callable[[Any], bool]) -> Condition:
    """Return the condition under which a predicate holds for the value of an expression.

    Args:
        value: An expression, or a plain value.
        predicate: Is called with possible values.

    Raises:
        SpaceError: There are too many combinations of the expression's choices to try them.
    """
    if not isinstance(value, Expression):
        return ALWAYS if predicate(value) else NEVER
    variables = value.variables()
    if not variables:
        return ALWAYS if predicate(value.default()) else NEVER
    choices = [variable.choice() for variable in variables]
    combinations = math.prod(choice.cardinality for choice in choices)
    if combinations > MAX_COMBINATIONS:
        raise SpaceError(
            f"{value!r} has {combinations} combinations of values, more than the {MAX_COMBINATIONS} that a "
            "condition may depend on. Give its choices fewer candidates."
        )
    labels = [choice.label for choice in choices]
    domains = [[choice.value_at(index) for index in range(int(choice.cardinality))] for choice in choices]
    holding: dict[tuple[Any, ...], set[Any]] = {}  # from the values of all choices but the last to those of the last
    count = 0
    for combination in itertools.product(*domains):
        if predicate(value.evaluate(dict(zip(labels, combination, strict=True)))):
            holding.setdefault(combination[:-1], set()).add(combination[-1])
            count += 1
    if count == combinations:
        return ALWAYS
    return either(NEVER, frozenset(_conjunction(labels, first, last) for first, last in holding.items()))


def _conjunction(labels: list[str], first: tuple[Any, ...], last: set[Any]) -> frozenset[Test]:
    tests = [Test(label, frozenset({value})) for label, value in zip(labels, first, strict=False)]
    return frozenset([*tests, Test(labels[-1], frozenset(last))])
