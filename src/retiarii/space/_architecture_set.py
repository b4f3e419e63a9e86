"""`ArchitectureSet`: counts, checks and generates the architectures of a `SearchSpace`, without its constraints."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from retiarii.errors import ArchitectureError, SpaceError
from retiarii.space._architecture import Architecture
from retiarii.space._architecture_sampling import ArchitectureSampler
from retiarii.space._choice import Choice
from retiarii.space._choice_order import ordered, reduced_conditions
from retiarii.space._condition import Condition
from retiarii.space._counting import Counter, estimated_size
from retiarii.space._describe import size_text
from retiarii.space._plain_value import Value, nearest


class ArchitectureSet(ABC):
    """The architectures of a `SearchSpace`, without its constraints.

    `SearchSpace(choices)` has all architectures of its choices. `SearchSpace.of` makes a space of any other set, such
    as that of a model and its mutators, where choices depend on earlier ones in more ways than by conditions.
    """

    has_fixed_labels: bool
    """Whether `choices` has the labels of all architectures."""

    @property
    @abstractmethod
    def choices(self) -> tuple[Choice, ...]:
        """The choices that are known before sampling."""

    @property
    @abstractmethod
    def size(self) -> int | float:
        """See `SearchSpace.size`."""

    @property
    @abstractmethod
    def is_counted(self) -> bool:
        """See `SearchSpace.is_counted`."""

    @property
    @abstractmethod
    def estimated_size(self) -> int | float:
        """See `SearchSpace.estimated_size`."""

    @abstractmethod
    def summary(self) -> str:
        """Return the number of labels and the size, as text."""

    @abstractmethod
    def default(self) -> Architecture:
        """See `SearchSpace.default`."""

    @abstractmethod
    def architecture(self, raw: Mapping[str, Any]) -> Architecture:
        """See `SearchSpace.architecture`."""

    @abstractmethod
    def at(self, index: int) -> Architecture:
        """See `SearchSpace.at`."""

    @abstractmethod
    def every(self) -> Iterator[Architecture]:
        """Return all architectures, lazily, in the order of `at`."""

    @abstractmethod
    def sample(self, rng: random.Random) -> Architecture:
        """See `SearchSpace.sample`."""

    @abstractmethod
    def mutate(self, architecture: Architecture, rng: random.Random, probability: float | None) -> Architecture:
        """See `SearchSpace.mutate`."""

    @abstractmethod
    def crossover(self, first: Architecture, second: Architecture, rng: random.Random) -> Architecture:
        """See `SearchSpace.crossover`."""

    @abstractmethod
    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """See `SearchSpace.neighbours`."""

    @property
    @abstractmethod
    def feature_names(self) -> tuple[str, ...]:
        """See `SearchSpace.feature_names`."""

    @abstractmethod
    def encode(self, architecture: Architecture) -> list[float]:
        """See `SearchSpace.encode`."""

    @abstractmethod
    def encode_all(self, architectures: Sequence[Architecture]) -> list[list[float]]:
        """See `SearchSpace.encode_all`."""

    @abstractmethod
    def merge(self, other: ArchitectureSet) -> ArchitectureSet:
        """See `SearchSpace.merge`."""


class ChoiceArchitectures(ArchitectureSet):
    """All architectures of labelled choices with conditions.

    Args:
        choices: See `SearchSpace`.
    """

    has_fixed_labels = True

    def __init__(self, choices: Iterable[Choice]) -> None:
        self._choices = ordered(choices)
        self._by_label = {choice.label: choice for choice in self._choices}

    def __repr__(self) -> str:
        return self.summary()

    def __getstate__(self) -> dict[str, Any]:
        return {"_choices": self._choices, "_by_label": self._by_label}

    @cached_property
    def _conditions(self) -> dict[str, Condition]:
        return reduced_conditions(self._choices)

    @cached_property
    def _sampler(self) -> ArchitectureSampler:
        return ArchitectureSampler(self._choices, self._conditions)

    @cached_property
    def _counter(self) -> Counter:
        return Counter(self._choices, self._conditions)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All choices, parents before the choices whose conditions name them."""
        return self._choices

    @property
    def size(self) -> int | float:
        """The number of architectures; ``math.inf`` if it is infinite or cannot be counted."""
        size = self._counter.size
        return math.inf if size is None else size

    @property
    def is_counted(self) -> bool:
        """Whether the architectures could be counted."""
        return self._counter.size is not None

    @cached_property
    def estimated_size(self) -> int | float:
        """The `size` if it is known, otherwise an order of magnitude estimated from a sample."""
        size = self._counter.size
        return estimated_size(self._choices, self._sampler.complete) if size is None else size

    def summary(self) -> str:
        """Return the number of labels and the size, as text."""
        count = len(self._choices)
        size = size_text(self.estimated_size, is_estimate=not self.is_counted)
        return f"{count} label{'s' if count != 1 else ''}, {size}"

    def default(self) -> Architecture:
        """Return the architecture of first candidates."""
        return Architecture._of(self._sampler.complete(lambda choice: choice.default()))

    def architecture(self, raw: Mapping[str, Any]) -> Architecture:
        """Check that an architecture has known labels and valid values, and return its canonical form."""
        for label in raw:
            if label not in self._by_label:
                raise ArchitectureError(
                    f"The architecture has a value for {label!r}, but this space has no such label."
                    f"{nearest(label, self._by_label)}",
                    label=str(label),
                    got=raw[label],
                )

        def value_of(choice: Choice) -> Value:
            if choice.label in raw:
                return choice.parse(raw[choice.label])
            raise ArchitectureError(
                f"The architecture has no value for {choice.label!r}{choice._place}. Add one; its domain is "
                f"{choice.domain()}.",
                label=choice.label,
                expected=choice.domain(),
            )

        return Architecture._of(self._sampler.complete(value_of))

    def at(self, index: int) -> Architecture:
        """Return the architecture number ``index``; the last label changes fastest."""
        size = self.size
        if size == math.inf:
            raise self._unnumbered()
        if not 0 <= index < size:
            raise SpaceError(f"There is no architecture number {index}: this space has {size_text(size)}, from 0 on.")
        return Architecture._of(self._counter.values_at(index))

    def every(self) -> Iterator[Architecture]:
        """Return all architectures, lazily, in the order of `at`."""
        size = self.size
        if size == math.inf:
            raise self._unnumbered()
        return (Architecture._of(self._counter.values_at(index)) for index in range(int(size)))

    def sample(self, rng: random.Random) -> Architecture:
        """Draw each active choice from its prior."""
        return Architecture._of(self._sampler.sample(rng))

    def mutate(self, architecture: Architecture, rng: random.Random, probability: float | None) -> Architecture:
        """Change one active choice, or each with a probability."""
        if probability is None:
            return Architecture._of(self._sampler.mutate_one(architecture._values, rng))
        return Architecture._of(self._sampler.mutate_each(architecture._values, rng, probability))

    def crossover(self, first: Architecture, second: Architecture, rng: random.Random) -> Architecture:
        """Take each active choice from one of two architectures."""
        return Architecture._of(self._sampler.crossover(first._values, second._values, rng))

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yield all architectures that differ in one active choice."""
        return map(Architecture._of, self._sampler.neighbours(architecture._values))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """For each choice: whether it is active, and the names of its own features."""
        return tuple(name for choice in self._choices for name in (f"{choice.label} is active", *choice.feature_names))

    def encode(self, architecture: Architecture) -> list[float]:
        """Return an architecture as one number for each of `feature_names`."""
        code: list[float] = []
        for choice in self._choices:
            if choice.label in architecture:
                code.append(1.0)
                code.extend(choice.encode(architecture[choice.label]))
            else:
                code.extend([0.0] * (1 + len(choice.feature_names)))
        return code

    def encode_all(self, architectures: Sequence[Architecture]) -> list[list[float]]:
        """Encode each architecture."""
        return [self.encode(architecture) for architecture in architectures]

    def merge(self, other: ArchitectureSet) -> ArchitectureSet:
        """Return the architectures of the choices of both."""
        if isinstance(other, ChoiceArchitectures):
            return ChoiceArchitectures((*self._choices, *other._choices))
        return other.merge(self)

    def _unnumbered(self) -> SpaceError:
        if not self.is_counted:
            found = size_text(self.estimated_size, is_estimate=True)
            return SpaceError(
                f"The conditions of this space of {len(self._choices)} labels are too entangled to count its "
                f"architectures ({found}), so they cannot be numbered. Use a strategy that samples, or make choices "
                "depend on fewer others."
            )
        labels = [choice.label for choice in self._choices if choice.cardinality == math.inf]
        return SpaceError(
            f"This space is continuous ({', '.join(map(repr, labels))}), so its architectures cannot be numbered. "
            "Use a strategy that samples, or give these choices lists of candidates."
        )
