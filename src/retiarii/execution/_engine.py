"""`Engine`: how a model becomes the network of an architecture."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

from torch import nn

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
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    @cached_property
    def space(self) -> SearchSpace:
        """The choices in the model."""
        return extract_space(self.model)

    def build(self, architecture: Architecture) -> nn.Module:
        """Return a plain PyTorch module; see `retiarii.nn.pytorch.freeze`."""
        return freeze(self.model, architecture, strict=False)
