"""`Mutable`: the base of modules that stand for several modules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch import nn

from retiarii.errors import NoContextError

if TYPE_CHECKING:
    from retiarii.nn.pytorch._extract import Survey
    from retiarii.nn.pytorch._freezer import Freezer, Frozen

__all__ = ["Mutable"]


class Mutable(nn.Module, ABC):
    """A module that an architecture turns into another one: `LayerChoice`, `InputChoice`, `Repeat`, `Cell`.

    To add a primitive, derive from this class, call ``super().__init__()``, and say what there is to decide and what
    comes out of a decision. Everything else (`extract_space`, `freeze`, `fixed_arch`) goes through these two methods.
    """

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
        from retiarii.nn.pytorch._finishing import Fixing  # it needs this module

        fixing = Fixing.current()
        if fixing is None:
            raise NoContextError(f"{cls.__name__}.create_fixed_module works only inside 'with fixed_arch(...)'.")
        return fixing.finish(cls(*args, **kwargs))
