"""`Mutator`: a few lines of Python that turn one model into another. `Sampler`: answers the choices of a mutator."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

from retiarii.errors import ArchitectureError, DomainError, GraphError, InvalidMutation
from retiarii.graph._operations.operation import Operation
from retiarii.graph._operations.qualified_names import type_name
from retiarii.graph._representation.execution_order import check_inputs
from retiarii.graph._representation.model import Model, Node
from retiarii.space import Architecture, Value

T = TypeVar("T")
_Met: TypeAlias = "tuple[str | None, tuple[Any, ...]]"


class Sampler(ABC):
    """Decides the choices of mutators."""

    @abstractmethod
    def choice(self, candidates: Sequence[Any], mutator: Mutator, model: Model, index: int) -> Any:
        """Return one of the candidates.

        Args:
            candidates: At least one, of any type.
            mutator: The mutator that makes the choice.
            model: The model that is being mutated.
            index: The number of this choice in the current run of the mutator, from 0.
        """

    def mutation_start(self, mutator: Mutator, model: Model) -> None:  # noqa: B027 - most samplers need no notice
        """Called before a mutator changes a model."""

    def mutation_end(self, mutator: Mutator, model: Model) -> None:  # noqa: B027 - as above
        """Called after a mutator changed a model."""


class RecordingSampler(Sampler):
    """Takes the first candidate of every choice, and records the candidates."""

    def __init__(self) -> None:
        self.recorded_candidates: list[list[Any]] = []

    def choice(self, candidates: Sequence[Any], mutator: Mutator, model: Model, index: int) -> Any:
        """Return the first candidate."""
        self.recorded_candidates.append(list(candidates))
        return candidates[0]


class Mutator(ABC):
    """Changes a model, and calls ``self.choice(candidates)`` for each decision.

    Subclasses implement `mutate`. It may depend on earlier choices and on the model, and must depend
    on nothing else: the same decisions must give the same model.

    Args:
        sampler: Decides the choices; can be set later with `bind_sampler`.
        label: The first part of the labels of the choices; by default the name of the class, with a number where a
            list has several of the class.

    Examples:
        >>> class Kernel(Mutator):
        ...     def mutate(self, model):
        ...         for node in model.get_nodes_by_type("torch.nn.Conv2d"):
        ...             node.operation.parameters["kernel_size"] = self.choice([3, 5, 7])
    """

    sampler: Sampler | None = None  # class attributes, so that subclasses need not call super().__init__()
    _label: str | None = None
    _model: Model | None = None
    _count: int = 0

    current_label: str | None = None
    """The label given to the choice that is being answered, for samplers."""

    def __init__(self, sampler: Sampler | None = None, label: str | None = None) -> None:
        self.sampler = sampler
        self._label = label

    @property
    def label(self) -> str:
        """The first part of the labels of this mutator's choices."""
        return type(self).__name__ if self._label is None else self._label

    @abstractmethod
    def mutate(self, model: Model) -> None:
        """Change ``model`` in place; it is a fork for this call only.

        Raises:
            InvalidMutation: The decisions do not fit this model; the trial fails without training.
        """

    def bind_sampler(self, sampler: Sampler) -> Mutator:
        """Set the sampler, and return the mutator."""
        self.sampler = sampler
        return self

    def choice(self, candidates: Iterable[T], *, label: str | None = None) -> T:
        """Return one of several candidates.

        Args:
            candidates: Values of any type: numbers, classes, functions, nodes.
            label: The name of the decision in architectures; its number by default. Choices with the same label are one
                decision.

        Raises:
            GraphError: The call is not in `mutate` while `apply` runs it.
        """
        if self._model is None or self.sampler is None:
            raise GraphError(f"{type(self).__name__}.choice() works only in mutate(), while apply() runs it.")
        self.current_label = label
        options = list(candidates)
        chosen = self.sampler.choice(options, self, self._model, self._count)
        self._count += 1
        return chosen  # type: ignore[no-any-return] # samplers return what they are given

    def apply(self, model: Model) -> Model:
        """Return a mutated fork of a model, which is not changed.

        Raises:
            GraphError: There is no sampler.
            InvalidMutation: The mutation cannot be done, or leaves a graph that cannot run.
        """
        if self.sampler is None:
            raise GraphError(f"{type(self).__name__} has no sampler to decide its choices. Call bind_sampler() first.")
        mutated = model.fork()
        outer = self._model, self._count
        self._model, self._count = mutated, 0
        try:
            self.sampler.mutation_start(self, mutated)
            self._mutate(mutated)
            self.sampler.mutation_end(self, mutated)
        finally:
            self._model, self._count = outer
        return mutated

    def dry_run(self, model: Model) -> tuple[list[list[Any]], Model]:
        """Run with the first candidate of every choice.

        Returns:
            The candidates of each choice that was met, and the mutated model.

        Raises:
            InvalidMutation: The mutation cannot be done.
        """
        recorder, bound = RecordingSampler(), self.sampler
        self.sampler = recorder
        try:
            mutated = self.apply(model)
        finally:
            self.sampler = bound
        return recorder.recorded_candidates, mutated

    def _mutate(self, model: Model) -> None:
        """Run `mutate`, check the graphs that it changed, and name the mutator in errors."""
        when = "In"
        try:
            self.mutate(model)
            when = "After"
            for name, graph in model.graphs.items():
                if not graph._data.frozen:
                    check_inputs(graph._data, name)
        except InvalidMutation as err:
            if type(err) is not InvalidMutation:  # a subclass of the user
                raise
            raise InvalidMutation(f"{when} {type(self).__name__} ({self.label}): {err}", node=err.node) from err


