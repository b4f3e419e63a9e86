"""`Engine`: how a model becomes the network of an architecture."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import torch
from torch import nn

from retiarii.errors import FreezeError
from retiarii.evaluator import generators_kept
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.space import Architecture, SearchSpace


class Engine(Protocol):
    """A search space, and the way from one of its architectures to a network.

    `retiarii.graph.GraphEngine` is another one.
    """

    @property
    def space(self) -> SearchSpace:
        """What can be built."""

    def build(self, architecture: Architecture) -> nn.Module:
        """Return the network; labels of others, such as those of an evaluator's choices, are passed over."""


class PythonEngine:
    """Freezes the choices that are written in a model's code.

    Args:
        model: The model with choices in it; it is not changed.
        input_shape: The shape of a batch of input. With it, each network runs once on zeros before it is used.
    """

    def __init__(self, model: nn.Module, input_shape: Sequence[int] | None = None) -> None:
        self.model = model
        self.input_shape = input_shape

    @cached_property
    def space(self) -> SearchSpace:
        """The choices in the model."""
        return extract_space(self.model)

    def build(self, architecture: Architecture) -> nn.Module:
        """Return a plain PyTorch module; see `retiarii.nn.pytorch.freeze`.

        Raises:
            FreezeError: The network does not take an input of the shape that was given.
        """
        network = freeze(self.model, architecture, strict=False)
        if self.input_shape is not None:
            _check_input(network, self.input_shape)
        return network


def _check_input(network: nn.Module, shape: Sequence[int]) -> None:
    """Run a copy of a network on zeros, on the CPU and in evaluation mode; what is drawn at random stays the same."""
    try:
        with generators_kept(), torch.no_grad():
            copy.deepcopy(network).eval()(torch.zeros(*shape))
    except Exception as error:
        raise FreezeError(
            f"The network does not take an input of the shape {list(shape)} (config.dummy_input): "
            f"{type(error).__name__}: {error}"
        ) from error
