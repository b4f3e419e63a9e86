"""Merging, checking and ordering of declared choices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

from retiarii.errors import LabelConflictError, SpaceError
from retiarii.space._choice import Choice
from retiarii.space._condition import ALWAYS, Condition, Test, either, labels_of
from retiarii.space._numeric import Float
from retiarii.space._plain_value import Value, nearest, shown


def ordered(declared: Iterable[Choice]) -> tuple[Choice, ...]:
    """Merge choices with equal labels, check the conditions, and put parents before the choices that depend on them.

    Raises:
        LabelConflictError: One label has two domains.
        SpaceError: A condition names an unknown label or value, or conditions form a circle.
    """
    choices = _merged(declared)
    return _sorted({label: _with_canonical_tests(choice, choices) for label, choice in choices.items()})


def _merged(declared: Iterable[Choice]) -> dict[str, Choice]:
    choices: dict[str, Choice] = {}
    for choice in declared:
        if not isinstance(choice, Choice):
            raise SpaceError(f"A search space consists of choices, got {choice!r} of type {type(choice).__name__}.")
        first = choices.get(choice.label)
        if first is None:
            choices[choice.label] = choice
        elif first.same_domain(choice):
            choices[choice.label] = replace(first, condition=either(first.condition, choice.condition))
        else:
            raise _conflict(first, choice)
    return choices


def _conflict(first: Choice, second: Choice) -> LabelConflictError:
    places = (first.declared_at or "an unnamed place", second.declared_at or "another unnamed place")
    one, other = (f"{type(choice).__name__} {choice.domain()}" for choice in (first, second))
    if one == other:
        one, other = f"{first!r}", f"{second!r}"
    return LabelConflictError(
        f"The label {first.label!r} stands for two different domains: {one} at {places[0]} and {other} at {places[1]}. "
        "Choices share a label to share the decision, so give both the same candidates, or rename one.",
        label=first.label,
        places=places,
    )


def _with_canonical_tests(choice: Choice, choices: dict[str, Choice]) -> Choice:
    """Check every test of a condition, and replace its values by the equal candidates of the parent."""
    if choice.condition == ALWAYS:
        return choice
    condition = frozenset(
        frozenset(_canonical_test(choice, test, choices) for test in conjunction) for conjunction in choice.condition
    )
    return replace(choice, condition=condition)


def _canonical_test(choice: Choice, test: Test, choices: dict[str, Choice]) -> Test:
    where = f"The condition of choice {choice.label!r}{choice._place}"
    parent = choices.get(test.label)
    if parent is None:
        raise SpaceError(
            f"{where} names the label {test.label!r}, which is not in this space.{nearest(test.label, choices)}"
        )
    return Test(test.label, frozenset(_candidate(parent, value, where) for value in test.values))


def _candidate(parent: Choice, wanted: Value, where: str) -> Value:
    """Return the candidate of a parent that equals a value of a test."""
    if isinstance(parent, Float):
        raise SpaceError(f"{where} names the continuous choice {parent.label!r}. Conditions need a discrete one.")
    found = parent.candidates_equal_to(wanted)
    if not found:
        raise SpaceError(
            f"{where} names the value {wanted!r} of {parent.label!r}, whose domain is {parent.domain()}"
            f"{parent._place}.{nearest(wanted, getattr(parent, 'values', ()))}"
        )
    if len(found) > 1:
        raise SpaceError(
            f"{where} names the value {wanted!r} of {parent.label!r}{parent._place}, which has candidates that Python "
            f"calls equal: {shown(found)}. Give them different values."
        )
    return found[0]


def _sorted(choices: dict[str, Choice]) -> tuple[Choice, ...]:
    """Sort so that parents come first, otherwise in the order of declaration."""
    placed: dict[str, Choice] = {}
    rank = {label: number for number, label in enumerate(choices)}
    open_labels: dict[str, None] = {}
    for root in choices:
        stack = [root]
        while stack:
            label = stack[-1]
            missing = sorted(labels_of(choices[label].condition) - placed.keys(), key=rank.__getitem__)
            if not missing or label in placed:
                placed.setdefault(label, choices[label])
                open_labels.pop(label, None)
                stack.pop()
                continue
            open_labels[label] = None
            circle = next((parent for parent in missing if parent in open_labels), None)
            if circle is not None:
                raise _circular(choices, [*open_labels, circle])
            stack.append(missing[0])
    return tuple(placed.values())


def _circular(choices: dict[str, Choice], path: list[str]) -> SpaceError:
    circle = path[path.index(path[-1]) :]
    first = choices[circle[0]]
    return SpaceError(
        f"The conditions form a circle: {' depends on '.join(map(repr, circle))}{first._place}. A choice cannot decide "
        "whether it exists itself; give the inner choice its own label."
    )


def reduced_conditions(choices: tuple[Choice, ...]) -> dict[str, Condition]:
    """Return the conditions of all choices without redundant tests, which follow from another test of the conjunction.

    A test on a label holds only if that choice is active, so tests that all conjunctions of that choice's condition
    contain are redundant. The condition of a choice at nesting depth 50 then has one test instead of 50.
    """
    needed = {choice.label: reduce(frozenset.__and__, choice.condition) for choice in choices if choice.condition}
    reduced = {}
    for choice in choices:
        conjunctions = set()
        for conjunction in choice.condition:
            implied: set[Test] = set()
            for test in conjunction:
                implied |= needed.get(test.label, frozenset())
            conjunctions.add(frozenset(test for test in conjunction if test not in implied))
        reduced[choice.label] = frozenset(conjunctions)
    return reduced
