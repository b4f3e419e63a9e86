"""`ChoiceWalk`: a walk over a blueprint that collects its choices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from retiarii.nn._labels.final_labels import check_numbering, first_number_of, with_final_labels
from retiarii.nn._values.candidates import ContentsCheck
from retiarii.nn.keras._assembly import Assembly
from retiarii.nn.keras._blueprints import Blueprint
from retiarii.space import ALWAYS, Choice, Condition, Expression, both
from retiarii.space.construction import leaves

_ADVICE = (
    "Build the whole model in one function or class that is marked with @model_wrapper, so that one numbering covers "
    "all of it, or give these choices labels."
)


class ChoiceWalk:
    """Collects choices with the conditions under which they are decided.

    Args:
        assembly: The assembly in which the user's code runs, with the default of every choice, to find the choices in
            the layers that it makes.
    """

    def __init__(self, assembly: Assembly | None = None) -> None:
        self._assembly = Assembly({}) if assembly is None else assembly
        self._path: list[str] = []
        self._condition: Condition = ALWAYS
        self._found: list[Choice] = []
        self._contents = ContentsCheck()

    def visit(self, blueprint: Blueprint, name: str) -> None:
        """Visit a blueprint.

        Args:
            blueprint: The blueprint.
            name: Its path from the blueprint that is being visited.
        """
        self._path.append(name)
        blueprint.declare(self)
        self._path.pop()

    def inside(self, blueprint: Blueprint) -> list[Blueprint]:
        """Return the blueprints that the code of a blueprint makes."""
        return self._assembly.inside(blueprint)

    def choice(self, choice: Choice, argument: str = "") -> None:
        """Report a choice of the blueprint that is being visited."""
        place = ".".join([*self._path, argument] if argument else self._path)
        self._found.append(replace(choice, condition=self._condition, declared_at=place))

    def argument(self, value: Any, name: str) -> None:
        """Report the choices in an argument."""
        for where, leaf in leaves(value, name):
            if isinstance(leaf, Expression):
                for variable in leaf.variables():
                    self.choice(variable.choice(), where)
                    self._contents.check(variable, self._found[-1].declared_at)
            elif isinstance(leaf, Blueprint):
                self.visit(leaf, where)

    @contextmanager
    def under(self, condition: Condition) -> Iterator[None]:
        """Make what is reported inside the block conditional."""
        outer = self._condition
        self._condition = both(outer, condition)
        yield
        self._condition = outer

    def result(self) -> tuple[list[Choice], int]:
        """Return the choices with the labels of architectures, and the creation number that labels count from.

        Raises:
            LabelConflictError: Two numberings gave the same automatic label.
        """
        first = first_number_of(choice.label for choice in self._found)
        check_numbering(self._found, first, _ADVICE)
        return [with_final_labels(choice, first) for choice in self._found], first
