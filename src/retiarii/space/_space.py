"""`SearchSpace`: an ordered set of labelled choices with conditions."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from retiarii.errors import ArchitectureError, ConfigError, ConstraintError, SpaceError
from retiarii.space._architecture import Architecture
from retiarii.space._architecture_sampling import ArchitectureSampler
from retiarii.space._choice import Choice
from retiarii.space._choice_order import ordered, reduced_conditions
from retiarii.space._condition import Condition
from retiarii.space._counting import Counter, estimated_size
from retiarii.space._describe import rows_of, size_text, table
from retiarii.space._plain_value import Value, nearest
from retiarii.space._space_json import choice_from_json, choice_to_json

Constraint = Callable[[Architecture], bool]

MAX_TRIES = 10_000


class SearchSpace:
    """A set of architectures, defined by choices and constraints.

    A space is immutable and may be read from several threads. It can be pickled if its constraints can. All random
    methods call only ``rng.random()``, so the same generator gives the same result with every Python version.

    Args:
        choices: Labelled choices in any order. Choices with the same label are one decision: their domains must be the
            same, and it is active if either condition holds.
        constraints: Functions from an architecture to whether it is allowed. They apply wherever architectures are
            generated; `size`, `at`, `default` and `architecture` ignore them.

    Raises:
        LabelConflictError: One label stands for two domains.
        SpaceError: A condition names an unknown label or value, or conditions form a circle.
    """

    def __init__(self, choices: Iterable[Choice], constraints: Sequence[Constraint] = ()) -> None:
        self._choices = ordered(choices)
        self._by_label = {choice.label: choice for choice in self._choices}
        self._constraints = tuple(constraints)

    # The choices and their number.

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The choices, parents before the choices whose conditions name them."""
        return self._choices

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The functions that architectures must satisfy."""
        return self._constraints

    def __len__(self) -> int:
        return len(self._choices)

    def __iter__(self) -> Iterator[Choice]:
        return iter(self._choices)

    def __contains__(self, label: object) -> bool:
        return label in self._by_label

    def __getitem__(self, label: str) -> Choice:
        try:
            return self._by_label[label]
        except KeyError:
            raise SpaceError(f"There is no choice {label!r} in this space.{nearest(label, self._by_label)}") from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SearchSpace):
            return NotImplemented
        return self._by_label == other._by_label and self._constraints == other._constraints

    def __hash__(self) -> int:
        return hash((frozenset(self._by_label), self._constraints))

    def __repr__(self) -> str:
        return f"SearchSpace({self._summary()})"

    def _summary(self) -> str:
        labels = f"{len(self)} label" + ("s" if len(self) != 1 else "")
        size = size_text(self.estimated_size, is_estimate=not self.is_counted)
        if not self._constraints:
            return f"{labels}, {size}"
        count = len(self._constraints)
        return f"{labels}, {size}, {count} constraint{'s' if count > 1 else ''} not counted"

    def __getstate__(self) -> dict[str, Any]:
        return {"_choices": self._choices, "_by_label": self._by_label, "_constraints": self._constraints}

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
    def size(self) -> int | float:
        """The exact number of distinct architectures, without regard to constraints.

        ``math.inf`` if a choice is continuous, or if conditions tie so many choices to each other that counting would
        take too long; see `is_counted`.
        """
        size = self._counter.size
        return math.inf if size is None else size

    @property
    def is_counted(self) -> bool:
        """Whether the architectures could be counted, so that `size` is exact."""
        return self._counter.size is not None

    @cached_property
    def estimated_size(self) -> int | float:
        """The `size` if it is known, otherwise an order of magnitude estimated from a sample."""
        size = self._counter.size
        return estimated_size(self._choices, self._sampler.complete) if size is None else size

    # Single architectures.

    def default(self) -> Architecture:
        """Return the architecture of first candidates, without checking constraints."""
        return Architecture._of(self._sampler.complete(lambda choice: choice.default()))

    def at(self, index: int) -> Architecture:
        """Return the architecture number ``index``; `grid` yields them in this order.

        Args:
            index: From 0 to ``size - 1``. The last label changes fastest.

        Raises:
            SpaceError: The space is continuous or too entangled to count, or ``index`` is out of range.
        """
        size = self.size
        if size == math.inf:
            raise self._unnumbered()
        if not 0 <= index < size:
            raise SpaceError(f"There is no architecture number {index}: this space has {size_text(size)}, from 0 on.")
        return Architecture._of(self._counter.values_at(index))

    def architecture(self, raw: Mapping[str, Any]) -> Architecture:
        """Check that an architecture fits this space, and return its canonical form.

        Values may have any form that `Choice.parse` of their choice accepts. Labels that are known but inactive
        are dropped. Constraints are not checked, see `satisfies`.

        Args:
            raw: Label to value.

        Raises:
            ArchitectureError: A label is unknown or missing, or a value is not in the domain of its choice.
        """
        if not isinstance(raw, Mapping):
            raise ArchitectureError(
                f"An architecture is a mapping from labels to values, got {raw!r} of type {type(raw).__name__}.",
                got=raw,
            )
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

    def satisfies(self, architecture: Architecture) -> bool:
        """Return whether an architecture meets all constraints.

        Raises:
            ConfigError: A constraint reads a label that the architecture does not have, or returns None.
        """
        return all(_is_wanted(constraint, architecture) for constraint in self._constraints)

    # Generated architectures, which meet the constraints.

    def sample(self, rng: random.Random) -> Architecture:
        """Draw a random architecture, each active choice from its prior.

        Raises:
            ConstraintError: None of `MAX_TRIES` architectures met the constraints.
        """
        if not self._constraints:
            return Architecture._of(self._sampler.sample(rng))
        return self._wanted(lambda: self._sampler.sample(rng))

    def mutate(
        self, architecture: Architecture, rng: random.Random, *, probability: float | None = None
    ) -> Architecture:
        """Return a changed copy. Choices that become active are sampled; those that become inactive are dropped.

        Args:
            architecture: A valid architecture of this space.
            rng: The random generator.
            probability: None changes exactly one active label, each equally likely, to a different value, each
                equally likely. A number changes each active label with that probability, perhaps none.

        Raises:
            SpaceError: The space holds a single architecture, or the probability is not from 0 to 1.
            ConstraintError: None of `MAX_TRIES` mutants met the constraints.

        Reference:
            Regularized Evolution (Real et al., 2019), arXiv:1802.01548, section 2: a mutation changes one decision.
            Deviation: there is no identity mutation, and all decisions are equally likely.
        """
        if probability is None:
            return self._wanted(lambda: self._sampler.mutate_one(architecture._values, rng))
        if not 0 <= probability <= 1:
            raise SpaceError(f"The mutation probability is {probability!r}, expected a number from 0 to 1.")
        return self._wanted(lambda: self._sampler.mutate_each(architecture._values, rng, probability))

    def crossover(self, first: Architecture, second: Architecture, rng: random.Random) -> Architecture:
        """Cross two valid architectures: each label comes from one of them, at random if both have it.

        Raises:
            ConstraintError: None of `MAX_TRIES` children met the constraints.
        """
        return self._wanted(lambda: self._sampler.crossover(first._values, second._values, rng))

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yield, lazily, all architectures that differ in one active label; newly active choices take their defaults.

        Raises:
            SpaceError: An active choice is continuous.
        """
        for values in self._sampler.neighbours(architecture._values):
            neighbour = Architecture._of(values)
            if self.satisfies(neighbour):
                yield neighbour

    def grid(self) -> Iterator[Architecture]:
        """Yield, lazily, all architectures that meet the constraints, in the order of `at`.

        Raises:
            SpaceError: The space is continuous, or too entangled to count.
        """
        if self.size == math.inf:
            raise self._unnumbered()
        every = (Architecture._of(self._counter.values_at(index)) for index in range(int(self.size)))
        return (architecture for architecture in every if self.satisfies(architecture))

    def _wanted(self, propose: Callable[[], dict[str, Value]]) -> Architecture:
        for _ in range(MAX_TRIES):
            architecture = Architecture._of(propose())
            if self.satisfies(architecture):
                return architecture
        names = ", ".join(getattr(constraint, "__name__", repr(constraint)) for constraint in self._constraints)
        raise ConstraintError(
            f"None of {MAX_TRIES:,} architectures met the constraints ({names}). Loosen them, or take away the "
            "candidates that they rule out."
        )

    def _unnumbered(self) -> SpaceError:
        if not self.is_counted:
            found = size_text(self.estimated_size, is_estimate=True)
            return SpaceError(
                f"The conditions of this space of {len(self)} labels are too entangled to count its architectures "
                f"({found}), so they cannot be numbered. Use a strategy that samples, or make choices depend on fewer "
                "others."
            )
        labels = [choice.label for choice in self._choices if choice.cardinality == math.inf]
        return SpaceError(
            f"This space is continuous ({', '.join(map(repr, labels))}), so its architectures cannot be numbered. "
            "Use a strategy that samples, or give these choices lists of candidates."
        )

    # Numbers for predictors.

    def encode(self, architecture: Architecture) -> list[float]:
        """Return a valid architecture as a list of numbers from 0 to 1, one for each of `feature_names`.

        For each choice in order: 1.0 if it is active, else 0.0; then its value as one-hot (categorical), multi-hot
        (subset) or position in its range (integer, float), all 0.0 where it is inactive.
        """
        code: list[float] = []
        for choice in self._choices:
            if choice.label in architecture:
                code.append(1.0)
                code.extend(choice.encode(architecture[choice.label]))
            else:
                code.extend([0.0] * (1 + len(choice.feature_names)))
        return code

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the numbers that `encode` returns."""
        return tuple(name for choice in self._choices for name in (f"{choice.label} is active", *choice.feature_names))

    # Other spaces.

    def constrained(self, *constraints: Constraint) -> SearchSpace:
        """Return this space with further constraints."""
        return SearchSpace(self._choices, (*self._constraints, *constraints))

    def merge(self, other: SearchSpace) -> SearchSpace:
        """Return the space with the choices and constraints of both; shared labels are shared decisions.

        Raises:
            LabelConflictError: A shared label has two domains.
        """
        return SearchSpace((*self._choices, *other._choices), (*self._constraints, *other._constraints))

    # Text and JSON.

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return label, domain, condition and place of declaration of each choice, as text for a table."""
        return rows_of(self._choices, self._conditions)

    def describe(self) -> str:
        """Return a table of the choices, and the size, marked if it is an estimate (see `is_counted`)."""
        return f"{table(self.rows())}\n\n{self._summary()}"

    def to_json(self) -> dict[str, Any]:
        """Return the choices as plain JSON data. Constraints are code and are left out."""
        return {"choices": [choice_to_json(choice) for choice in self._choices]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SearchSpace:
        """Read the data that `to_json` returned. No code is run.

        Raises:
            SpaceError: The data have another form, or describe an impossible space.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("choices"), list):
            raise SpaceError(f"A search space in JSON is an object with the list 'choices', got {data!r}.")
        return cls(choice_from_json(choice) for choice in data["choices"])


def _is_wanted(constraint: Constraint, architecture: Architecture) -> bool:
    name = getattr(constraint, "__name__", repr(constraint))
    try:
        wanted = constraint(architecture)
    except KeyError as err:
        raise ConfigError(
            f"The constraint (model_filter) {name} raised KeyError: {err} for {architecture!r}. Labels of choices that "
            "depend on another one are in an architecture only where they are active: use architecture.get(label)."
        ) from err
    if wanted is None:
        raise ConfigError(
            f"The constraint (model_filter) {name} returned None for {architecture!r}, expected True or False. Does a "
            "return statement miss?"
        )
    return bool(wanted)
