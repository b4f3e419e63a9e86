"""Engines: build the network of an architecture, and count its parameters and FLOPs.

`PythonEngine` freezes the choices in a model's code. `NetworkEngine` is the base of engines that build networks;
`retiarii.graph.GraphEngine` is another one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

import torch
from torch import nn

from retiarii.errors import ConfigError, FreezeError, RetiariiError
from retiarii.nn.pytorch._freezing.freeze import freeze
from retiarii.nn.pytorch._generators import generators_kept
from retiarii.nn.pytorch._recording.survey import extract_space, first_number
from retiarii.nn.pytorch._weightless_counting import WeightlessCounting
from retiarii.nn.pytorch.counting import (
    FlopsRules,
    count_flops,
    count_params,
    evaluating,
    factors_of_flops,
    factors_of_params,
    flops_of_parts,
    params_of_parts,
)
from retiarii.space import AdditiveCost, Architecture, Engine, PartCosts, SearchSpace

__all__ = ["NetworkEngine", "PythonEngine", "count_flops", "count_params", "evaluating"]


class NetworkEngine(Engine):
    """An engine that builds `torch.nn.Module` objects; subclasses say how.

    Attributes:
        example_input: A batch of input, or a tuple of the arguments of ``forward``; None where it is not known.
        flops_rules: The FLOPs of modules in which nothing can be counted; see `count_flops`.
    """

    example_input: Any = None
    flops_rules: FlopsRules | None = None

    @cached_property
    def costs(self) -> Mapping[str, AdditiveCost]:
        """``"params"`` and ``"flops"`` of the network; see `count_params` and `count_flops`.

        The first architectures are built. After these, costs are added up from the costs of parts, see `AdditiveCost`.
        FLOPs are of the batch that ``config.dummy_input`` describes.
        """
        return {name: AdditiveCost(name, self.space, partial(self._counted, name)) for name in ("params", "flops")}

    def additive_cost(self, name: str, parts_of: Callable[[nn.Module], PartCosts]) -> AdditiveCost:
        """Return a cost of architectures that is added up from the costs of a network's parts.

        Args:
            name: The name of the cost.
            parts_of: Returns the cost of each part of a network, by the name of the module.
        """
        return AdditiveCost(name, self.space, partial(self._built_parts, parts_of))

    def measure(self, built: nn.Module, names: Collection[str]) -> dict[str, float]:
        """Return ``"params"`` and ``"flops"`` of a network, those that are wanted.

        Raises:
            ConfigError: FLOPs are wanted, and no input is known.
        """
        with generators_kept():
            return {name: sum(self.parts(built, name).values()) for name in ("params", "flops") if name in names}

    def parts(self, built: nn.Module, name: str) -> Mapping[str, float]:
        """Return ``"params"`` or ``"flops"`` of each module of a network, by the name of the module.

        Raises:
            ConfigError: FLOPs are wanted, and no input is known.
        """
        counts: dict[str, Callable[[], Mapping[str, float]]] = {
            "params": lambda: params_of_parts(built),
            "flops": lambda: flops_of_parts(built, self._known_input(), rules=self.flops_rules),
        }
        return counts[name]()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the costs, which each process computes itself."""
        return {name: value for name, value in vars(self).items() if name != "costs"}

    def prepare(self, names: Collection[str]) -> None:
        """Count the FLOPs of something small, if any are to be counted: the first time takes PyTorch seconds."""
        if "flops" in names:
            with generators_kept():
                count_flops(nn.Linear(1, 1), torch.zeros(1, 1))

    def _built_parts(self, parts_of: Callable[[nn.Module], PartCosts], architecture: Architecture) -> PartCosts:
        with generators_kept():
            network = self.build_unchecked(architecture)
            try:
                return parts_of(network)
            except Exception:
                self.build(architecture)  # may say better what is wrong
                raise

    def _counted(self, name: str, architecture: Architecture) -> PartCosts:
        """Return ``"params"`` or ``"flops"`` of each part of the network of an architecture."""
        factors: dict[str, Callable[[nn.Module], PartCosts]] = {
            "params": factors_of_params,
            "flops": lambda built: factors_of_flops(built, self._known_input(), rules=self.flops_rules),
        }
        return self._built_parts(factors[name], architecture)

    def build_unchecked(self, architecture: Architecture) -> nn.Module:
        """Return the network of an architecture, without a check that it works, if `build` has one that takes time."""
        network: nn.Module = self.build(architecture)
        return network

    def _known_input(self) -> Any:
        if self.example_input is None:
            raise ConfigError(
                "FLOPs depend on the input, which is not known: give the shape of a batch, for example "
                "config.dummy_input = [1, 3, 32, 32]."
            )
        return self.example_input


class PythonEngine(NetworkEngine):
    """Freezes the choices that are written in a model's code.

    Args:
        model: The model with choices in it; it is not changed.
        input_shape: The shape of a batch of input. With it, each network runs once on zeros before it is used.
        flops_rules: The FLOPs of modules in which nothing can be counted; see `count_flops`.
    """

    def __init__(
        self, model: nn.Module, input_shape: Sequence[int] | None = None, *, flops_rules: FlopsRules | None = None
    ) -> None:
        self.model = model
        self.flops_rules = flops_rules
        self.input_shape = input_shape
        self.example_input = None if input_shape is None else torch.zeros(*input_shape)

    @cached_property
    def space(self) -> SearchSpace:
        """The choices in the model."""
        return extract_space(self.model)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to the costs."""
        return {name: value for name, value in super().__getstate__().items() if name != "_weightless"}

    @cached_property
    def _weightless(self) -> WeightlessCounting:
        return WeightlessCounting(self.model)

    def _counted(self, name: str, architecture: Architecture) -> PartCosts:
        """Count on a network without weights, where the first counts showed that this makes no difference."""
        return self._weightless.parts(
            name, architecture, self.example_input, self.flops_rules, partial(super()._counted, name, architecture)
        )

    def prepare(self, names: Collection[str]) -> None:
        """Do the work that makes the first `build` of a process slow; see also `NetworkEngine.prepare`.

        That is to look through the model for its choices, and to build a network. It is a small one of ours: the code
        of the user's model runs in trials only.
        """
        super().prepare(names)
        with suppress(RetiariiError):  # a trial will say so
            first_number(self.model)
        with generators_kept():
            freeze(_small_model(), {"width": 1})

    def build(self, architecture: Architecture) -> nn.Module:
        """Return a plain PyTorch module; see `retiarii.nn.pytorch.freeze`.

        Raises:
            FreezeError: The network does not take an input of the shape that was given.
        """
        network = self.build_unchecked(architecture)
        if self.input_shape is not None:
            _check_input(network, self.example_input)
        return network

    def build_unchecked(self, architecture: Architecture) -> nn.Module:
        """Return a plain PyTorch module, without running it on zeros."""
        return freeze(self.model, architecture, strict=False)


def _small_model() -> nn.Module:
    from retiarii.nn.pytorch import Linear, Sequential, ValueChoice  # which import this module's neighbours

    return Sequential(Linear(1, ValueChoice([1, 2], label="width")))


def _check_input(network: nn.Module, example: torch.Tensor) -> None:
    """Run a copy of a network on zeros, on the CPU and in evaluation mode; what is drawn at random stays the same."""
    try:
        with generators_kept(), torch.no_grad():
            copy.deepcopy(network).eval()(example)
    except Exception as error:
        raise FreezeError(
            f"The network does not take an input of the shape {list(example.shape)} (config.dummy_input): "
            f"{type(error).__name__}: {error}"
        ) from error
