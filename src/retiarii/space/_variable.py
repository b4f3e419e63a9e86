"""`ChoiceVariable`: a variable of expressions whose value is that of a choice."""

from __future__ import annotations

from typing import Any

from retiarii.space._choice import Choice
from retiarii.space._expression import Variable


class ChoiceVariable(Variable):
    """A variable with a reference to its choice; copying returns the variable itself.

    Args:
        choice: The choice.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice

    @property
    def label(self) -> str:
        """The label of the choice."""
        return self._choice.label

    def choice(self) -> Choice:
        """Return the choice: label and domain."""
        return self._choice

    def __call__(self) -> Any:
        """Return the default."""
        return self.default()

    def __copy__(self) -> Variable:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        return self  # immutable, and a copy must be the same decision
