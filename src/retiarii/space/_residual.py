"""Undecided choices with their residual conditions, while counting decides choices one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

# A residual condition: for each conjunction, which positions of which undecided choice pass its tests.
OpenTest: TypeAlias = "tuple[int, frozenset[int]]"
Tests: TypeAlias = "frozenset[OpenTest]"
Residual: TypeAlias = "frozenset[Tests]"
_Rewrite: TypeAlias = "Callable[[Tests], Tests | None]"

TRUE: Residual = frozenset({frozenset()})
_NONE: frozenset[int] = frozenset()


class Item(NamedTuple):
    """An undecided choice; of a subset, the candidates before ``position`` are decided."""

    number: int
    residual: Residual
    parents: frozenset[int]
    position: int = 0
    num_chosen: int = 0


def open_item(number: int, residual: Residual, position: int = 0, num_chosen: int = 0) -> Item:
    """Return the item of a choice, its residual simplified to ``TRUE`` if a conjunction has no test left."""
    if frozenset() in residual:
        return Item(number, TRUE, _NONE, position, num_chosen)
    parents = frozenset(parent for tests in residual for parent, _ in tests)
    return Item(number, residual, parents, position, num_chosen)


def work_of(item: Item) -> int:
    """Return the work of processing an item: the number of its tests and of the positions that may be rewritten."""
    return 1 + sum(1 + len(positions) // 4 for tests in item.residual for _, positions in tests)


def connected(items: Sequence[Item]) -> list[list[Item]]:
    """Group items that depend on each other, directly or not. Items and groups stay in order."""
    leader = {item.number: item.number for item in items}

    def find(number: int) -> int:
        while leader[number] != number:
            leader[number] = number = leader[leader[number]]
        return number

    for item in items:
        for parent in item.parents:
            leader[find(parent)] = find(item.number)
    groups: dict[int, list[Item]] = {}
    for item in items:
        groups.setdefault(find(item.number), []).append(item)
    return list(groups.values())


def after_value(items: Sequence[Item], number: int, position: int) -> list[Item]:
    """Return the items after deciding that a choice has the value at a position."""

    def rewrite(tests: Tests) -> Tests | None:
        if any(parent == number and position not in positions for parent, positions in tests):
            return None
        return frozenset(test for test in tests if test[0] != number)

    return _rewritten(items, number, rewrite)


def after_taken(items: Sequence[Item], number: int, position: int) -> list[Item]:
    """Return the items after deciding that a subset contains the candidate at a position."""

    def rewrite(tests: Tests) -> Tests | None:
        return frozenset(test for test in tests if test[0] != number or position not in test[1])

    return _rewritten(items, number, rewrite)


def after_left_out(items: Sequence[Item], number: int, position: int) -> list[Item]:
    """Return the items after deciding that a subset does not contain the candidate at a position."""

    def rewrite(tests: Tests) -> Tests | None:
        left = frozenset((parent, wanted - {position} if parent == number else wanted) for parent, wanted in tests)
        return left if all(wanted for _, wanted in left) else None

    return _rewritten(items, number, rewrite)


def _rewritten(items: Sequence[Item], number: int, rewrite: _Rewrite) -> list[Item]:
    """Rewrite the tests on a choice; drop conjunctions that became false and items that cannot become active."""
    kept = []
    touched = {number}
    gone: set[int] = set()
    for item in items:
        if item.parents.isdisjoint(touched):
            kept.append(item)
            continue
        rewritten = (rewrite(tests) for tests in item.residual)
        residual = frozenset(
            tests for tests in rewritten if tests is not None and not any(parent in gone for parent, _ in tests)
        )
        if residual:
            kept.append(open_item(item.number, residual, item.position, item.num_chosen))
        else:
            gone.add(item.number)
            touched.add(item.number)
    return kept
