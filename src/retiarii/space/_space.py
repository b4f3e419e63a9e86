"""`SearchSpace`: an ordered set of labelled choices with conditions."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from retiarii._html_table import html_table
from retiarii.errors import ArchitectureError, ConfigError, ConstraintError, SpaceError
from retiarii.space._architecture import Architecture
from retiarii.space._architecture_set import ArchitectureSet, ChoiceArchitectures
from retiarii.space._choice import Choice
from retiarii.space._choice_order import reduced_conditions
from retiarii.space._describe import rows_of, table
from retiarii.space._plain_value import nearest
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
        self._set(ChoiceArchitectures(choices), constraints)

    @classmethod
    def of(cls, architectures: ArchitectureSet, constraints: Sequence[Constraint] = ()) -> SearchSpace:
        """Return the space of a set of architectures that conditions cannot describe.

        Args:
            architectures: The architectures.
            constraints: See the class.
        """
        space = cls.__new__(cls)
        space._set(architectures, constraints)
        return space

    def _set(self, architectures: ArchitectureSet, constraints: Sequence[Constraint]) -> None:
        self._architectures = architectures
        self._by_label = {choice.label: choice for choice in architectures.choices}
        self._constraints = tuple(constraints)

    # The choices and their number.

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The choices, parents before the choices whose conditions name them.

        If `has_fixed_labels` is False, architectures may have other labels too.
        """
        return self._architectures.choices

    @property
    def has_fixed_labels(self) -> bool:
        """Whether `choices` has the labels of all architectures; False if mutators add choices while sampling."""
        return self._architectures.has_fixed_labels

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The functions that architectures must satisfy."""
        return self._constraints

    def __len__(self) -> int:
        return len(self._by_label)

    def __iter__(self) -> Iterator[Choice]:
        return iter(self._architectures.choices)

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
        is_same_kind = type(self._architectures) is type(other._architectures)
        return is_same_kind and self._by_label == other._by_label and self._constraints == other._constraints

    def __hash__(self) -> int:
        return hash((frozenset(self._by_label), self._constraints))

    def __repr__(self) -> str:
        return f"SearchSpace({self._with_constraints(repr(self._architectures))})"

    def _repr_html_(self) -> str:
        """Return the choices and the size as a table for notebooks."""
        rows = [row[:3] for row in self.rows()]
        caption = f"Search space: {self._with_constraints(self._architectures.summary())}"
        return html_table(caption, ("label", "domain", "active when"), rows, "choice")

    def _with_constraints(self, text: str) -> str:
        count = len(self._constraints)
        return f"{text}, {count} constraint{'s' if count > 1 else ''} not counted" if count else text

    @property
    def size(self) -> int | float:
        """The exact number of distinct architectures, without regard to constraints.

        ``math.inf`` if a choice is continuous, or if conditions tie so many choices to each other that counting would
        take too long; see `is_counted`.
        """
        return self._architectures.size

    @property
    def is_counted(self) -> bool:
        """Whether the architectures could be counted, so that `size` is exact."""
        return self._architectures.is_counted

    @property
    def estimated_size(self) -> int | float:
        """The `size` if it is known, otherwise an order of magnitude estimated from a sample."""
        return self._architectures.estimated_size

    # Single architectures.

    def default(self) -> Architecture:
        """Return the architecture of first candidates, without checking constraints."""
        return self._architectures.default()

    def at(self, index: int) -> Architecture:
        """Return the architecture number ``index``; `grid` yields them in this order.

        Args:
            index: From 0 to ``size - 1``. The last label changes fastest.

        Raises:
            SpaceError: The space is continuous or too entangled to count, or ``index`` is out of range.
        """
        return self._architectures.at(index)

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
        return self._architectures.architecture(raw)

    def decide(self, value_of: Callable[[Choice], Any]) -> Architecture:
        """Return the architecture whose values a function gives, without checking constraints.

        Args:
            value_of: Called once for each active choice, parents first. Spaces whose labels are not fixed have no
                architectures of this form.

        Raises:
            ArchitectureError: A value is not in the domain of its choice.
        """
        return self._architectures.architecture(_Decided(self._by_label, value_of))

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
            SpaceError: ``rng`` is not a random generator.
            ConstraintError: None of `MAX_TRIES` architectures met the constraints.
        """
        if not hasattr(rng, "random"):
            raise SpaceError(f"sample() got {rng!r}, expected a random generator: sample(random.Random(0)).")
        if not self._constraints:
            return self._architectures.sample(rng)
        return self._allowed(lambda: self._architectures.sample(rng))

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
        if probability is not None and not 0 <= probability <= 1:
            raise SpaceError(f"The mutation probability is {probability!r}, expected a number from 0 to 1.")
        return self._allowed(lambda: self._architectures.mutate(architecture, rng, probability))

    def crossover(self, first: Architecture, second: Architecture, rng: random.Random) -> Architecture:
        """Cross two valid architectures: each label comes from one of them, at random if both have it.

        Raises:
            ConstraintError: None of `MAX_TRIES` children met the constraints.
        """
        return self._allowed(lambda: self._architectures.crossover(first, second, rng))

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yield, lazily, all architectures that differ in one active label; newly active choices take their defaults.

        Raises:
            SpaceError: An active choice is continuous.
        """
        return filter(self.satisfies, self._architectures.neighbours(architecture))

    def grid(self) -> Iterator[Architecture]:
        """Yield, lazily, all architectures that meet the constraints, in the order of `at`.

        Raises:
            SpaceError: The space is continuous, or too entangled to count.
        """
        return filter(self.satisfies, self._architectures.every())

    def _allowed(self, propose: Callable[[], Architecture]) -> Architecture:
        for _ in range(MAX_TRIES):
            architecture = propose()
            if self.satisfies(architecture):
                return architecture
        names = ", ".join(getattr(constraint, "__name__", repr(constraint)) for constraint in self._constraints)
        raise ConstraintError(
            f"None of {MAX_TRIES:,} architectures met the constraints ({names}). Loosen them, or take away the "
            "candidates that they rule out."
        )

    # Numbers for predictors.

    def encode(self, architecture: Architecture) -> list[float]:
        """Return a valid architecture as a list of numbers from 0 to 1, one for each of `feature_names`.

        For each choice in order: 1.0 if it is active, else 0.0; then its value as one-hot (categorical), multi-hot
        (subset) or position in its range (integer, float), all 0.0 where it is inactive.

        Raises:
            SpaceError: The labels are not fixed; see `encode_all`.
        """
        return self._architectures.encode(architecture)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the numbers that `encode` returns.

        Raises:
            SpaceError: The labels are not fixed; see `encode_all`.
        """
        return self._architectures.feature_names

    def encode_all(self, architectures: Sequence[Architecture]) -> list[list[float]]:
        """Return several architectures as rows of equal length, for predictors.

        If the labels are fixed, each row is what `encode` returns. Otherwise the rows depend on the labels and values
        that occur in ``architectures``: encode the architectures that a predictor learns from together with those that
        it predicts.
        """
        return self._architectures.encode_all(architectures)

    # Other spaces.

    def constrained(self, *constraints: Constraint) -> SearchSpace:
        """Return this space with further constraints."""
        return SearchSpace.of(self._architectures, (*self._constraints, *constraints))

    def merge(self, other: SearchSpace) -> SearchSpace:
        """Return the space with the choices and constraints of both; shared labels are shared decisions.

        Raises:
            LabelConflictError: A shared label has two domains.
            SpaceError: Both spaces have mutators.
        """
        merged = self._architectures.merge(other._architectures)
        return SearchSpace.of(merged, (*self._constraints, *other._constraints))

    # Text and JSON.

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return label, domain, condition and place of declaration of each choice, as text for a table."""
        return rows_of(self.choices, reduced_conditions(self.choices))

    def describe(self) -> str:
        """Return a table of the choices, and the size, marked if it is an estimate (see `is_counted`)."""
        return f"{table(self.rows())}\n\n{self._with_constraints(self._architectures.summary())}"

    def to_json(self) -> dict[str, Any]:
        """Return the choices as plain JSON data. Constraints are code and are left out."""
        return {"choices": [choice_to_json(choice) for choice in self.choices]}

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


class _Decided(Mapping[str, Any]):
    """A mapping that computes each value when it is read: active labels only, parents first."""

    def __init__(self, choices: Mapping[str, Choice], value_of: Callable[[Choice], Any]) -> None:
        self._choices = choices
        self._value_of = value_of

    def __getitem__(self, label: str) -> Any:
        return self._value_of(self._choices[label])

    def __contains__(self, label: object) -> bool:
        return label in self._choices

    def __iter__(self) -> Iterator[str]:
        return iter(self._choices)

    def __len__(self) -> int:
        return len(self._choices)
