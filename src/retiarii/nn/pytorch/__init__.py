"""Models with choices in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retiarii.nn.pytorch._attributes import ChosenValue
from retiarii.nn.pytorch._cell import Cell
from retiarii.nn.pytorch._chosen_cell import ChosenCell
from retiarii.nn.pytorch._chosen_inputs import ChosenInputs
from retiarii.nn.pytorch._decorators import basic_unit, is_basic_unit, model_wrapper
from retiarii.nn.pytorch._extract import extract_space
from retiarii.nn.pytorch._fixed import fixed_arch
from retiarii.nn.pytorch._freeze import freeze
from retiarii.nn.pytorch._input_choice import InputChoice
from retiarii.nn.pytorch._layer_choice import LayerChoice
from retiarii.nn.pytorch._layers import torch_name, torch_names
from retiarii.nn.pytorch._losses import WeightsLostWarning
from retiarii.nn.pytorch._parameter import ModelParameterChoice
from retiarii.nn.pytorch._repeat import Repeat
from retiarii.nn.pytorch._state_dicts import original_state_dict_hooks
from retiarii.nn.pytorch._value import FloatRange, IntegerRange, ValueChoice
from retiarii.nn.pytorch.mutation_utils import Mutable

if TYPE_CHECKING:
    from torch.nn import *  # noqa: F403 - type checkers see the classes that the factories stand for

_OURS = [
    "Cell",
    "ChosenCell",
    "ChosenInputs",
    "ChosenValue",
    "FloatRange",
    "InputChoice",
    "IntegerRange",
    "LayerChoice",
    "ModelParameterChoice",
    "Mutable",
    "Repeat",
    "ValueChoice",
    "WeightsLostWarning",
    "basic_unit",
    "extract_space",
    "fixed_arch",
    "freeze",
    "is_basic_unit",
    "model_wrapper",
    "original_state_dict_hooks",
]

__all__ = sorted({*_OURS, *torch_names()})  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = torch_name(name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}, and neither has torch.nn") from None
    globals()[name] = value  # the next access finds it directly
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
