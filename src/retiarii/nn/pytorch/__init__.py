"""Models with choices in them: `import retiarii.nn.pytorch as nn`.

A model is written as with `torch.nn`, whose names are all here. Layers take choices as arguments: `ValueChoice` and
expressions made of it. `LayerChoice`, `InputChoice`, `Repeat` and `Cell` choose between modules, and
`ModelParameterChoice` for a value that a constructor computes with. `basic_unit` and `model_wrapper` record the
constructor calls of your own classes. `extract_space` reads the search space off a model, `freeze` turns a model and
an architecture into a plain PyTorch model, and `fixed_arch` builds that model from its class.

This package neither trains nor searches, and imports no strategy or evaluator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retiarii._lazy import load
from retiarii.nn._values.value_choice import FloatRange, IntegerRange, ValueChoice
from retiarii.nn.pytorch._freezing.attributes import ChosenValue
from retiarii.nn.pytorch._freezing.fixed_arch import fixed_arch
from retiarii.nn.pytorch._freezing.freeze import freeze
from retiarii.nn.pytorch._freezing.lost_weights import WeightsLostWarning
from retiarii.nn.pytorch._freezing.state_dicts import extract_state_dict, original_state_dict_hooks
from retiarii.nn.pytorch._primitives.input_choice import ChosenInputs, InputChoice
from retiarii.nn.pytorch._primitives.layer_choice import LayerChoice
from retiarii.nn.pytorch._primitives.model_parameter_choice import ModelParameterChoice
from retiarii.nn.pytorch._primitives.placeholder import Placeholder
from retiarii.nn.pytorch._primitives.repeat import Repeat
from retiarii.nn.pytorch._recording.decorators import basic_unit, is_basic_unit, model_wrapper
from retiarii.nn.pytorch._recording.layer_factories import torch_name, torch_names
from retiarii.nn.pytorch._recording.survey import extract_space
from retiarii.nn.pytorch.mutation_utils import Mutable

if TYPE_CHECKING:
    from torch.nn import *  # noqa: F403 - type checkers see the classes that the factories stand for

    from retiarii.nn.pytorch._primitives.auto_activation import AutoActivation
    from retiarii.nn.pytorch._primitives.cell import Cell, ChosenCell
    from retiarii.nn.pytorch._primitives.nas_bench_101 import ChosenNasBench101Cell, NasBench101Cell
    from retiarii.nn.pytorch._primitives.nas_bench_201 import NasBench201Cell

__all__ = [
    "AutoActivation",
    "Cell",
    "ChosenCell",
    "ChosenInputs",
    "ChosenNasBench101Cell",
    "ChosenValue",
    "FloatRange",
    "InputChoice",
    "IntegerRange",
    "LayerChoice",
    "ModelParameterChoice",
    "Mutable",
    "NasBench101Cell",
    "NasBench201Cell",
    "Placeholder",
    "Repeat",
    "ValueChoice",
    "WeightsLostWarning",
    "basic_unit",
    "extract_space",
    "extract_state_dict",
    "fixed_arch",
    "freeze",
    "is_basic_unit",
    "model_wrapper",
    "original_state_dict_hooks",
]
__all__ += [name for name in torch_names() if name not in __all__]


_LOADED_WHEN_USED = {
    "AutoActivation": "_primitives.auto_activation",
    "Cell": "_primitives.cell",
    "ChosenCell": "_primitives.cell",
    "ChosenNasBench101Cell": "_primitives.nas_bench_101",
    "NasBench101Cell": "_primitives.nas_bench_101",
    "NasBench201Cell": "_primitives.nas_bench_201",
}


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = load(f"{__name__}.{_LOADED_WHEN_USED[name]}:{name}") if name in _LOADED_WHEN_USED else torch_name(name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}, and neither has torch.nn") from None
    globals()[name] = value  # the next access finds it directly
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
