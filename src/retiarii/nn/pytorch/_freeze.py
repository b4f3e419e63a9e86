"""`freeze`: what an architecture makes of a base model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

from torch import nn

from retiarii.nn.pytorch._chosen import ChosenValues
from retiarii.nn.pytorch._copying import Copier
from retiarii.nn.pytorch._extract import extract_space, first_number
from retiarii.nn.pytorch._origins import remember_root
from retiarii.space import Architecture

ArchitectureSource = Mapping[str, Any] | str | PathLike[str]


def freeze(model: nn.Module, architecture: ArchitectureSource, *, strict: bool = True) -> nn.Module:
    """TODO docstring."""
    values = ChosenValues(read_architecture(architecture), first_number(model))
    frozen = Copier(values, model).model()
    if strict and not values.used.issuperset(values.architecture):
        extract_space(model).architecture(values.architecture)
    remember_root(frozen.module, frozen.inner)
    return frozen.module


def read_architecture(source: ArchitectureSource) -> Architecture:
    """Return the architecture that is given as a mapping or as the path of a JSON file.

    Raises:
        ArchitectureError: It is no mapping from labels to plain values.
        OSError: The file cannot be read.
    """
    if isinstance(source, Architecture):
        return source
    return Architecture(source) if isinstance(source, Mapping) else Architecture.load(source)
