"""`SearchMutator`: the mutators of the algorithms, which make the model a supernet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

import torch
from torch import nn

from retiarii.classic.pytorch.base_mutator import BaseMutator
from retiarii.errors import SearchError
from retiarii.oneshot import OneShotSearch, OneShotStrategy


class SearchMutator(BaseMutator):
    """A mutator that makes the model a supernet in place, and searches it by a strategy of `retiarii.oneshot`.

    The forward pass of the model is that of the supernet, with no call of this object in between. ``unbind`` gives the
    model its choices back, with the trained weights. Choices of `retiarii.nn.pytorch` in the model are searched, too.
    The mutator has no parameters: in a loop of your own, `reset` sets the model for a step of the weights, and
    ``search.architecture_step`` lets the architecture learn, see `retiarii.oneshot.OneShotSearch`.

    Args:
        model: The model. Its parameters stay the same objects.
        strategy: How it is searched.
        seed: The seed of the search; None takes one from torch's global generator, so that ``torch.manual_seed``
            decides.

    Attributes:
        search: The running search: ``search.supernet``, ``search.probabilities()``.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet. It is as it was then.
    """

    search: OneShotSearch
    replaces_choices: ClassVar[bool] = True

    def __init__(self, model: nn.Module, strategy: OneShotStrategy, *, seed: int | None = None) -> None:
        super().__init__(model)
        self._seed = int(torch.randint(2**63 - 1, ())) if seed is None else seed
        try:
            self.search = strategy.search(model, seed=self._seed, in_place=True)
            self.search.supernet.require_choices(type(self).__name__)
        except BaseException:
            super().unbind()
            raise
        self._is_unbound = False
        self._guard = model.register_forward_pre_hook(_NotReset(type(self).__name__))

    def start(self, strategy: OneShotStrategy) -> None:
        """Start the search anew, on the same supernet; trainers do that with their options.

        Raises:
            SupernetError: The strategy cannot search this model.
        """
        self.search = strategy.search(self.search.supernet, seed=self._seed)
        self._guard.remove()

    def reset(self) -> None:
        """Set the model to the path or mixture of the next step.

        Raises:
            SearchError: The mutator was unbound.
        """
        if self._is_unbound:
            raise SearchError(
                f"This {type(self).__name__} was unbound from its model, which has its choices back. Make another one."
            )
        self._guard.remove()
        self.search.reset()

    def export(self) -> dict[str, Any]:
        """Return the best architecture: a mask of booleans for each choice, and the values of other labels.

        Choices inside candidates that are not chosen are left out.
        """
        return self.masks(self.search.export())

    def masks(self, architecture: Mapping[str, Any]) -> dict[str, Any]:
        """Return an architecture in the form of `export`."""
        choices = self.choices_by_key
        return {
            label: choices[label].selection_of(value).mask() if label in choices else value
            for label, value in architecture.items()
        }

    def status(self) -> dict[str, list[float]]:
        """Return the probabilities of the values of each choice, as `retiarii.oneshot.OneShotSearch.probabilities`."""
        return {label: list(shares.values()) for label, shares in self.search.probabilities().items()}

    def unbind(self) -> None:
        """Give the model its choices back, with the trained weights. The search cannot go on then."""
        self._guard.remove()
        self.search.supernet.unbind()
        self._is_unbound = True
        super().unbind()

    def get_extra_state(self) -> dict[str, Any]:
        """Return the state of the search, which is in ``state_dict()``."""
        return self.search.state_dict()

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of a search."""
        self._guard.remove()
        self.search.load_state_dict(state)


class _NotReset:
    """A hook that refuses forward passes. It holds no mutator, so that a copy of the model brings none along.

    Args:
        mutator: The name of the mutator's class.
    """

    def __init__(self, mutator: str) -> None:
        self._mutator = mutator

    def __call__(self, model: nn.Module, args: Any) -> NoReturn:
        raise SearchError(
            f"The model ran before the {self._mutator} that is bound to it was reset, so that its choices are not "
            "decided. Call mutator.reset() first."
        )
