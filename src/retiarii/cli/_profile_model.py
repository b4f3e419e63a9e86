"""The models that ``retiarii profile`` names, and their profiles."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from retiarii.errors import ConfigError
from retiarii.nn.pytorch import freeze
from retiarii.profiler import NetworkProfile, SpaceProfile, profile, profile_space
from retiarii.space import nearest

_EXPECTED = "expected FILE.py:NAME, MODULE:NAME or hub:NAME, for example net.py:Net"


def profiled_space(target: str, shape: Sequence[int] | None, samples: int, latency: bool) -> SpaceProfile:
    """Return the range of costs of a model space."""
    example = None if shape is None else torch.zeros(*shape)
    return profile_space(named_model(target), example, samples=samples, latency=latency)


def profiled_network(target: str, shape: Sequence[int], architecture: Path, latency: bool) -> NetworkProfile:
    """Return the costs of the network of an architecture."""
    network = freeze(named_model(target), architecture)
    return profile(network, torch.zeros(*shape), latency=latency)


def named_model(target: str) -> nn.Module:
    """Return the model that a command line names. The code that defines it is run.

    Raises:
        ConfigError: There is no such file, module or name, or it is no model and makes none.
    """
    place, separator, name = target.rpartition(":")
    if not separator or not place or not name:
        raise ConfigError(f"The model is {target!r}, {_EXPECTED}.")
    module = _module(place)
    if not hasattr(module, name):
        names = [known for known in vars(module) if not known.startswith("_")]
        raise ConfigError(f"There is no {name!r} in {place!r}.{nearest(name, names)}")
    found = getattr(module, name)
    model = found if isinstance(found, nn.Module) else _made(found, target)
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{target!r} is {model!r}, expected a model, or a class or function that makes one.")
    return model


def _made(maker: Any, target: str) -> Any:
    if not callable(maker):
        return maker
    try:
        return maker()
    except TypeError as error:
        raise ConfigError(
            f"{target!r} cannot be called without arguments: {error}. Write a function without arguments that returns "
            "the model, and name it."
        ) from error


def _module(place: str) -> ModuleType:
    if place == "hub":
        return importlib.import_module("retiarii.hub.pytorch")
    sys.path.insert(0, os.getcwd())
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise ConfigError(f"There is no module {place!r}: {error}. For a file, {_EXPECTED}.") from error
    path = Path(place)
    if not path.is_file():
        raise ConfigError(f"There is no file {place!r} (working directory {os.getcwd()!r}).")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
