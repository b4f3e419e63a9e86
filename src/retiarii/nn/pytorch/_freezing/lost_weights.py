"""`WeightsLostWarning`, and the weights of a base model that a fixed model cannot keep."""

from __future__ import annotations

import warnings
from typing import NamedTuple

from torch import nn


class WeightsLostWarning(UserWarning):
    """A layer of the base model has weights of its own, but the architecture gives the layer another shape.

    The layer of the fixed model starts from its usual initialisation. Load weights into the fixed model instead (see
    `original_state_dict_hooks`), or, where it is the constructor of the model that initialises them, decorate the
    model with `model_wrapper`: then the constructor runs again.
    """


class _Loss(NamedTuple):
    """One module with the names of its lost tensors; no names means changed attributes."""

    place: str
    layer: nn.Module
    tensors: list[str]


class LostWeights:
    """The weights of the base model that do not fit the fixed model; tied ones may still arrive with another layer."""

    def __init__(self) -> None:
        self._noted: list[_Loss] = []
        self._kept: set[int] = set()

    def keep(self, parameter: nn.Parameter) -> None:
        """Note that the fixed model has the values of a parameter of the base model."""
        self._kept.add(id(parameter))

    def note(self, place: str, layer: nn.Module, tensors: list[str]) -> None:
        """Note that a layer was built without these tensors of the base model; no names means changed attributes."""
        self._noted.append(_Loss(place, layer, tensors))

    def warn(self) -> None:
        """Warn of each module with lost weights, unless they are tied to those of a module that keeps them."""
        for place, layer, tensors in self._noted:
            parameters = dict(layer.named_parameters(remove_duplicate=False))
            lost = [name for name in tensors if id(parameters.get(name)) not in self._kept]
            if lost or not tensors:
                what = f"{', '.join(lost)} of" if lost else "changes to"
                warnings.warn(
                    f"Lost {what} {place or 'the model'} ({type(layer).__name__}): the architecture builds this module "
                    "with other arguments than the base model, so what was changed after its construction cannot be "
                    "kept, and it starts fresh. Load weights into the fixed model, see original_state_dict_hooks, or "
                    "decorate the model with @model_wrapper if its constructor initialises them.",
                    WeightsLostWarning,
                    stacklevel=5,
                )
