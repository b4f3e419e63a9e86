"""Layers that are constructed when they are first used: in `fixed_arch`, most candidates are built to be dropped.

A deferred layer is an instance of a subclass of its class, without attributes. The first look at it (reading or writing
an attribute, calling it) runs the constructor and makes it an instance of the class itself. Random numbers are the same
as if the constructor had run at once: the generator is advanced past the initial weights, and its state before them is
kept for the layer.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Hashable, Mapping
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, cast

import torch
from torch import nn
from torch.nn.modules import module as modules

_CALL = "_deferred_call"
_Arguments = Mapping[str, Any]


def deferred_layer(cls: type[nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any]) -> nn.Module | None:
    """Return a layer that is constructed when it is first used; None where it has to be constructed at once.

    Only layers are deferred whose constructor cannot fail, and whose initialisation draws a known number of random
    numbers: with plain arguments, on the CPU, in single precision.

    Args:
        cls: The class of torch.nn.
        args: Positional arguments, without choices.
        kwargs: Keyword arguments, without choices.
    """
    if cls not in _DRAWS or _CONSTRUCTORS[cls] != constructor(cls) or not has_usual_defaults():
        return None
    draws = _num_draws(cast(Hashable, cls), *args, **kwargs)
    if draws is None:
        return None
    layer: nn.Module = object.__new__(_deferred_class(cast(Hashable, cls)))
    state = torch.default_generator.get_state() if draws else None
    object.__getattribute__(layer, "__dict__")[_CALL] = (args, kwargs, state)
    _skip(draws)
    return layer


def has_usual_defaults() -> bool:
    """Return whether layers are made on the CPU in single precision, and no mode or hook intercepts how."""
    return (
        torch.get_default_dtype() is torch.float32
        and not torch._C._len_torch_function_stack()  # torch.device("meta") and set_default_device are among these
        and not torch._C._len_torch_dispatch_stack()
        and not torch.is_inference_mode_enabled()
        and not modules._global_parameter_registration_hooks
        and not modules._global_buffer_registration_hooks
    )


class _DeferredType(type):
    """The class of classes of deferred layers, which equal the class that the layer is going to have."""

    def __eq__(cls, other: object) -> bool:
        return cls is other or bool(cls.__base__ == other)

    def __hash__(cls) -> int:
        return hash(cls.__base__)


@cache
def _deferred_class(cls: Any) -> Any:
    def __getattribute__(self: nn.Module, name: str) -> Any:
        if name == "__class__":  # what isinstance asks for
            return cls
        _construct(self, cls)
        return getattr(self, name)

    return _DeferredType(cls.__name__, (cls,), {"__getattribute__": __getattribute__, "__module__": cls.__module__})


def _construct(layer: nn.Module, cls: type[nn.Module]) -> None:
    args, kwargs, state = object.__getattribute__(layer, "__dict__").pop(_CALL)
    object.__setattr__(layer, "__class__", cls)
    if state is None:
        cls.__init__(layer, *args, **kwargs)
        return
    now = torch.default_generator.get_state()
    torch.default_generator.set_state(state)
    try:
        cls.__init__(layer, *args, **kwargs)
    finally:
        torch.default_generator.set_state(now)


_MAX_AT_ONCE = 1 << 14  # numbers, which fit into the cache


def _skip(draws: int) -> None:
    """Advance the generator of the CPU past some numbers of 32 bits; numbers of 64 bits take two of them."""
    if draws % 2:
        torch.empty(1, dtype=torch.int32).random_()
    pairs = draws // 2
    while pairs:
        count = min(pairs, _MAX_AT_ONCE)
        torch.empty(count, dtype=torch.int64).random_()
        pairs -= count


# Arguments.


@cache
def _signature(cls: Any) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the names of the arguments of a constructor, and which of them are required."""
    parameters = inspect.signature(cls).parameters.values()
    named = [parameter for parameter in parameters if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    required = frozenset(parameter.name for parameter in named if parameter.default is inspect.Parameter.empty)
    return tuple(parameter.name for parameter in named), required


@lru_cache(maxsize=4096, typed=True)
def _num_draws(cls: Any, *args: Any, **kwargs: Any) -> int | None:
    """Return how many random numbers a constructor draws; None if that is unknown or the arguments do not fit."""
    names, required = _signature(cls)
    given = dict(zip(names, args, strict=False))
    if len(args) > len(names) or any(name not in names or name in given for name in kwargs):
        return None
    given.update(kwargs)
    return _DRAWS[cls](given) if required <= given.keys() else None


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _product(size: Any, dims: int) -> int:
    """Return the product of a size that is one number for all dimensions or one for each; 0 if it is neither."""
    if _is_count(size):
        return int(size**dims)
    return math.prod(size) if type(size) is tuple and len(size) == dims and all(map(_is_count, size)) else 0


def _known_only(given: _Arguments, names: frozenset[str]) -> bool:
    return all(type(value) in (int, bool, tuple) for value in given.values()) and given.keys() <= names


# How many numbers the initialisation of a layer draws; None where that is not known.

_CONVOLUTION = frozenset(
    {"in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias"}
)
_LINEAR = frozenset({"in_features", "out_features", "bias"})
_NORM = frozenset({"num_features", "affine", "track_running_stats"})


def _of_convolution(dims: int) -> Callable[[_Arguments], int | None]:
    def draws(given: _Arguments) -> int | None:
        if not _known_only(given, _CONVOLUTION):
            return None
        inputs, outputs, groups = given["in_channels"], given["out_channels"], given.get("groups", 1)
        kernel = _product(given["kernel_size"], dims)
        if not (_is_count(inputs) and _is_count(outputs) and _is_count(groups) and kernel):
            return None
        if inputs % groups or outputs % groups:
            return None
        return int(outputs * (inputs // groups) * kernel + (outputs if given.get("bias", True) else 0))

    return draws


def _of_linear(given: _Arguments) -> int | None:
    inputs, outputs = given["in_features"], given["out_features"]
    if not (_known_only(given, _LINEAR) and _is_count(inputs) and _is_count(outputs)):
        return None
    return int(outputs * inputs + (outputs if given.get("bias", True) else 0))


def _of_norm(given: _Arguments) -> int | None:
    return 0 if _known_only(given, _NORM) and _is_count(given["num_features"]) else None


def _none(given: _Arguments) -> int | None:
    return 0


_DRAWS: dict[type[nn.Module], Callable[[_Arguments], int | None]] = {
    nn.Conv1d: _of_convolution(1),
    nn.Conv2d: _of_convolution(2),
    nn.Conv3d: _of_convolution(3),
    nn.Linear: _of_linear,
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _of_norm),
    **dict.fromkeys(
        (
            nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AvgPool1d, nn.AvgPool2d, nn.Flatten, nn.GELU, nn.Hardswish,
            nn.Identity, nn.MaxPool1d, nn.MaxPool2d, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Sigmoid, nn.Tanh,
        ),
        _none,
    ),
}  # fmt: skip


_initialisers_of = attrgetter("kaiming_uniform_", "uniform_", "normal_", "ones_", "zeros_")
_registration_of = attrgetter("__init__", "__setattr__", "register_parameter", "register_buffer")


def constructor(cls: type[nn.Module]) -> tuple[Any, ...]:
    """Return the functions that construct a layer; others than torch's own, which a user put there, may do anything."""
    functions = [base.__dict__.get("__init__") for base in cls.__mro__[:-2]]  # all but Module and object
    resets = getattr(cls, "reset_parameters", None), getattr(cls, "reset_running_stats", None)
    return *functions, *resets, torch.empty, *_initialisers_of(nn.init), *_registration_of(nn.Module)


_CONSTRUCTORS = {cls: constructor(cls) for cls in _DRAWS}
