"""Basic units that use a lot of what is around them."""

from __future__ import annotations

import enum
import math
import re as regex
import types
from dataclasses import dataclass
from types import FunctionType, MappingProxyType
from typing import Optional

import torch.nn.functional as func
from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii.nn.pytorch import basic_unit

FACTORS = {"wide": 2, "narrow": 1}


class Mode(enum.Enum):
    WIDE = "wide"
    NARROW = "narrow"


@dataclass
class Options:
    factor: int


def options_for(mode: str) -> Options:
    return Options(FACTORS[Mode(mode).value])


class Halved(nn.Module):
    def half(self, x: Tensor) -> Tensor:
        return x / math.sqrt(4)


@basic_unit
class Configured(Halved):
    """Uses a helper, a constant, an enumeration, a dataclass, a base class and an aliased import."""

    def __init__(self, width: int, mode: str) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width * options_for(mode).factor)
        self.norm = nn.LayerNorm(width * options_for(mode).factor)

    def forward(self, x: Tensor) -> Tensor:
        return self.half(func.relu(self.norm(self.fc(x))))


@nn.basic_unit
class Clashing(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def make_clash() -> type:
    """Return another class of the same name, which also uses a variable from here."""
    shift = 0.25

    @nn.basic_unit
    class Clashing(nn.Module):
        def __init__(self, factor: float) -> None:
            super(Clashing, self).__init__()  # noqa: UP008 - the old way, on purpose
            self.factor = factor

        def forward(self, x: Tensor) -> Tensor:
            return x + self.factor + shift

    return Clashing


SETTINGS = {"scale": 2.0}


def called(function: Optional[FunctionType], value: float) -> float:  # noqa: UP045 - the old way, on purpose
    """Use types that do not know where they can be imported from."""
    assert isinstance(function, (FunctionType, types.LambdaType, types.BuiltinFunctionType))
    assert regex.match("a+", "aa")
    return function(value) * MappingProxyType(SETTINGS)["scale"]


def halved(value: float) -> float:
    return value / 2


@nn.basic_unit
class Calling(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = called(halved, factor)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


@nn.basic_unit
class UsesChoices(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rate = nn.ValueChoice([0.1, 0.5], label="rate")

    def forward(self, x: Tensor) -> Tensor:
        return x * self.rate()
