"""`ChosenValues`: an architecture on its way into a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from retiarii.errors import ArchitectureError
from retiarii.nn._labels.context_stack import stack_of
from retiarii.space import AutomaticLabel, Choice, Expression, Value, Variable, nearest

FIXED_KEY = "fixed"
C = TypeVar("C", bound=Choice)
UNKNOWN = object()
_PLAIN = frozenset({bool, int, float, str, type(None)})


class FixingContext(ABC):
    """A block in which models are built with the values of an architecture, as inside `fixed_arch`.

    Args:
        values: The architecture.
    """

    def __init__(self, values: ChosenValues) -> None:
        self.values = values

    @staticmethod
    def current() -> FixingContext | None:
        """Return the innermost block, or None outside of all."""
        stack = stack_of(FIXED_KEY)
        return stack[-1] if stack else None

    @abstractmethod
    def finish(self, model: Any) -> Any:
        """Fix a whole model in place; return it, or its replacement if the model is a primitive.

        Raises:
            ArchitectureError: The architecture does not fit the model.
        """

    @abstractmethod
    def claim(self, module: Any) -> None:
        """Note that a module is not a model of its own, although it is no child: only copies of it are used."""


class ChosenValues:
    """The values that an architecture gives to the choices of one model.

    Args:
        architecture: Label to value, in any spelling that the choices accept.
        first: The creation number of the model's first choice that was numbered outside of a namespace.

    Attributes:
        declared: The labels of all choices that were met, active or not.
        used: The labels whose values were asked for.
        missing: The labels that were asked for in vain.
        left_out: Functions that make parts of the model, and were not called, because the architecture drops the parts.
    """

    def __init__(self, architecture: Mapping[str, Any], first: int = 1) -> None:
        self.architecture = architecture
        self.first = first
        self.declared: set[str] = set()
        self.used: set[str] = set()
        self.missing: set[str] = set()
        self.left_out: list[Callable[[], Any]] = []
        self._numbers: dict[int, tuple[Expression, Any]] = {}  # by id: many layers have the same expression
        self._parsed: dict[int, tuple[Choice, Value]] = {}  # by id: a model asks for few choices, many times

    @staticmethod
    def current() -> ChosenValues | None:
        """Return the values that are being fixed here, inside `fixed_arch`, or None."""
        fixing = FixingContext.current()
        return None if fixing is None else fixing.values

    def public(self, label: str) -> str:
        """Return the label by which architectures know a choice."""
        return label.relative_to(self.first) if isinstance(label, AutomaticLabel) else label

    def named(self, choice: C) -> C:
        """Return a choice with the label by which architectures know it."""
        label = self.public(choice.label)
        return choice if label == choice.label else replace(choice, label=label)

    def declare(self, label: str) -> None:
        """Take note that there is a choice of this label."""
        self.declared.add(self.public(label))

    def declare_left_out(self) -> None:
        """Make the parts that were left out, so that the labels of the choices in them are declared."""
        while self.left_out:
            self.left_out.pop()()

    def __contains__(self, label: str) -> bool:
        return self.public(label) in self.architecture

    def of(self, choice: Choice, place: str = "") -> Value:
        """Return the canonical value of a choice.

        Args:
            choice: The choice, with the label that its declaration has.
            place: Where it is declared, for the message.

        Raises:
            ArchitectureError: The architecture has no value, or a wrong one, for it.
        """
        known = self._parsed.get(id(choice))
        if known is None:
            raw = self.raw(choice.label, place, choice.domain)
            try:
                value = choice.parse(raw)
            except ArchitectureError:
                self.named(choice).parse(raw)  # raises with the label that the user knows
                raise
            known = self._parsed[id(choice)] = (choice, value)
        return known[1]

    def raw(self, label: str, place: str = "", domain: Callable[[], str] = lambda: "a value") -> Any:
        """Return the value of a label as the architecture spells it.

        Raises:
            ArchitectureError: The architecture has none.
        """
        label = self.public(label)
        if label not in self.architecture:
            self.missing.add(label)
            where = f" (declared at {place})" if place else ""
            expected = domain()
            raise ArchitectureError(
                f"The architecture has no value for the choice {label!r}{where}, expected {expected}."
                f"{nearest(label, self.architecture)}",
                label=label,
                expected=expected,
            )
        self.used.add(label)
        return self.architecture[label]

    def evaluate(self, expression: Expression, place: str = "") -> Any:
        """Return the value of an expression.

        Raises:
            ArchitectureError: The architecture has no value, or a wrong one, for one of its choices.
        """
        if isinstance(expression, Variable):
            return expression.value_of(self.of(expression.choice(), place))
        return expression.evaluate(
            {variable.label: self.of(variable.choice(), place) for variable in expression.variables()}
        )

    def quick(self, value: Any) -> Any:
        """Return a plain argument as it is, and a whole number for an expression; `UNKNOWN` for anything else."""
        if type(value) in _PLAIN:
            return value
        if not isinstance(value, Expression):
            is_plain = type(value) is tuple and _PLAIN.issuperset(map(type, value))
            return value if is_plain else UNKNOWN
        known = self._numbers.get(id(value))
        if known is None:
            is_given = all(variable.label in self for variable in value.variables())
            number = self.evaluate(value) if is_given else UNKNOWN
            known = self._numbers[id(value)] = (value, number if type(number) in (int, bool) else UNKNOWN)
        return known[1]

    def evaluate_or_default(self, expression: Expression) -> Any:
        """Return the value of an expression, or its default where the architecture lacks one of its choices.

        A choice inside a candidate that is not chosen has no value, and yet the candidate is built.
        """
        if all(variable.label in self for variable in expression.variables()):
            return self.evaluate(expression)
        return expression.default()


def leave_out(make: Callable[[], Any]) -> None:
    """Note that a function is not called here, because the architecture drops what it makes."""
    values = ChosenValues.current()
    if values is not None:
        values.left_out.append(make)
