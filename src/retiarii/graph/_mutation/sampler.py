"""`Sampler`: who answers the choices of mutators; and the samplers that make a search space of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from retiarii.errors import ArchitectureError, DomainError, GraphError, LabelConflictError
from retiarii.graph._operations.operation import Operation
from retiarii.graph._operations.qualified_names import type_name
from retiarii.graph._representation.model import Node
from retiarii.space import Architecture, Categorical, Value

if TYPE_CHECKING:
    from retiarii.graph._mutation.mutator import Mutator
    from retiarii.graph._representation.model import Model


class Sampler(ABC):
    """Answers ``self.choice(...)`` in mutators."""

    @abstractmethod
    def choice(self, candidates: Sequence[Any], mutator: Mutator, model: Model, index: int) -> Any:
        """Return one of the candidates.

        Args:
            candidates: Anything; at least one.
            mutator: Who asks.
            model: The model that is being mutated.
            index: The number of this choice in the current run of the mutator, from 0.
        """

    def mutation_start(self, mutator: Mutator, model: Model) -> None:  # noqa: B027 - most samplers need no notice
        """Take note that a mutator starts on a model."""

    def mutation_end(self, mutator: Mutator, model: Model) -> None:  # noqa: B027 - as above
        """Take note that a mutator is done with a model."""


class RecordingSampler(Sampler):
    """Takes the first candidate of every choice, and remembers the candidates."""

    def __init__(self) -> None:
        self.recorded_candidates: list[list[Any]] = []

    def choice(self, candidates: Sequence[Any], mutator: Mutator, model: Model, index: int) -> Any:
        """Return the first candidate."""
        self.recorded_candidates.append(list(candidates))
        return candidates[0]


class DecidingSampler(Sampler):
    """Turns the choices of mutators into labelled choices of a search space, and has a function decide them.

    The label is the mutator's, and after a slash the one given to ``self.choice`` or else its number. Two choices of
    one label are one decision.

    Args:
        decide: Returns the value of a choice.

    Attributes:
        choices: The choices that were met, in order.
        values: Their values, by label.
    """

    def __init__(self, decide: Callable[[Categorical], Value]) -> None:
        self._decide = decide
        self.choices: list[Categorical] = []
        self.values: dict[str, Value] = {}

    def choice(self, candidates: Sequence[Any], mutator: Mutator, model: Model, index: int) -> Any:
        """Return the candidate that was decided on.

        Raises:
            DomainError: There are no candidates, or the same one twice.
            LabelConflictError: The label was met before, with other candidates.
        """
        label = f"{mutator.label}/{mutator.current_label or index}"
        place = f"{type(mutator).__name__}.mutate, choice {index}"
        values = candidate_values(candidates, place)
        choice = Categorical(label, values=values, declared_at=place)
        known = next((other for other in self.choices if other.label == label), None)
        if known is None:
            self.choices.append(choice)
            self.values[label] = self._decide(choice)
        elif not known.same_domain(choice):
            raise LabelConflictError(
                f"Label {label!r} stands for {known.domain()} ({known.declared_at}) and for {choice.domain()} "
                f"({place}). Give one of them another label.",
                label=label,
                places=(known.declared_at, place),
            )
        return candidates[choice.index_of(self.values[label])]


def from_architecture(architecture: Mapping[str, Any]) -> Callable[[Categorical], Value]:
    """Return a function that decides choices as an architecture says.

    Args:
        architecture: Label to value.
    """

    def decide(choice: Categorical) -> Value:
        if choice.label not in architecture:
            raise ArchitectureError(
                f"The architecture has no value for {choice.label!r} ({choice.declared_at}), expected one of "
                f"{choice.domain()}. Mutators whose choices depend on earlier ones need a MutatorSpace: pass "
                "stationary=False.",
                label=choice.label,
                expected=choice.domain(),
            )
        return choice.parse(architecture[choice.label])

    return decide


def candidate_values(candidates: Sequence[Any], place: str) -> tuple[Value, ...]:
    """Return how candidates are called in architectures.

    Plain values stand for themselves; classes, functions and operations have their short names, or where these are not
    unique their full ones; nodes have their paths. Where that leaves a candidate without a name of its own, all of them
    are called by their numbers.

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
