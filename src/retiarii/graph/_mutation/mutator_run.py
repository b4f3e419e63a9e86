"""`run_mutators`: one run of several mutators, whose choices are labelled choices of a search space."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from retiarii.errors import ArchitectureError, InvalidMutation, LabelConflictError
from retiarii.graph._mutation.mutator import Mutator, Sampler, candidate_values
from retiarii.graph._representation.model import Model
from retiarii.space import Categorical, Value

Decide: TypeAlias = Callable[[Categorical], Value]
"""Returns the value of a choice."""


@dataclass
class Run:
    """One run of all mutators.

    Attributes:
        choices: The choices that the mutators made, in order.
        values: Label to the chosen value.
        model: The mutated model; None if a mutation was invalid.
        error: The error of the invalid mutation.
    """

    choices: list[Categorical] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    model: Model | None = None
    error: InvalidMutation | None = None


def run_mutators(mutators: Sequence[Mutator], model: Model, decide: Decide) -> Run:
    """Apply mutators to a model, one after the other.

    Args:
        mutators: The mutators.
        model: The model, which is not changed.
        decide: Returns the value of each choice that the mutators make.
    """
    sampler = DecidingSampler(decide)
    try:
        for mutator in mutators:
            bound = mutator.sampler
            try:
                model = mutator.bind_sampler(sampler).apply(model)
            finally:
                mutator.sampler = bound
    except InvalidMutation as err:
        return Run(sampler.choices, sampler.values, error=err)
    return Run(sampler.choices, sampler.values, model=model)


class DecidingSampler(Sampler):
    """Turns the choices of mutators into labelled choices of a search space, which a function decides.

    The label is the mutator's label, a slash, and the label that ``self.choice`` got or else the number of the choice.
    Choices with the same label are one decision.

    Args:
        decide: Returns the value of a choice.

    Attributes:
        choices: The choices that were made, in order.
        values: Their values, by label.
    """

    def __init__(self, decide: Callable[[Categorical], Value]) -> None:
        self._decide = decide
        self.choices: list[Categorical] = []
        self.values: dict[str, Value] = {}

    def choice(self, candidates: Sequence[Any], mutator: Mutator, model: Model, index: int) -> Any:
        """Return the candidate that the function decides on.

        Raises:
            DomainError: There are no candidates, or the same one twice.
            LabelConflictError: An earlier choice has the same label and other candidates.
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


def from_architecture(architecture: Mapping[str, Any], way_out: str) -> Decide:
    """Return a function that decides choices by an architecture.

    Args:
        architecture: Label to value.
        way_out: What to do about a missing value, for the message.
    """

    def decide(choice: Categorical) -> Value:
        if choice.label not in architecture:
            raise ArchitectureError(
                f"The architecture has no value for {choice.label!r} ({choice.declared_at}), expected one of "
                f"{choice.domain()}. {way_out}",
                label=choice.label,
                expected=choice.domain(),
            )
        return choice.parse(architecture[choice.label])

    return decide
