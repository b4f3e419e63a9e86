"""`Engine`: a search space, with the method that builds a network of it; `Searchable`: a model that has one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
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

    @property
    def start_method(self) -> str | None:
        """How the processes of trials have to be started: ``"spawn"`` where a fork of a process that builds fails."""
        return None

    def prepare(self, names: Collection[str]) -> None:  # noqa: B027 - optional, few measurements need it
        """Do slow one-time work of `build` and `measure`, in the process from which trials are forked.

        Args:
            names: The names of the costs that will be measured.
        """


class Searchable(ABC):
    """A base model that brings the engine that builds it: what `retiarii.nn.keras` gives experiments.

    Models of other frameworks join experiments in the same way.
    """

    @property
    def name(self) -> str:
        """The name of an experiment that is given none."""
        return type(self).__name__

    @abstractmethod
    def engine(self, input_shape: Sequence[int] | None = None) -> Engine:
        """Return an engine for this model.

        Args:
            input_shape: The shape of a batch of input (``config.dummy_input``), where it is known.
        """
