"""`Lookup`: finds the decisions of a supernet by label; and joint distributions of several decisions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from retiarii.errors import SupernetError
from retiarii.oneshot._decisions.decision import Decision
from retiarii.space import AutomaticLabel, Expression
from retiarii.space.construction import evaluate, find_expressions

MAX_COMBINATIONS = 4096
"""More combinations than this of the values in one layer are sampled, never weighed against each other."""


class Lookup:
    """Finds decisions by the labels of declarations, of which automatic ones are provisional.

    Args:
        decisions: By final label.
        first: The creation number of the model's first choice, see `AutomaticLabel.relative_to`.
    """

    def __init__(self, decisions: Mapping[str, Decision], first: int) -> None:
        self._decisions = decisions
        self.first = first

    def __getitem__(self, label: str) -> Decision:
        return self._decisions[label.relative_to(self.first) if isinstance(label, AutomaticLabel) else label]

    def decisions_in(self, value: Any) -> tuple[Decision, ...]:
        """Return the decisions that a value with expressions in it depends on, without repetition."""
        labels = [variable.label for expression in find_expressions(value) for variable in expression.variables()]
        return tuple({id(self[label]): self[label] for label in labels}.values())

    def values(self, decisions: Sequence[Decision], chosen: Sequence[Any] | None = None) -> Mapping[str, Any]:
        """Return the values for evaluating expressions, by the labels of declarations; the current ones by default."""
        values = [decision.value for decision in decisions] if chosen is None else chosen
        return _ByDeclaredLabel(self, {d.label: value for d, value in zip(decisions, values, strict=True)})


class _ByDeclaredLabel(Mapping[str, Any]):
    """Values by final label, which can be read by the labels of declarations."""

    def __init__(self, lookup: Lookup, values: Mapping[str, Any]) -> None:
        self._lookup = lookup
        self._values = values

    def __getitem__(self, label: str) -> Any:
        return self._values[self._lookup[label].label]

    def __contains__(self, label: object) -> bool:
        return isinstance(label, str) and self._lookup[label].label in self._values

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def joint_probabilities(decisions: Sequence[Decision]) -> Tensor:
    """Return the joint distribution of mixed decisions, flat, the last changing fastest.

    Decisions of different labels are independent of each other, as in every strategy here.
    """
    joint = decisions[0].weights
    assert joint is not None
    for decision in decisions[1:]:
        assert decision.weights is not None
        joint = (joint.unsqueeze(-1) * decision.weights).flatten()
    return joint


def check_combinations(decisions: Sequence[Decision], path: str) -> None:
    """Check that the combinations of several decisions can be weighed.

    Raises:
        SupernetError: There are more than `MAX_COMBINATIONS`.
    """
    count = math.prod(len(decision.values) or decision.choice.cardinality for decision in decisions)
    if count > MAX_COMBINATIONS:
        raise SupernetError(
            f"The choices in {path!r} have {count:,} combinations of values, too many (more than {MAX_COMBINATIONS}) "
            "to weigh them against each other. Use fewer candidates, or a strategy that samples single paths "
            "(RandomOneShot, ENAS).",
            path=path,
        )


def joint_values(expression: Expression, lookup: Lookup, path: str = "") -> tuple[list[Any], Tensor]:
    """Return the distinct values of an expression over mixed decisions, and the exact probability of each.

    Raises:
        SupernetError: There are too many combinations.
    """
    decisions = lookup.decisions_in(expression)
    check_combinations(decisions, path or repr(expression))
    values, numbers = distinct_values(expression, lookup, decisions)
    return values, grouped_probabilities(decisions, torch.tensor(numbers), len(values))


def distinct_values(value: Any, lookup: Lookup, decisions: Sequence[Decision]) -> tuple[list[Any], list[int]]:
    """Evaluate a value with expressions in it for each combination of the values of some decisions.

    Returns:
        The distinct results, and the number of the result of each combination; the last decision changes fastest.
    """
    known: dict[str, int] = {}
    values: list[Any] = []
    numbers = []
    for chosen in itertools.product(*(decision.values for decision in decisions)):
        result = evaluate(value, lookup.values(decisions, chosen))
        number = known.setdefault(repr(result), len(values))
        if number == len(values):
            values.append(result)
        numbers.append(number)
    return values, numbers


def grouped_probabilities(decisions: Sequence[Decision], groups: Tensor, count: int) -> Tensor:
    """Return the sums of the joint probabilities of mixed decisions by group, ``[count]``.

    Args:
        decisions: The ``N`` combinations of their values are grouped.
        groups: ``[N]``, the group of each combination.
        count: The number of groups.
    """
    joint = joint_probabilities(decisions)
    return joint.new_zeros(count).index_add(0, groups.to(joint.device), joint)
