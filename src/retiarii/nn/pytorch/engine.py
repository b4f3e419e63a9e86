"""Engines: build the network of an architecture, and count its parameters and FLOPs.

`PythonEngine` freezes the choices in a model's code. `NetworkEngine` is the base of engines that build networks;
`retiarii.graph.GraphEngine` is another one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import nn

from retiarii.errors import ConfigError, FreezeError, RetiariiError
from retiarii.nn.pytorch._freezing.freeze import freeze
from retiarii.nn.pytorch._generators import generators_kept
from retiarii.nn.pytorch._recording.survey import extract_space, first_number
from retiarii.space import Architecture, Cost, Engine, SearchSpace

__all__ = ["NetworkEngine", "PythonEngine", "count_flops", "count_params", "evaluating"]

_REMEMBERED = 10_000  # architectures whose costs are not computed again


def count_params(network: nn.Module) -> int:
    """Return how many parameters a network has, trainable or not; shared ones count once."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_flops(network: nn.Module, example_input: Any) -> int:
    """Return the floating-point operations of one forward pass; a multiply-add counts as two.

    Counted by `torch.utils.flop_counter`: matrix products, convolutions and attention; cheaper operations count zero.

    Args:
        network: It is run once in evaluation mode, on the CPU or wherever its parameters are, and left as it was.
        example_input: A batch, or a tuple of the arguments of ``forward``.
    """
    from torch.utils.flop_counter import FlopCounterMode  # takes a tenth of a second to import

    arguments = example_input if isinstance(example_input, tuple) else (example_input,)
    with evaluating(network), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*arguments)
    return int(counter.get_total_flops())


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Set a network to evaluation mode inside the block; afterwards each of its modules has its own mode again."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, is_training in modes.items():
            module.training = is_training


class NetworkEngine(Engine):
    """An engine that builds `torch.nn.Module` objects; subclasses say how.

    Attributes:
        example_input: A batch of input, or a tuple of the arguments of ``forward``; None where it is not known.
    """

    example_input: Any = None

    @property
    def costs(self) -> Mapping[str, Cost]:
        """``"params"`` and ``"flops"`` of the network; see `count_params` and `count_flops`.

        Each builds the network of an architecture, and remembers the number. FLOPs are of the batch that
        ``config.dummy_input`` describes.
        """
        return {"params": self._cost("params"), "flops": self._cost("flops")}

    def measure(self, built: nn.Module, names: Collection[str]) -> dict[str, float]:
        """Return ``"params"`` and ``"flops"`` of a network, those that are wanted.

        Raises:
            ConfigError: FLOPs are wanted, and no input is known.
        """
        counts: dict[str, Callable[[], float]] = {
            "params": lambda: count_params(built),
            "flops": lambda: count_flops(built, self._known_input()),
        }
        with generators_kept():
            return {name: float(count()) for name, count in counts.items() if name in names}

    def prepare(self, names: Collection[str]) -> None:
        """Count the FLOPs of something small, if any are to be counted: the first time takes PyTorch seconds."""
        if "flops" in names:
            with generators_kept():
                count_flops(nn.Linear(1, 1), torch.zeros(1, 1))

    def _cost(self, name: str) -> Cost:
        @lru_cache(_REMEMBERED)
        def cost(architecture: Architecture) -> float:
            with generators_kept():
                return self.measure(self.build(architecture), [name])[name]

        cost.__name__ = name
        return cost

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
    """

    def __init__(self, model: nn.Module, input_shape: Sequence[int] | None = None) -> None:
        self.model = model
        self.input_shape = input_shape
        self.example_input = None if input_shape is None else torch.zeros(*input_shape)

    @cached_property
    def space(self) -> SearchSpace:
        """The choices in the model."""
        return extract_space(self.model)

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
        network = freeze(self.model, architecture, strict=False)
        if self.input_shape is not None:
            _check_input(network, self.example_input)
        return network


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
