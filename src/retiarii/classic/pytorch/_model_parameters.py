"""`ModelParameters`: the choices of a model as a search-space file has them, and the architectures of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

import retiarii.nn.pytorch as choices
from retiarii.classic import ParameterSpace
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice
from retiarii.errors import ArchitectureError, SpaceError
from retiarii.nn.pytorch.labels import first_number
from retiarii.space import Architecture, AutomaticLabel, Categorical, Choice, Float, Integer, Subset, nearest

_NAS_TYPES = ("layer_choice", "input_choice")
_REMEDY = "Search this model with RetiariiExperiment, which takes every choice."


class ModelParameters:
    """The choices of a model as the parameters of a search-space file.

    A `LayerChoice` is a ``layer_choice``, an `InputChoice` an ``input_choice``, any other choice a ``choice``,
    ``randint``, ``uniform`` or ``loguniform``. The file is flat: also choices inside of candidates that are not chosen
    get a value, which is ignored.

    Args:
        model: The model.

    Attributes:
        space: The search space of the model.
        description: The content of the search-space file.
        not_classic: The labels of choices that are not of `retiarii.classic.pytorch.mutables`.

    Raises:
        SpaceError: The model has no choices, or has one that a search-space file cannot describe.
    """

    def __init__(self, model: nn.Module) -> None:
        self._name = type(model).__name__
        self.space = choices.extract_space(model)
        if not len(self.space):
            raise SpaceError(f"{self._name} has no choices, expected layer choices or input choices in it.")
        if self.space.constraints:
            raise SpaceError(
                f"{self._name} has choices that depend on each other by a constraint, which a search-space file cannot "
                f"describe. {_REMEDY}"
            )
        modules = _modules_of_choices(model)
        self.description: dict[str, Any] = {
            choice.label: _entry(choice, modules.get(choice.label)) for choice in self.space
        }
        self.not_classic = [
            label for label in self.description if not isinstance(modules.get(label), (LayerChoice, InputChoice))
        ]
        self._parameters = ParameterSpace(self.description)

    def architecture(self, parameters: Mapping[str, Any]) -> Architecture:
        """Return the architecture of this model that the parameters of a trial stand for.

        Args:
            parameters: The parameters of the trial, in which there may be others than those of the model.

        Raises:
            ArchitectureError: A parameter of the model is missing or has an impossible value, or there is a layer or
                input choice that the model does not have.
        """
        try:
            self._refuse_unknown(parameters)
            own = {label: parameters[label] for label in self.description if label in parameters}
            checked = self._parameters.parameters(self._parameters.architecture(own))
        except ArchitectureError as err:
            raise ArchitectureError(
                f"The parameters of the trial do not fit {self._name}: {err} If its search-space file was written "
                "before the model was changed, write it again: retiarii ss-gen.",
                label=err.label,
                got=err.got,
                expected=err.expected,
            ) from err
        return self.space.architecture({choice.label: self._value(choice, checked) for choice in self.space})

    def _refuse_unknown(self, parameters: Mapping[str, Any]) -> None:
        for label, value in parameters.items():
            if label not in self.description and isinstance(value, Mapping) and "_idx" in value:
                raise ArchitectureError(
                    f"There is a value for {label!r}, which is no choice of the model."
                    f"{nearest(label, self.description)}",
                    label=label,
                    got=value,
                )

    def _value(self, choice: Choice, checked: Mapping[str, Any]) -> Any:
        value = checked[choice.label]
        if self.description[choice.label]["_type"] not in _NAS_TYPES:
            return value
        index = value["_idx"]
        if isinstance(choice, Subset):
            return tuple(choice.values[position] for position in index)
        return choice.value_at(index[0] if isinstance(index, list) else index)


def _modules_of_choices(model: nn.Module) -> dict[str, nn.Module]:
    """Return the modules of layer choices and input choices by their labels in architectures."""
    first = first_number(model)
    found: dict[str, nn.Module] = {}
    for module in model.modules():
        if isinstance(module, (choices.LayerChoice, choices.InputChoice)):
            label = module.label
            found[label.relative_to(first) if isinstance(label, AutomaticLabel) else label] = module
    return found


def _entry(choice: Choice, module: nn.Module | None) -> dict[str, Any]:
    if isinstance(module, choices.LayerChoice):
        return {"_type": "layer_choice", "_value": list(module.names)}
    if isinstance(module, choices.InputChoice):
        return {"_type": "input_choice", "_value": {"candidates": _inputs(module), "n_chosen": module.n_chosen}}
    if isinstance(choice, Categorical):
        return {"_type": "choice", "_value": list(choice.values)}
    if isinstance(choice, Integer) and not choice.log and choice.step == 1:
        return {"_type": "randint", "_value": [choice.low, choice.high + 1]}
    if isinstance(choice, Float):
        return {"_type": "loguniform" if choice.log else "uniform", "_value": [choice.low, choice.high]}
    raise SpaceError(
        f"The choice {choice.label!r} (declared at {choice.declared_at}) has the domain {choice.domain()}, which a "
        f"search-space file cannot describe. {_REMEDY}"
    )


def _inputs(module: choices.InputChoice) -> list[str]:
    """Return the names of the inputs; their positions, as texts, where a choice of `retiarii.nn.pytorch` has none."""
    if isinstance(module, InputChoice):
        return list(module.choose_from)
    return module.names or [str(position) for position in range(module.n_candidates or 0)]
