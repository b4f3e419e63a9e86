"""`Freezer`: what copying and finishing a model have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from torch import nn

from retiarii.nn.pytorch._freezing.origins import note_origin
from retiarii.nn.pytorch._labels.chosen_values import ChosenValues
from retiarii.nn.pytorch._recording.module_call import ModuleCall
from retiarii.space import Choice, Expression, Value, Variable


class Frozen(NamedTuple):
    """A module that is fixed, and where in the module it replaces it was found.

    Attributes:
        module: The plain module.
        inner: Names on the way from the replaced module to where the new one has its weights from. Empty where they
            have the same path, ``("conv3",)`` for a candidate of this name.
    """

    module: nn.Module
    inner: tuple[str, ...] = ()


class Freezer(ABC):
    """Turns a model into what an architecture makes of it; primitives call it from `Mutable.freeze_by`.

    Args:
        values: The architecture.
    """

    def __init__(self, values: ChosenValues) -> None:
        self.values = values
        self._path: list[str] = []
        self._evaluated: dict[int, Any] = {}  # by the id of an expression, which the model keeps alive

    @property
    def place(self) -> str:
        """Where in the model this is, for messages."""
        return ".".join(self._path)

    @abstractmethod
    def module(self, module: nn.Module) -> Frozen:
        """Fix a module."""

    def value(self, choice: Choice) -> Value:
        """Return the value of a choice.

        Raises:
            ArchitectureError: The architecture has none, or a wrong one.
        """
        return self.values.of(choice, self.place)

    def raw_value(self, label: str) -> Value:
        """Return the value of a choice whose domain is not known, as the architecture spells it.

        Raises:
            ArchitectureError: The architecture has none.
        """
        return self.values.raw(label, self.place)

    def evaluate(self, value: Expression | Any) -> Any:
        """Return the value of an expression, and anything else as it is.

        Raises:
            ArchitectureError: The architecture has no value, or a wrong one, for one of its choices.
        """
        if not isinstance(value, Expression):
            return value
        if id(value) not in self._evaluated:
            self._evaluated[id(value)] = self.values.evaluate(value, self.place)
        return self._evaluated[id(value)]

    def child(self, parent: nn.Module, name: str, path: str | None = None) -> Frozen:
        """Fix the child of a module that is being replaced.

        Args:
            parent: The module.
            name: The name of the child.
            path: The path of the child from the module that is being visited, where that is not the parent.
        """
        self._path.append(path or name)
        frozen = self.module(parent._modules[name])  # type: ignore[arg-type]  # primitives have no empty children
        self._path.pop()
        return frozen

    def attach(self, parent: nn.Module, name: str, frozen: Frozen) -> None:
        """Make a fixed module the child of a fixed module."""
        parent._modules[name] = frozen.module
        note_origin(parent, name, frozen.inner)

    def need_constructor(self, reason: str) -> None:  # noqa: B027 - optional
        """Say that a constructor used something that the architecture changes; it has to run with the architecture.

        Args:
            reason: What the constructor used, for the message where it cannot run again.

        Raises:
            FreezeError: The constructor was not recorded.
        """

    def differs(self, call: ModuleCall) -> bool:
        """Return whether the architecture gives other arguments than those that a module was built with."""
        return any(self._differs(variable, call.values[variable.label]) for variable in call.variables)

    def parameters_differ(self, call: ModuleCall) -> bool:
        """Return whether a `ModelParameterChoice` in the constructor has another value now."""
        return any(self._differs(variable, value) for variable, value in call.parameters)

    def _differs(self, variable: Variable, before: Value) -> bool:
        now = self.values.of(variable.choice(), self.place)
        return type(now) is not type(before) or bool(now != before)
