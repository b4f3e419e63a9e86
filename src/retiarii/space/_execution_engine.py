"""`Engine`: a search space, with the method that builds a network from an architecture of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from retiarii.space._architecture import Architecture
from retiarii.space._space import SearchSpace

Cost: TypeAlias = Callable[[Architecture], float]
"""A number that follows from an architecture alone, such as its parameters or a latency from a table."""


class Engine(ABC):
    """An execution engine: it builds, from an architecture of its space, the object that an evaluator measures.

    `retiarii.nn.pytorch.PythonEngine` and `retiarii.graph.GraphEngine` build networks. Engines are sent to the
    processes of trials, so they must be picklable.
    """

    @property
    @abstractmethod
    def space(self) -> SearchSpace:
        """The space of architectures that can be built."""

    @abstractmethod
    def build(self, architecture: Architecture) -> Any:
        """Return the network, or other object, of an architecture; labels outside of the space are ignored."""

    @property
    def costs(self) -> Mapping[str, Cost]:
        """Functions that compute costs of an architecture, by name, for constraints that are checked while sampling."""
        return {}

    def measure(self, built: Any, names: Collection[str]) -> dict[str, float]:
        """Measure costs on an object that `build` returned.

        Args:
            built: The object, for example a network.
            names: The names of the wanted costs; unknown names are ignored.
        """
        return {}

    def prepare(self, names: Collection[str]) -> None:  # noqa: B027 - optional, few measurements need it
        """Do slow one-time work of `build` and `measure`, in the process from which trials are forked.

        Args:
            names: The names of the costs that will be measured.
        """
