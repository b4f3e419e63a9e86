"""`WeightsLostWarning`, and the weights of a base model that a fixed model cannot keep."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cached_property

from torch import nn

from retiarii.nn.pytorch._recording.module_call import ModuleCall


class WeightsLostWarning(UserWarning):
    """A layer of the base model has weights of its own, but the architecture gives the layer another shape.

    The layer of the fixed model starts from its usual initialisation. Load weights into the fixed model instead (see
    `original_state_dict_hooks`), or, where it is the constructor of the model that initialises them, decorate the
    model with `model_wrapper`: then the constructor runs again.
    """


@dataclass
class Suspect:
    """A module of the base model that the fixed model has with other arguments, or without some of its weights.

    Attributes:
        place: The path of the module, for messages.
        module: The module.
        call: How it was built.
        parameters: Those of its parameters that the new module has, too.
    """

    place: str
    module: nn.Module
    call: ModuleCall
    parameters: list[nn.Parameter] = field(default_factory=list)

    @cached_property
    def lost(self) -> list[str] | None:
        """The names of the tensors that were changed since the module was built.

        None where nothing was changed, and an empty list where only attributes were.
        """
        return self.call.changes(self.module)


class LostWeights:
    """The weights of the base model that do not fit the fixed model; tied ones may still arrive with another layer."""

    def __init__(self) -> None:
        self._suspects: list[Suspect] = []
        self._kept: set[int] = set()

    def keep(self, parameter: nn.Parameter) -> None:
        """Note that the fixed model has the values of a parameter of the base model."""
        self._kept.add(id(parameter))

    def suspect(self, place: str, module: nn.Module, call: ModuleCall) -> Suspect:
        """Note that a module was built with other arguments; whether it had weights to lose is found out at the end.

        One look at all modules takes half the time of as many looks while the model is copied.
        """
        self._suspects.append(Suspect(place, module, call))
        return self._suspects[-1]

    def note(self, place: str, module: nn.Module, call: ModuleCall, tensors: list[str]) -> Suspect:
        """Note that a module was built without these tensors of the base model; no names means changed attributes."""
        suspect = self.suspect(place, module, call)
        suspect.lost = tensors
        return suspect

    def warn(self) -> None:
        """Warn of each module with lost weights, unless they are tied to those of a module that keeps them."""
        for suspect in self._suspects:
            if suspect.lost is None:
                self._kept.update(map(id, suspect.parameters))
        for suspect in self._suspects:
            if suspect.lost is not None:
                self._warn_of(suspect, suspect.lost)

    def _warn_of(self, suspect: Suspect, tensors: list[str]) -> None:
        parameters = dict(suspect.module.named_parameters(remove_duplicate=False))
        lost = [name for name in tensors if id(parameters.get(name)) not in self._kept]
        if lost or not tensors:
            what = f"{', '.join(lost)} of" if lost else "changes to"
            layer = f"{suspect.place or 'the model'} ({type(suspect.module).__name__})"
            warnings.warn(
                f"Lost {what} {layer}: the architecture builds this module with other arguments than the base model, "
                "so what was changed after its construction cannot be kept, and it starts fresh. Load weights into the "
                "fixed model, see original_state_dict_hooks, or decorate the model with @model_wrapper if its "
                "constructor initialises them.",
                WeightsLostWarning,
                stacklevel=7,  # the call of freeze
            )
