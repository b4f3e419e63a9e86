"""`Mutable`: the base of modules that stand for several modules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

from torch import nn

from retiarii.errors import NoContextError
from retiarii.space import Choice

if TYPE_CHECKING:
    from retiarii.nn.pytorch._freezing.freezer import Freezer, Frozen
    from retiarii.nn.pytorch._recording.survey import Survey

__all__ = ["Mutable"]

C = TypeVar("C", bound=Choice)


class Mutable(nn.Module, ABC):
    """A module that an architecture turns into another one: `LayerChoice`, `InputChoice`, `Repeat`, `Cell`.

    To add a primitive, derive from this class, call ``super().__init__()``, and say what there is to decide and what
    comes out of a decision. Everything else (`extract_space`, `freeze`, `fixed_arch`) goes through these two methods.
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
        """Report the choices of this module and its children, with their conditions."""

    @abstractmethod
    def freeze_by(self, freezer: Freezer) -> Frozen:
        """Return the module that the architecture makes of this one; the children are frozen through ``freezer``.

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
