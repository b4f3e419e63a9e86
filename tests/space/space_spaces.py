"""Random conditional spaces for property tests, and a slow, obvious model of what they mean."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from retiarii.space import ALWAYS, Categorical, Choice, Condition, Integer, SearchSpace, Subset, Test

LABELS = "abcdefg"
CANDIDATES = ("x", "y", "z", None)


def examples(count: int) -> settings:
    """Return settings for a property test that also passes on a busy machine."""
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def is_active(choice: Choice, choices: Mapping[str, Choice], values: Mapping[str, Any]) -> bool:
    """Decide by the definition: every test of some conjunction is on an active label with a wanted value."""
    return any(all(_passes(test, choices, values) for test in conjunction) for conjunction in choice.condition)


def _passes(test: Test, choices: Mapping[str, Choice], values: Mapping[str, Any]) -> bool:
    parent = choices[test.label]
    if not is_active(parent, choices, values):
        return False
    chosen = values[test.label] if isinstance(parent, Subset) else (values[test.label],)
    return any(value in test.values for value in chosen)


def domain(choice: Choice) -> list[Any]:
    if isinstance(choice, Integer):
        return list(range(choice.low, choice.high + 1, choice.step))
    if isinstance(choice, Subset):
        sizes = range(choice.min_chosen, choice.max_chosen + 1)
        return [subset for size in sizes for subset in itertools.combinations(choice.values, size)]
    assert isinstance(choice, Categorical)
    return list(choice.values)


def brute_force(space: SearchSpace) -> set[frozenset[tuple[str, Any]]]:
    """Return all distinct architectures: every combination of values, inactive ones left out."""
    choices = {choice.label: choice for choice in space}
    return {
        frozenset((label, value) for label, value in values.items() if is_active(choices[label], choices, values))
        for values in _combinations(choices)
    }


def _combinations(choices: Mapping[str, Choice]) -> Iterator[dict[str, Any]]:
    for combination in itertools.product(*map(domain, choices.values())):
        yield dict(zip(choices, combination, strict=True))


@st.composite
def conditions(draw: st.DrawFn, parents: list[Choice], max_conjunctions: int = 3) -> Condition:
    if not parents or draw(st.booleans()):
        return ALWAYS
    return frozenset(
        frozenset(
            Test(parent.label, draw(st.frozensets(st.sampled_from(_named(parent)), min_size=1, max_size=2)))
            for parent in draw(st.lists(st.sampled_from(parents), min_size=1, max_size=3))
        )
        for _ in range(draw(st.integers(1, max_conjunctions)))
    )


def _named(parent: Choice) -> list[Any]:
    return list(parent.values) if isinstance(parent, Subset) else domain(parent)


@st.composite
def choices(draw: st.DrawFn, label: str, condition: Condition) -> Choice:
    kind = draw(st.sampled_from(["categorical", "categorical", "subset", "integer"]))
    if kind == "integer":
        low = draw(st.integers(-2, 2))
        return Integer(label, low, low + draw(st.integers(0, 3)), draw(st.integers(1, 2)), condition=condition)
    values = CANDIDATES[: draw(st.integers(1, 3 if kind == "subset" else 4))]
    if kind == "categorical":
        return Categorical(label, values, condition=condition, by_index=draw(st.booleans()))
    smallest = draw(st.integers(0, len(values)))
    return Subset(label, values, smallest, draw(st.integers(smallest, len(values))), condition=condition)


@st.composite
def spaces(draw: st.DrawFn, max_labels: int = 6) -> SearchSpace:
    """Draw a space with conditions on any number of earlier labels; some labels are declared twice."""
    declared: list[Choice] = []
    for label in LABELS[: draw(st.integers(0, max_labels))]:
        choice = draw(choices(label, draw(conditions(declared))))
        parents = list(declared)
        declared.append(choice)
        if draw(st.integers(0, 3)) == 0:
            fields = {field.name: getattr(choice, field.name) for field in dataclasses.fields(choice)}
            declared.append(type(choice)(**{**fields, "condition": draw(conditions(parents))}))
    return SearchSpace(draw(st.permutations(declared)))
