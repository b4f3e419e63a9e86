"""`Mask`: the decision of a mutator on one choice, checked; and the form that masks have in files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retiarii.classic.pytorch._selection import Selection, reduce_selected
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice
from retiarii.errors import ArchitectureError
from retiarii.space import nearest


class Mask:
    """Which candidates of a choice are computed, and with which weights.

    Args:
        choice: The choice, for messages.
        raw: A tensor, an array or a list: a boolean for each candidate, or a number with decimals as its weight.

    Attributes:
        tensor: The mask as a tensor, with the gradient function that it came with.
        selection: Which candidates are selected: those that are True, or whose weight is not 0.

    Raises:
        ArchitectureError: It has another type or length, a weight is not finite, or a layer choice has no candidate.
    """

    def __init__(self, choice: LayerChoice | InputChoice, raw: Any) -> None:
        self.tensor = _tensor(choice, raw)
        length = number_of_candidates(choice)
        if self.tensor.shape != (length,):
            raise _refused(choice, raw, f"found the shape {tuple(self.tensor.shape)}")
        numbers = self.tensor.tolist()
        if not bool(self.tensor.isfinite().all()):
            raise _refused(choice, raw, f"found {numbers}, which is not finite")
        chosen = tuple(position for position, number in enumerate(numbers) if number)
        if not chosen and isinstance(choice, LayerChoice):
            raise _refused(choice, raw, "found none that is selected")
        is_weighted = self.tensor.dtype != torch.bool
        weights = tuple(numbers[position] for position in chosen) if is_weighted else None
        self.selection = Selection(length, chosen, weights)
        self._weights = [self.tensor[position] for position in chosen] if is_weighted else None

    def reduce(self, outputs: list[Any], reduction: str) -> Any:
        """Return the reduction of the outputs of the selected candidates, differentiable in the weights."""
        return reduce_selected(outputs, self._weights, reduction)


def checked_masks(choices: Mapping[str, LayerChoice | InputChoice], raw: Any, source: str) -> dict[str, Mask]:
    """Return the masks of all choices of a model.

    Args:
        choices: The choices by key.
        raw: What a mutator sampled: from keys to masks.
        source: The name of the method that returned it, for messages.

    Raises:
        ArchitectureError: A key is missing or unknown, or a mask does not fit its choice.
    """
    if not isinstance(raw, Mapping):
        raise ArchitectureError(
            f"{source} returned a {type(raw).__name__}, expected a dict from the keys of choices to masks.", got=raw
        )
    for key in raw:
        if key not in choices:
            raise ArchitectureError(
                f"{source} has a mask for {key!r}, but the model has no choice with this key.{nearest(key, choices)}",
                label=str(key),
                got=raw[key],
            )
    for key, choice in choices.items():
        if key not in raw:
            raise ArchitectureError(
                f"{source} has no mask for {key!r} ({_described(choice)}), expected {_expected(choice)}.", label=key
            )
    return {key: Mask(choice, raw[key]) for key, choice in choices.items()}


def number_of_candidates(choice: LayerChoice | InputChoice) -> int:
    """Return how many candidates a choice has."""
    return len(choice) if isinstance(choice, LayerChoice) else len(choice.choose_from)


def readable(choice: LayerChoice | InputChoice, mask: Any) -> Any:
    """Return a mask in the form that it has in files: the selected candidates by name, or by position without names.

    A single one stands without a list, as in files of NNI. Weights other than 0 and 1 are a list of numbers.

    Raises:
        ArchitectureError: The mask does not fit the choice.
    """
    checked = Mask(choice, mask)
    numbers = checked.tensor.tolist()
    if any(number not in (0, 1) for number in numbers):
        return numbers
    domain: Any = choice.choice()
    selected = [domain.values[position] for position in checked.selection.chosen]
    return selected[0] if len(selected) == 1 else selected


def _tensor(choice: LayerChoice | InputChoice, raw: Any) -> Tensor:
    if isinstance(raw, (list, tuple, np.ndarray)):
        try:
            raw = torch.as_tensor(raw)
        except (TypeError, ValueError, RuntimeError) as err:
            raise _refused(choice, raw, f"found {raw!r}") from err
    if not isinstance(raw, Tensor):
        raise _refused(choice, raw, f"found a {type(raw).__name__}")
    if raw.dtype != torch.bool and not raw.is_floating_point():
        raise _refused(choice, raw, f"found the type {raw.dtype}")
    return raw


def _refused(choice: LayerChoice | InputChoice, raw: Any, found: str) -> ArchitectureError:
    return ArchitectureError(
        f"The mask of {choice.key!r} ({_described(choice)}) is wrong: {found}, expected {_expected(choice)}.",
        label=choice.key,
        got=raw,
        expected=_expected(choice),
    )


def _described(choice: LayerChoice | InputChoice) -> str:
    return f"{type(choice).__name__} at {choice.name}"


def _expected(choice: LayerChoice | InputChoice) -> str:
    least = ", at least one of them selected" if isinstance(choice, LayerChoice) else ""
    return f"a tensor of {number_of_candidates(choice)} booleans, or of as many weights of a floating-point type{least}"
