"""Models with choices in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retiarii.nn.pytorch._attributes import ChosenValue
from retiarii.nn.pytorch._decorators import basic_unit, is_basic_unit, model_wrapper
from retiarii.nn.pytorch._extract import extract_space
from retiarii.nn.pytorch._freeze import freeze
from retiarii.nn.pytorch._layer_choice import LayerChoice
from retiarii.nn.pytorch._layers import torch_name, torch_names
from retiarii.nn.pytorch._losses import WeightsLostWarning
from retiarii.nn.pytorch._value import FloatRange, IntegerRange, ValueChoice

if TYPE_CHECKING:
    from torch.nn import *  # noqa: F403 - type checkers see the classes that the factories stand for

_OURS = [
    "ChosenValue",
    "FloatRange",
    "IntegerRange",
    "LayerChoice",
    "ValueChoice",
    "WeightsLostWarning",
    "basic_unit",
    "extract_space",
    "freeze",
    "is_basic_unit",
    "model_wrapper",
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
