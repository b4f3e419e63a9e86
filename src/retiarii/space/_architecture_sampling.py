"""Sampling, mutation and crossover of architectures: the hot loops of a space."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from retiarii.errors import SpaceError
from retiarii.space._categorical import Categorical
from retiarii.space._choice import Choice
from retiarii.space._condition import Condition, Test, labels_of
from retiarii.space._plain_value import Value
from retiarii.space._subset import Subset

_IsActive: TypeAlias = "Callable[[Mapping[str, Value]], bool]"

_INACTIVE = object()  # a marker that is equal to no value


class ArchitectureSampler:
    """The choices of a space, compiled for fast sampling, mutation and crossover.

    Args:
        choices: The choices, parents first.
        conditions: The condition of each label.
    """

    def __init__(self, choices: Sequence[Choice], conditions: Mapping[str, Condition]) -> None:
        by_label = {choice.label: choice for choice in choices}
        self._steps = [(choice, _compiled(conditions[choice.label], by_label)) for choice in choices]
        # A uniform categorical, the most frequent kind, is drawn inline; the others by their own method.
        self._draws = [
            (choice.label, is_active, _uniform_candidates(choice), choice.sample) for choice, is_active in self._steps
        ]
        self._mutable = [choice for choice in choices if choice.is_mutable]
        self._parents = frozenset[str]().union(*map(labels_of, conditions.values()))

    def sample(self, rng: random.Random) -> dict[str, Value]:
        """Draw a value for each active choice, parents first."""
        uniform = rng.random
        values: dict[str, Value] = {}
        for label, is_active, candidates, draw in self._draws:
            if is_active is None or is_active(values):
                values[label] = candidates[int(uniform() * len(candidates))] if candidates else draw(rng)
        return values

    def complete(self, value_of: Callable[[Choice], Value]) -> dict[str, Value]:
        """Build an architecture by calling a function for each active choice, parents first."""
        values: dict[str, Value] = {}
        for choice, is_active in self._steps:
            if is_active is None or is_active(values):
                values[choice.label] = value_of(choice)
        return values

    def mutate_one(self, old: Mapping[str, Value], rng: random.Random) -> dict[str, Value]:
        """Change exactly one active choice; draw choices that become active, and drop those that become inactive.

        Raises:
            SpaceError: No choice has a second value.
        """
        mutable = [choice for choice in self._mutable if choice.label in old]
        if not mutable:
            raise SpaceError(
                "This space holds a single architecture, so there is nothing to mutate. Give a choice more candidates."
            )
        choice = mutable[int(rng.random() * len(mutable))]
        return self._changed(old, choice, choice.sample_other(old[choice.label], rng), lambda new: new.sample(rng))

    def mutate_each(self, old: Mapping[str, Value], rng: random.Random, probability: float) -> dict[str, Value]:
        """Change each active choice with a given probability."""

        def value_of(choice: Choice) -> Value:
            if choice.label not in old:
                return choice.sample(rng)
            if choice.is_mutable and rng.random() < probability:
                return choice.sample_other(old[choice.label], rng)
            return old[choice.label]

        return self.complete(value_of)

    def crossover(
        self, first: Mapping[str, Value], second: Mapping[str, Value], rng: random.Random
    ) -> dict[str, Value]:
        """Take the value of each active choice from one of two parents, at random if both have it."""

        def value_of(choice: Choice) -> Value:
            owners = [parent for parent in (first, second) if choice.label in parent]
            if not owners:
                return choice.sample(rng)
            return owners[int(rng.random() * len(owners))][choice.label]

        return self.complete(value_of)

    def neighbours(self, old: Mapping[str, Value]) -> Iterator[dict[str, Value]]:
        """Yield every change of one active choice; choices that become active take their defaults."""
        for choice in self._mutable:
            if choice.label in old:
                for value in choice.others(old[choice.label]):
                    yield self._changed(old, choice, value, lambda new: new.default())

    def _changed(
        self, old: Mapping[str, Value], changed: Choice, value: Value, draw: Callable[[Choice], Value]
    ) -> dict[str, Value]:
        if changed.label not in self._parents:  # so no other choice can become active or inactive
            return {**old, changed.label: value}

        def value_of(choice: Choice) -> Value:
            if choice is changed:
                return value
            return old[choice.label] if choice.label in old else draw(choice)

        return self.complete(value_of)


def _uniform_candidates(choice: Choice) -> tuple[Value, ...]:
    return choice.values if isinstance(choice, Categorical) and choice.prior is None else ()


def _compiled(condition: Condition, choices: Mapping[str, Choice]) -> _IsActive | None:
    """Compile a condition to a function of the values so far; None for ``ALWAYS``."""
    if frozenset() in condition:
        return None
    conjunctions = [[_test(test, choices) for test in conjunction] for conjunction in condition]
    if len(conjunctions) == 1 and len(conjunctions[0]) == 1:
        return conjunctions[0][0]
    return lambda values: any(all(test(values) for test in tests) for tests in conjunctions)


def _test(test: Test, choices: Mapping[str, Choice]) -> _IsActive:
    label, wanted = test.label, test.values
    if isinstance(choices[label], Subset):
        return lambda values: not wanted.isdisjoint(values.get(label, ()))
    return lambda values: values.get(label, _INACTIVE) in wanted
