"""`RandomMutator`: draws architectures at random."""

from __future__ import annotations

from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.classic.pytorch.mutator import Mutator

__all__ = ["RandomMutator"]


class RandomMutator(Mutator):
    """Draws one candidate of each layer choice, and ``n_chosen`` inputs, or any number, of each input choice.

    All candidates and all sets of inputs are equally likely.

    Args:
        model: The model.
        seed: The seed of the draws; None takes one from torch's global generator, so that ``torch.manual_seed``
            decides.
    """

    def __init__(self, model: nn.Module, *, seed: int | None = None) -> None:
        super().__init__(model)
        self._random = Random(int(torch.randint(2**63 - 1, ())) if seed is None else seed)

    def get_extra_state(self) -> tuple[Any, ...]:
        """Return the state of the draws, which is in ``state_dict()``."""
        return self._random.getstate()

    def set_extra_state(self, state: tuple[Any, ...]) -> None:
        """Go on with the draws of a state."""
        self._random.setstate(state)

    def sample_search(self) -> dict[str, Tensor]:
        """Return the masks of a random architecture."""
        return {
            key: choice.selection_of(choice.choice().sample(self._random)).mask()
            for key, choice in self.choices_by_key.items()
        }

    def sample_final(self) -> dict[str, Tensor]:
        """Return the masks of another random architecture."""
        return self.sample_search()
