"""Conditions under which choices are active.

A condition is a disjunction of conjunctions of tests, as nested frozensets: `ALWAYS` is one empty conjunction. A test
on a choice that is itself inactive is false. `both` and `either` keep conditions short by leaving out what is implied.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from retiarii.errors import SpaceError
from retiarii.space._plain_value import Value, plain_value


@dataclass(frozen=True)
class Test:
    """The test that the choice ``label`` is active and has one of the given values.

    If the parent is a `Subset`, the test is that its value contains at least one of them.

    Attributes:
        label: The label of the parent choice.
        values: Candidates of the parent; any iterable is accepted and kept as a frozenset.

    Raises:
        SpaceError: There are no values, or one is not plain.
    """

    __test__ = False  # or pytest would collect it

    label: str
    values: frozenset[Value]

    def __post_init__(self) -> None:
        try:
            values = frozenset(map(plain_value, self.values))
        except ValueError as err:
            raise SpaceError(f"A condition on {self.label!r} names a value that {err}.") from err
        if not values:
            raise SpaceError(f"A condition on {self.label!r} names no value, so it never holds. Name at least one.")
        object.__setattr__(self, "values", values)


Conjunction: TypeAlias = "frozenset[Test]"
Condition: TypeAlias = "frozenset[frozenset[Test]]"

ALWAYS: Condition = frozenset({frozenset()})


def when(label: str, *values: Any) -> Condition:
    """Return the condition that a choice is active and has one of the given values (contains one, for a `Subset`).

    Raises:
        SpaceError: There are no values, or one is not plain.
    """
    test = Test(label, values)  # type: ignore[arg-type]  # it makes a frozenset of them
    return frozenset({frozenset({test})})


def both(first: Condition, second: Condition) -> Condition:
    """Return the condition that holds if both conditions hold."""
    return _simplified(left | right for left in first for right in second)


def either(first: Condition, second: Condition) -> Condition:
    """Return the condition that holds if at least one of two conditions holds."""
    return _simplified(first | second)


def is_condition(value: object) -> bool:
    """Return whether a value has the form of a condition."""
    return isinstance(value, frozenset) and all(
        isinstance(conjunction, frozenset) and all(isinstance(test, Test) for test in conjunction)
        for conjunction in value
    )


def labels_of(condition: Condition) -> frozenset[str]:
    """Return the labels that a condition names."""
    return frozenset(test.label for conjunction in condition for test in conjunction)


def _simplified(conjunctions: Iterable[Conjunction]) -> Condition:
    """Drop implied parts, and join conjunctions that differ only in the values of one label."""
    kept: list[Conjunction] = []
    waiting = list(dict.fromkeys(conjunctions))
    while waiting:
        new = waiting.pop()
        if any(_implies(new, old) for old in kept):
            continue
        kept = [old for old in kept if not _implies(old, new)]
        joined = next((joint for old in kept if (joint := _joined(old, new)) is not None), None)
        if joined is None:
            kept.append(new)
        else:
            waiting.append(joined)  # it implies neither part, and both imply it
    return frozenset(kept)


def _implies(strong: Conjunction, weak: Conjunction) -> bool:
    return weak <= strong or all(
        any(test.label == wanted.label and test.values <= wanted.values for test in strong) for wanted in weak
    )


def _joined(left: Conjunction, right: Conjunction) -> Conjunction | None:
    """Return one conjunction for two that differ only in the values of one label."""
    only_left, only_right = left - right, right - left
    if len(only_left) != 1 or len(only_right) != 1:
        return None
    (one,), (other,) = only_left, only_right
    if one.label != other.label:
        return None
    return (left & right) | {Test(one.label, one.values | other.values)}
