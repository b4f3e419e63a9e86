"""`Engine`: what the architectures of a space stand for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from retiarii.space._architecture import Architecture
from retiarii.space._space import SearchSpace

Cost: TypeAlias = Callable[[Architecture], float]
"""A number that follows from an architecture alone, such as its parameters or a latency from a table."""


class Engine(ABC):
    """A search space, and the way from one of its architectures to what an evaluator measures.

    `retiarii.nn.pytorch.PythonEngine` and `retiarii.graph.GraphEngine` build networks. An engine travels to the
    processes of trials, so it must pickle.
    """

    @property
    @abstractmethod
    def space(self) -> SearchSpace:
        """What can be built."""

    @abstractmethod
    def build(self, architecture: Architecture) -> Any:
        """Return what the architecture stands for; labels of others, such as an evaluator's, are passed over."""

    @property
    def costs(self) -> Mapping[str, Cost]:
        """Numbers that follow from an architecture alone, by name: what constraints can bound while sampling."""
        return {}

    def measure(self, built: Any, names: Collection[str]) -> dict[str, float]:
        """Return those of the named costs that can be read off what `build` returned, without building it again.

        Args:
            built: What `build` returned.
            names: The costs that are wanted; names of anything else are passed over.
        """
        return {}

    def prepare(self, names: Collection[str]) -> None:  # noqa: B027 - optional, few measurements need it
        """Do once what makes `build` and `measure` slow the first time, in the process that trials are forked from.

        Args:
            names: What will be measured.
        """
