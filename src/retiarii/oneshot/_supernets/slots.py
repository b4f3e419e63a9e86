"""`Slot`: an attribute of a user's module that holds a choice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from retiarii.errors import SupernetError
from retiarii.nn.pytorch import ChosenValue
from retiarii.oneshot._decisions.label_lookup import Lookup, check_combinations, distinct_values, joint_values
from retiarii.space import Expression
from retiarii.space.construction import find_expressions, replace_expressions


class Slot:
    """Keeps an attribute that holds a choice, or an expression or a container of such, at its current value.

    On a path it is the value that the frozen model has. In a mixture, numbers with a fraction are their expectation, a
    tensor; other numbers are the largest, because tensors then have their full width; anything else is a `MixedValue`,
    which raises when it is used.

    Args:
        owner: The module.
        name: The attribute.
        value: The attribute's value in the base model.
        lookup: The decisions.
        path: The path of the module.
    """

    def __init__(self, owner: nn.Module, name: str, value: Any, lookup: Lookup, path: str) -> None:
        self._owner = owner
        self._name = name
        self._value = value
        self._lookup = lookup
        self._place = f"{path}.{name}" if path else name

    def fill(self) -> None:
        """Write the current value."""
        value = self._value
        if isinstance(value, Expression):
            filled = ChosenValue.in_attribute(type(self._owner), self._name, self._current(value))
        else:
            filled = replace_expressions(value, self._current)
        vars(self._owner)[self._name] = filled

    def mixed_labels(self) -> set[str]:
        """Return the labels on which a mixture of the value depends: whole numbers do not depend on any."""
        return {
            decision.label
            for expression in find_expressions(self._value)
            if not self._is_whole(expression)
            for decision in self._lookup.decisions_in(expression)
        }

    def check(self, mixed: Collection[str]) -> None:
        """Check that each label of a whole number has a layer, or another value, that depends on it in mixtures.

        Args:
            mixed: The labels that some mixture depends on.

        Raises:
            SupernetError: A label is in whole numbers only.
        """
        for expression in find_expressions(self._value):
            for decision in self._lookup.decisions_in(expression):
                if decision.label not in mixed:
                    raise SupernetError(
                        f"The attribute {self._place!r} (label {decision.label!r}) is a choice between whole numbers "
                        "that no layer has. A mixture computes with the largest of them, so that no gradient "
                        "reaches this label. Use a strategy that samples single paths (RandomOneShot, ENAS), or "
                        "numbers with a fraction (1.0, 2.0) where the value is a factor.",
                        path=self._place,
                    )

    def _is_whole(self, expression: Expression) -> bool:
        decisions = self._lookup.decisions_in(expression)
        check_combinations(decisions, self._place)
        values, _ = distinct_values(expression, self._lookup, decisions)
        return all(type(value) is int for value in values)

    def _current(self, expression: Expression) -> Any:
        decisions = self._lookup.decisions_in(expression)
        if all(decision.weights is None for decision in decisions):
            return expression.evaluate(self._lookup.values(decisions))
        values, probabilities = joint_values(expression, self._lookup)
        return _mixed(values, probabilities, self._place)


class MixedValue:
    """The value of an attribute in a mixture that cannot be computed; every use of it raises.

    Args:
        place: The attribute, for the message.
        values: The values of the choice.
    """

    def __init__(self, place: str, values: Sequence[Any]) -> None:
        self._place = place
        self._values = list(values)

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise SupernetError(
            f"The attribute {self._place!r} is a choice between {self._values}, which have no mixture. Use a strategy "
            "that samples single paths (RandomOneShot, ENAS).",
            path=self._place,
        )

    __call__ = __bool__ = __int__ = __float__ = __index__ = __len__ = __iter__ = __getitem__ = __contains__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"MixedValue({self._place!r}, {self._values})"


def _mixed(values: Sequence[Any], probabilities: Tensor, place: str) -> Any:
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        return MixedValue(place, values)
    if all(isinstance(value, int) for value in numbers):
        return max(numbers)
    return (probabilities * torch.tensor(numbers, dtype=probabilities.dtype, device=probabilities.device)).sum()
