"""The protocol of primitives: `Mutable`, the `Survey` that collects choices, and the `Freezer` that fixes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias, TypeVar

from torch import nn

from retiarii.errors import NoContextError, SpaceError
from retiarii.nn._labels.chosen_values import ChosenValues, FixingContext
from retiarii.nn._labels.namespace import Position
from retiarii.nn.pytorch._labels.weight_origins import note_origin
from retiarii.space import Architecture, Choice, Condition, Expression, Value

__all__ = ["Freezer", "Frozen", "Mutable", "Survey"]

C = TypeVar("C", bound=Choice)
Constraint: TypeAlias = Callable[[Architecture], bool]
MakeConstraint: TypeAlias = Callable[[Callable[[str], str]], Constraint]


class Survey(ABC):
    """Collects the choices of a model; `Mutable.declare_choices` reports those of one module to it.

    Reports name labels as the module declares them. The survey turns automatic labels into final ones, and adds the
    conditions of the modules around this one.
    """

    @property
    def place(self) -> str:
        """The path of the module that is being visited, for messages."""
        return ""

    @abstractmethod
    def choice(self, choice: Choice, argument: str = "") -> None:
        """Report a choice of the module that is being visited.

        Args:
            choice: Without a condition: see `under`.
            argument: The name of the argument or attribute that the choice is in, for messages.
        """

    @abstractmethod
    def expression(self, value: Any, argument: str) -> None:
        """Report the choices in an argument or attribute of the module that is being visited.

        Args:
            value: A `ValueChoice`, an expression, or a list, tuple or dict with some inside; others are ignored.
            argument: The name of the argument or attribute, for messages.
        """

    @abstractmethod
    def child(self, parent: nn.Module, name: str) -> None:
        """Visit a child and report its choices.

        Args:
            parent: The module that is being visited, or a container inside it; see `inside`.
            name: The name of the child in ``parent``.
        """

    @contextmanager
    def under(self, condition: Condition) -> Iterator[None]:
        """Report choices inside the block as active only under a condition; its labels are those of declarations."""
        yield

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Add a name to the path inside the block, for children of a container such as a `torch.nn.ModuleList`."""
        yield

    def constraint(self, make: MakeConstraint) -> None:  # noqa: B027 - optional
        """Report a constraint on the choices of the module that is being visited.

        Args:
            make: Returns the constraint, a function of an architecture. It is called with a function from the label of
                a declaration to the final label. Equal constraints must compare equal, and a constraint must hold where
                its choices are not active.
        """

    def unknown(self, label: str, error: SpaceError) -> None:  # noqa: B027 - optional
        """Report a choice whose candidates are not known yet.

        Args:
            label: The label of the choice.
            error: Is raised by `extract_space`; the model can be frozen all the same, see `Freezer.raw_value`.
        """


class Frozen(NamedTuple):
    """A fixed module, and the place of its weights in the module that it replaces.

    Attributes:
        module: The plain module.
        inner: The path from the replaced module to the weights of the new one: empty where the names are the same,
            ``("conv3",)`` for a candidate of this name.
    """

    module: nn.Module
    inner: tuple[str, ...] = ()


class Freezer(ABC):
    """Turns a model into a plain model with the values of an architecture; primitives use it in `Mutable.freeze_by`.

    Args:
        values: The architecture.
    """

    def __init__(self, values: ChosenValues) -> None:
        self.values = values
        self._path: list[str] = []
        self._evaluated: dict[int, Any] = {}  # by the id of an expression, which the model keeps alive

    @property
    def place(self) -> str:
        """The path of the visited module, for messages."""
        return ".".join(self._path)

    @abstractmethod
    def module(self, module: nn.Module) -> Frozen:
        """Fix a module."""

    @abstractmethod
    def build(self, make: Callable[[], nn.Module], start: Position) -> Frozen:
        """Build a part of the model with the values of the architecture, and fix it.

        Args:
            make: Builds the part.
            start: The position of automatic labels when the part was built for the base model; see `position`.

        Raises:
            ArchitectureError: The architecture does not fit the part.
        """

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
        """Require that the constructor of the model runs with the architecture.

        Args:
            reason: What the constructor computed with, for the message where it cannot run again.

        Raises:
            FreezeError: The constructor was not recorded.
        """


class Mutable(nn.Module, ABC):
    """A module that an architecture turns into another one: `LayerChoice`, `InputChoice`, `Repeat`, `Cell`.

    To add a primitive, derive from this class, call ``super().__init__()``, and implement `declare_choices`,
    `freeze_by` and ``forward``, which computes the default architecture. `retiarii.nn.pytorch.primitives` has what
    these methods need.

    Attributes:
        may_need_constructor: Whether `freeze_by` may call `Freezer.need_constructor`. Set it to False for a primitive
            that never does, which saves time in `freeze`.
    """

    may_need_constructor: bool = True

    def _remembered(self, domain: Hashable, make: Callable[[], C]) -> C:
        """Return the choice that was made for this domain, or make it; checking a domain anew at each look is slow."""
        known = vars(self).get("_remembered_choice")
        if known is None or known[0] != domain:
            known = vars(self)["_remembered_choice"] = [domain, make()]
        choice: C = known[1]
        return choice

    @abstractmethod
    def declare_choices(self, survey: Survey) -> None:
        """Report the choices of this module, and visit its children under their conditions.

        Args:
            survey: Collects the choices. It is asked about the module itself, never about its children.

        Examples:
            >>> def declare_choices(self, survey):  # a block that may be left out
            ...     survey.choice(self.choice)
            ...     with survey.under(when(self.choice.label, True)):
            ...         survey.child(self, "block")
        """

    @abstractmethod
    def freeze_by(self, freezer: Freezer) -> Frozen:
        """Return the module that the architecture makes of this one.

        It has no choices left, and this module stays as it is. Supernets call the method too, with children that are
        operators: use what `Freezer.child` returns, and create no parameters.

        Args:
            freezer: Has the values of the architecture, and freezes children.

        Raises:
            ArchitectureError: The architecture lacks a choice of this module.
        """

    @classmethod
    def create_fixed_module(cls, *args: Any, **kwargs: Any) -> Any:
        """Build a module of this class and return the module that the current architecture chooses.

        Raises:
            NoContextError: This is not called inside `fixed_arch`.
            ArchitectureError: The architecture does not fit.
        """
        fixing = FixingContext.current()
        if fixing is None:
            raise NoContextError(f"{cls.__name__}.create_fixed_module works only inside 'with fixed_arch(...)'.")
        return fixing.finish(cls(*args, **kwargs))
