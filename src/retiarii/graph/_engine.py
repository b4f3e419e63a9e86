"""`GraphEngine`: from an architecture to a network, by graphs and mutators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import nn

from retiarii.errors import InvalidMutation
from retiarii.graph._building import build_module
from retiarii.graph._check import check
from retiarii.graph._code import model_code
from retiarii.graph._lowering import lower
from retiarii.graph._model import Model
from retiarii.graph._mutator import Mutator, with_labels
from retiarii.graph._sampler import DecidingSampler, from_architecture
from retiarii.nn.pytorch import extract_space
from retiarii.space import Architecture, Categorical, SearchSpace, Value

_CACHED_GRAPHS = 16


@dataclass
class Run:
    """One run of all mutators.

    Attributes:
        choices: The choices that were met.
        values: What was decided.
        model: The result; None if a mutation was invalid.
        error: Why it was.
    """

    choices: list[Categorical] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    model: Model | None = None
    error: InvalidMutation | None = None


class GraphEngine:
    """Makes networks by graphs: fixes the choices in the model, traces it, lets mutators change it, builds it.

    Inline choices and mutators work together: the choices in the model are fixed first, so that mutators see the graph
    of one network, and both kinds of choices are labels of one space and one architecture.

    It pickles where model and mutators do.

    Args:
        model: The base model, with or without choices.
        mutators: Applied in this order.
        example_input: A tensor, or a tuple of the arguments of ``forward``. With it, `build` checks every shape before
            it builds anything.
        stationary: Whether the mutators have the same choices whatever was chosen; None finds out by trying (see
            `mutator_space`).

    Raises:
        GraphError: The list of mutators has something else in it.
    """

    def __init__(
        self,
        model: nn.Module,
        mutators: Iterable[Mutator] = (),
        *,
        example_input: Any = None,
        stationary: bool | None = None,
    ) -> None:
        self.model = model
        self.mutators = with_labels(mutators)
        self.example_input = example_input
        self._stationary = stationary
        self._graphs: dict[str, Model] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("space", "inline_space")} | {
            "_graphs": {}
        }

    @cached_property
    def inline_space(self) -> SearchSpace:
        """The choices that are written into the model."""
        return extract_space(self.model)

    @cached_property
    def space(self) -> SearchSpace:
        """The choices in the model and those of the mutators.

        Raises:
            GraphError: The model cannot be traced.
        """
        from retiarii.graph._mutator_space import mutator_space  # the space runs the mutators through this engine

        if not self.mutators:
            return self.inline_space
        return mutator_space(self, stationary=self._stationary)

    def base_graph(self, architecture: Mapping[str, Any]) -> Model:
        """Return the graph that the mutators start from; labels that are not the model's are ignored.

        Raises:
            ArchitectureError: The architecture does not fit the model.
            GraphError: The model cannot be traced.
        """
        inline = Architecture({label: value for label, value in architecture.items() if label in self.inline_space})
        if inline.key not in self._graphs:
            if len(self._graphs) >= _CACHED_GRAPHS:
                self._graphs.pop(next(iter(self._graphs)))
            self._graphs[inline.key] = lower(self.model, inline)
        return self._graphs[inline.key]

    def run(self, architecture: Mapping[str, Any], decide: Callable[[Categorical], Value]) -> Run:
        """Run the mutators on the model that an architecture makes of the base model.

        Args:
            architecture: Values for the choices in the model.
            decide: Returns the values of the mutators' choices.
        """
        sampler = DecidingSampler(decide)
        model = self.base_graph(architecture)
        try:
            for mutator in self.mutators:
                model = _applied(mutator, sampler, model)
        except InvalidMutation as err:
            return Run(sampler.choices, sampler.values, error=err)
        return Run(sampler.choices, sampler.values, model=model)

    def graph(self, architecture: Mapping[str, Any]) -> Model:
        """Return the graph of an architecture: choices fixed, mutators applied.

        Raises:
            ArchitectureError: The architecture does not fit.
            InvalidMutation: A mutation cannot be done, or the shapes of the example input do not fit.
            GraphError: The model cannot be traced.
        """
        run = self.run(architecture, from_architecture(architecture))
        if run.error is not None:
            raise run.error
        assert run.model is not None
        if self.example_input is not None:
            check(run.model, self.example_input)
        return run.model if self.mutators else run.model.fork()  # the cached graph stays as it is

    def build(self, architecture: Mapping[str, Any]) -> nn.Module:
        """Return the network of an architecture; see `graph` for what it raises."""
        return build_module(self.graph(architecture))

    def code(self, architecture: Mapping[str, Any]) -> str:
        """Return the network of an architecture as a Python file; see `export_code` and `graph` for what it raises."""
        return model_code(self.graph(architecture), architecture)


def _applied(mutator: Mutator, sampler: DecidingSampler, model: Model) -> Model:
    bound = mutator.sampler
    try:
        return mutator.bind_sampler(sampler).apply(model)
    finally:
        mutator.sampler = bound
