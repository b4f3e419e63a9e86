"""Copies of single modules, without their children: the quick part of `freeze`."""

from __future__ import annotations

from collections import OrderedDict
from types import BuiltinFunctionType
from typing import Any

import torch
from torch import nn

from retiarii.nn.pytorch._freezing.origins import BASE_NAMES, SUPERNET_NAMES
from retiarii.space.construction import CALL_ATTRIBUTE

# Immutable, so that a copy may be the thing itself.
SHARED = frozenset({
    bool, int, float, complex, str, bytes, range, type(None), type, BuiltinFunctionType, torch.dtype, torch.device,
    torch.Size,
})  # fmt: skip

_DROPPED = frozenset({CALL_ATTRIBUTE, BASE_NAMES, SUPERNET_NAMES})
_CONTENTS = frozenset({"_parameters", "_buffers", "_modules", *_DROPPED})

# Layers whose constructor initialises exactly what ``reset_parameters`` does, in the same order. So a copy that is
# reset is a fresh layer, and it is made in half the time.
RESETTABLE = frozenset({
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.Bilinear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d,
    nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Embedding, nn.EmbeddingBag, nn.GroupNorm, nn.InstanceNorm1d,
    nn.InstanceNorm2d, nn.InstanceNorm3d, nn.LayerNorm, nn.Linear, nn.RMSNorm, nn.SyncBatchNorm,
})  # fmt: skip


def is_shared(value: Any) -> bool:
    """Return whether a value is immutable all through, so that two modules may have it."""
    kind = type(value)
    return kind in SHARED or (kind is tuple and SHARED.issuperset(map(type, value)))


def empty_clone(module: nn.Module) -> tuple[nn.Module, list[str]]:
    """Return a module with the same attributes, but no tensors, children and notes yet.

    Returns:
        The module, and the names of the attributes that are still those of the original and need to be copied.
    """
    new: nn.Module = object.__new__(type(module))
    state = vars(new)
    unfinished = []
    for name, value in vars(module).items():
        kind = type(value)
        if kind in SHARED or (kind is tuple and SHARED.issuperset(map(type, value))):
            state[name] = value
        elif name in _CONTENTS:
            if name not in _DROPPED:
                state[name] = {}
        elif (kind is OrderedDict or kind is set) and not value:  # hooks
            state[name] = kind()
        else:
            state[name] = value
            unfinished.append(name)
    return new, unfinished
