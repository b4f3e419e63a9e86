"""`Weightless`: networks of a model on the meta device, where tensors have a shape and no values."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.utils._device import DeviceContext

from retiarii.nn._labels.architecture_source import read_architecture
from retiarii.nn._labels.chosen_values import FIXED_KEY, ChosenValues
from retiarii.nn._labels.context_stack import hidden
from retiarii.nn.pytorch._freezing.copying import Copier
from retiarii.nn.pytorch._recording.survey import first_number
from retiarii.space import Architecture

# Layers that give back what they get, but for its values, and of which no operation is counted.
_SHAPE_KEEPERS = frozenset({
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.Dropout, nn.Dropout2d, nn.ELU, nn.GELU, nn.GroupNorm,
    nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LayerNorm, nn.LeakyReLU, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Sigmoid,
    nn.Softmax, nn.Tanh,
})  # fmt: skip

# Functions that fill a tensor with values, and return it.
_INITIALISERS = frozenset({
    nn.init.constant_, nn.init.kaiming_normal_, nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_,
    torch.Tensor.fill_, torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.zero_,
})  # fmt: skip


class Weightless:
    """Builds networks that have all shapes and no weights, which saves the time to initialise them.

    Args:
        model: The base model. It is neither changed nor are its weights copied.
    """

    def __init__(self, model: nn.Module) -> None:
        memo: dict[int, Any] = {}
        for tensor in (*model.parameters(), *model.buffers()):
            if not is_lazy(tensor):
                empty = torch.empty_like(tensor, device="meta")
                is_parameter = isinstance(tensor, nn.Parameter)
                memo[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
        self._first = first_number(model)
        self._model = copy.deepcopy(model, memo)

    def build(self, architecture: Architecture) -> nn.Module:
        """Return the network of an architecture; layers that change no shape and cost no FLOPs compute nothing."""
        values = ChosenValues(read_architecture(architecture), self._first)
        with hidden(FIXED_KEY), _Uninitialised("meta"):
            network = Copier(values, self._model, warns=False).model().module
        for module in network.modules():
            if type(module) in _SHAPE_KEEPERS:
                module.forward = _unchanged
        return network


class _Uninitialised(DeviceContext):
    """Makes new tensors on the meta device, and leaves out what would initialise them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _INITIALISERS and args:
            return args[0]
        return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]  # torch does not


def _unchanged(features: Any) -> Any:
    return features
