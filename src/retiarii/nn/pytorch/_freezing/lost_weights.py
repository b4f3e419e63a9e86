"""`WeightsLostWarning`, and the weights of a base model that a fixed model cannot keep."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cached_property

from torch import nn

from retiarii.nn.pytorch._recording.module_call import ModuleCall


class WeightsLostWarning(UserWarning):
    """Layers of the base model have weights of their own, but the architecture gives the layers other shapes.

    One warning lists all of them. These layers of the fixed model start from their usual initialisation. Load weights
    into the fixed model instead (see `original_state_dict_hooks`), or, where it is the constructor of the model that
    initialises them, decorate the model with `model_wrapper`: then the constructor runs again, unless all weights are
    to be kept. Layers whose weights nobody changed after their construction are not listed.
    """


@dataclass
class Suspect:
    """A module of the base model that the fixed model has with other arguments, or without some of its weights.

    Attributes:
        place: The path of the module, for messages.
        module: The module.
        call: How it was built.
        misfits: The names of its tensors that do not fit the new module; None for all.
        parameters: Those of its parameters that the new module has, too.
    """

    place: str
    module: nn.Module
    call: ModuleCall
    misfits: list[str] | None = None
    parameters: list[nn.Parameter] = field(default_factory=list)

    @cached_property
    def lost(self) -> list[str] | None:
        """The names of the tensors that do not fit and were changed since the module was built.

        None where nothing was changed, and an empty list where only attributes were.
        """
        if self.misfits and self.call.snapshot is None:
            return self.misfits  # nobody knows how it was built
        changes = self.call.changes(self.module)
        if not changes:
            return self.misfits if self.misfits and self.call.changed_by is not None else changes
        if self.misfits is None:
            return changes
        return [name for name in self.misfits if name in changes] or None

    def __str__(self) -> str:
        return f"{self.place or 'the model'} ({type(self.module).__name__})"


class LostWeights:
    """The weights of the base model that do not fit the fixed model; tied ones may still arrive with another layer.

    Args:
        is_all_kept: Whether the fixed model is to have all weights, so that no constructor initialises any again.
    """

    def __init__(self, is_all_kept: bool = False) -> None:
        self._is_all_kept = is_all_kept
        self._suspects: list[Suspect] = []
        self._kept: set[int] = set()

    def keep(self, parameter: nn.Parameter) -> None:
        """Note that the fixed model has the values of a parameter of the base model."""
        self._kept.add(id(parameter))

    def suspect(self, place: str, module: nn.Module, call: ModuleCall, misfits: list[str] | None = None) -> Suspect:
        """Note that a module was built with other arguments; whether it had weights to lose is found out at the end.

        One look at all modules takes half the time of as many looks while the model is copied.

        Args:
            place: The path of the module.
            module: The module of the base model.
            call: How it was built.
            misfits: The names of its tensors that do not fit the new module; None for all.
        """
        self._suspects.append(Suspect(place, module, call, misfits))
        return self._suspects[-1]

    def warn(self) -> None:
        """Warn once of all lost weights that are not tied to those of a module that keeps them."""
        for suspect in self._suspects:
            if suspect.lost is None:
                self._kept.update(map(id, suspect.parameters))
        losses: dict[str, list[str]] = {}
        for suspect in self._suspects:
            loss = self._loss(suspect)
            if loss:
                losses.setdefault(loss, []).append(str(suspect))
        if losses:
            listed = "; ".join(f"{loss} {', '.join(modules)}" for loss, modules in losses.items())
            warnings.warn(
                f"Lost {listed}: the architecture builds these modules with other arguments than the base model, which "
                f"their weights there do not fit, so that they start fresh. {self._advice()}",
                WeightsLostWarning,
                stacklevel=6,  # the call of freeze
            )

    def _loss(self, suspect: Suspect) -> str:
        """Return what is lost of a module, in words; an empty string where nothing is."""
        if not suspect.lost:
            return "" if suspect.lost is None else "changes to"
        parameters = dict(suspect.module.named_parameters(remove_duplicate=False))
        lost = [name for name in suspect.lost if id(parameters.get(name)) not in self._kept]
        return f"{', '.join(lost)} of" if lost else ""

    def _advice(self) -> str:
        load = "Load weights into the fixed model, see original_state_dict_hooks"
        if self._is_all_kept:
            return f"Only weights of modules that become smaller can be kept. {load}."
        return f"{load}, or decorate the model with @model_wrapper if its constructor initialises them."
