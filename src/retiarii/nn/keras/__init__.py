"""Keras models with choices: ``import retiarii.nn.keras as knn``.

A model is written with the layers of Keras 3. All of them are available here, and take choices as arguments:
`ValueChoice` and expressions made of it. `LayerChoice`, `InputChoice` and `Repeat` choose among layers and inputs.
``knn.Sequential`` and functions or classes that are marked with `model_wrapper` return a `Blueprint`: a recipe without
weights, from which the network of an architecture is built. `extract_space` returns its search space, `freeze` builds
a plain Keras model from it, and `fixed_arch` builds the same model from the user's code.

This package needs Keras (``pip install 'retiarii[keras]'``) and imports no torch, unless Keras computes with it.
"""

from __future__ import annotations

from typing import Any

from retiarii.nn._values.value_choice import FloatRange, IntegerRange, ValueChoice
from retiarii.nn.keras._blueprints import Blueprint
from retiarii.nn.keras._choosing import InputChoice, LayerChoice, Repeat
from retiarii.nn.keras._fixed_networks import extract_space, fixed_arch, freeze
from retiarii.nn.keras._keras_engine import KerasEngine
from retiarii.nn.keras._keras_layers import keras_name, keras_names, model_wrapper
from retiarii.nn.keras._picked_inputs import PickedInputs

__all__ = [
    "Blueprint",
    "FloatRange",
    "InputChoice",
    "IntegerRange",
    "KerasEngine",
    "LayerChoice",
    "PickedInputs",
    "Repeat",
    "ValueChoice",
    "extract_space",
    "fixed_arch",
    "freeze",
    "model_wrapper",
]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = keras_name(name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}, and neither has keras.layers") from None
    globals()[name] = value  # the next access finds it directly
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *keras_names()})