class StationaryMutator(Mutator):
    """A mutator that promises to make the same choices, with the same candidates, in every run.

    The promise is checked on every run: `apply` raises `GraphError` if the choices differ from those of an earlier run.
    """

    _expected: tuple[_Met, ...] | None = None
    _met: tuple[_Met, ...] = ()

    def choice(self, candidates: Iterable[T], *, label: str | None = None) -> T:
        """Return one of several candidates; see `Mutator.choice`."""
        options = list(candidates)
        self._met = (*self._met, (label, candidate_values(options, f"choice {len(self._met)}")))
        return super().choice(options, label=label)

    def _mutate(self, model: Model) -> None:
        self._met = ()
        super()._mutate(model)
        if self._expected is None:
            self._expected = self._met
        elif self._met != self._expected:
            raise self._changed(self._expected, self._met)

    def _changed(self, expected: Sequence[_Met], met: Sequence[_Met]) -> GraphError:
        pairs = zip(expected, met, strict=False)
        index = next((i for i, (one, other) in enumerate(pairs) if one != other), min(len(expected), len(met)))
        before = expected[index][1] if index < len(expected) else "no such choice"
        now = met[index][1] if index < len(met) else "no such choice"
        return GraphError(
            f"{type(self).__name__} is a StationaryMutator, but its choice {index} has other candidates now: {now}, "
            f"before: {before}. Derive it from Mutator instead, whose choices may change."
        )


def with_labels(mutators: Iterable[Mutator]) -> tuple[Mutator, ...]:
    """Add numbers to the labels of mutators that have the same label, so that their choices have different labels.

    A mutator that is in the list several times is copied.

    Raises:
        GraphError: An item is not a mutator.
    """
    found: list[Mutator] = []
    labels: set[str] = set()
    for mutator in mutators:
        if not isinstance(mutator, Mutator):
            raise GraphError(
                f"The list of mutators has {mutator!r} of type {type(mutator).__name__}, expected a Mutator."
            )
        own = copy.copy(mutator) if any(mutator is other for other in found) else mutator
        label, number = mutator.label, 2
        while label in labels:
            label, number = f"{mutator.label}_{number}", number + 1
        if label != mutator.label:
            own._label = label
        labels.add(label)
        found.append(own)
    return tuple(found)


def candidate_values(candidates: Sequence[Any], place: str) -> tuple[Value, ...]:
    """Return the values of candidates in architectures.

    Plain values stay; classes, functions and operations become their short names, or if these are not
    unique their full names; nodes become their paths. If some candidates still have no unique name, all candidates
    become their numbers.

    Raises:
        DomainError: There are none.
    """
    if not candidates:
        raise DomainError(
            f"The choice at {place} has no candidates. Give it at least one, or raise InvalidMutation where nothing is "
            "left to choose from."
        )
    for name in (_short_name, _full_name):
        try:
            values = Architecture({"candidates": tuple(map(name, candidates))})["candidates"]
        except ArchitectureError:
            break
        if len({repr(value) for value in values}) == len(values):
            return tuple(values)
    return tuple(range(len(candidates)))


def _short_name(candidate: Any) -> Any:
    full = _full_name(candidate)
    is_value = full is candidate or isinstance(candidate, Node)
    return full if is_value else full.rpartition(".")[2]


def _full_name(candidate: Any) -> Any:
    if isinstance(candidate, Node):
        return candidate.path
    if isinstance(candidate, Operation):
        return candidate.type
    if isinstance(candidate, type) or callable(candidate):
        try:
            return type_name(candidate)
        except GraphError:
            return candidate
    return candidate
