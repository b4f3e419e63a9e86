"""`Mutable`: the base of modules that stand for several modules; `Survey`: collects the choices of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from torch import nn

from retiarii.errors import NoContextError, SpaceError
from retiarii.space import Architecture, Choice, Condition

if TYPE_CHECKING:
    from retiarii.nn.pytorch._freezing.freezer import Freezer, Frozen

__all__ = ["Mutable", "Survey"]

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


class Mutable(nn.Module, ABC):
    """A module that an architecture turns into another one: `LayerChoice`, `InputChoice`, `Repeat`, `Cell`.

    To add a primitive, derive from this class, call ``super().__init__()``, and implement `declare_choices`,
    `freeze_by` and ``forward``, which computes the default architecture. `retiarii.nn.pytorch.primitives` has what
    these methods need.
    """

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
        """Build a module of this class and return what the current architecture makes of it.

        Raises:
            NoContextError: This is not called inside `fixed_arch`.
            ArchitectureError: The architecture does not fit.
        """
        from retiarii.nn.pytorch._freezing.finishing import Fixing  # it needs this module

        fixing = Fixing.current()
        if fixing is None:
            raise NoContextError(f"{cls.__name__}.create_fixed_module works only inside 'with fixed_arch(...)'.")
        return fixing.finish(cls(*args, **kwargs))
