"""`Binding`: the mutator that a mutable asks, which copies of the mutable do not have."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from torch import Tensor

from retiarii.errors import SearchError


class Decider(Protocol):
    """What mutables ask of a mutator; see `BaseMutator`."""

    replaces_choices: ClassVar[bool]

    def enter_mutable_scope(self, mutable_scope: Any) -> None:
        """Note that the forward pass of a scope begins."""

    def exit_mutable_scope(self, mutable_scope: Any) -> None:
        """Note that the forward pass of a scope has ended."""

    def on_forward_layer_choice(self, mutable: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Return the output of a layer choice, and the mask."""

    def on_forward_input_choice(self, mutable: Any, tensor_list: list[Tensor]) -> tuple[Any, Any]:
        """Return the output of an input choice, and the mask."""


class Binding:
    """The mutator of one mutable.

    A copy of a model (`copy.deepcopy`, pickle) is a model without a mutator; and as it would silently compute something
    else than the model that it was made of, its choices raise an error until it gets a mutator of its own, or is fixed.
    A copy of the mutator brings along a copy of its model, bound to the new mutator.

    Args:
        mutator: The mutator; None where there is none.
        lost: The name of the mutator's class, if this is a copy.
    """

    def __init__(self, mutator: Decider | None, lost: str = "") -> None:
        self.mutator = mutator
        self.lost = lost

    def __reduce__(self) -> tuple[Any, ...]:
        return Binding, (None, self.lost or type(self.mutator).__name__)

    def active(self, mutable: Any) -> Decider | None:
        """Return the mutator; None where there never was one.

        Raises:
            SearchError: The mutable is a copy of one that has a mutator.
        """
        if self.lost:
            raise SearchError(
                f"{mutable.key!r} belongs to a copy of a model that a {self.lost} is bound to, and copies have no "
                "mutator. Bind a new one to the copy, fix it (apply_fixed_architecture, freeze), or call "
                "retiarii.classic.pytorch.base_mutator.unbind(model) to have it run its first candidates."
            )
        return self.mutator

    def check_free(self, mutable: Any) -> None:
        """Check that no mutator is bound.

        Raises:
            SearchError: One is.
        """
        if self.mutator is not None:
            raise SearchError(bound_already(f"{mutable.name!r}", self.mutator))


UNBOUND = Binding(None)


def bound_already(what: str, mutator: Any) -> str:
    """Return the message for a second mutator."""
    return (
        f"{what} is bound to a {type(mutator).__name__} already, and a model can have one mutator only. Use that one, "
        "or call its unbind() first."
    )
