"""`Choice`: one labelled decision with its domain and condition; `Listed`: a choice among listed candidates."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from retiarii.errors import ArchitectureError, DomainError
from retiarii.space._condition import ALWAYS, Condition, is_condition
from retiarii.space._plain_value import Value, brief, identity, loose_identity, plain_value
from retiarii.space._seeds import random_below


@dataclass(frozen=True, eq=False)
class Choice(ABC):
    """One labelled decision: a domain, and the condition under which the decision is active.

    Choices are equal if their labels, conditions and domains are equal; ``declared_at`` is not compared.

    Args:
        label: The unique name.
        condition: When the choice is active.
        declared_at: The module path or argument in which the choice was declared, for messages.

    Raises:
        DomainError: The label is not a string or is empty, the condition has a wrong form, or the domain is impossible.
    """

    label: str
    condition: Condition = field(default=ALWAYS, kw_only=True)
    declared_at: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.declared_at, str):
            raise DomainError(f"declared_at of choice {self.label!r} is {self.declared_at!r}, expected a string.")
        if not isinstance(self.label, str) or not self.label:
            raise DomainError(
                f"The label of a choice is {self.label!r}, expected a string that is not empty{self._place}."
            )
        try:
            plain_value(self.label)
        except ValueError as err:
            raise DomainError(f"The label of a choice {err}{self._place}.") from err
        if not is_condition(self.condition):
            raise DomainError(
                f"Choice {self.label!r} has the condition {self.condition!r}{self._place}. Expected one that was made "
                "with when(), both() and either(): a frozenset of frozensets of tests."
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Choice):
            return NotImplemented
        return self.label == other.label and self.condition == other.condition and self.same_domain(other)

    def __hash__(self) -> int:
        return hash((self.label, self._domain_key))

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # without cached properties

    def same_domain(self, other: Choice) -> bool:
        """Return whether both choices have the same class, the same values and the same prior."""
        return self._domain_key == other._domain_key

    @property
    @abstractmethod
    def cardinality(self) -> int | float:
        """How many values there are: an int, or ``math.inf``."""

    @abstractmethod
    def default(self) -> Value:
        """Return the first value."""

    @abstractmethod
    def parse(self, raw: Any) -> Value:
        """Return the canonical form of a value that is given in one of the accepted forms.

        Raises:
            ArchitectureError: ``raw`` is not a value of this choice.
        """

    @abstractmethod
    def candidates_equal_to(self, value: Value) -> list[Value]:
        """Return the candidates that are equal to a value in a condition, by Python's ``==``."""

    @abstractmethod
    def value_at(self, index: int) -> Value:
        """Return the value number ``index``, from 0 to ``cardinality - 1``. Finite choices only."""

    @abstractmethod
    def index_of(self, value: Value) -> int:
        """Return the number of a canonical value. Finite choices only."""

    @abstractmethod
    def from_unit(self, unit: float) -> Value:
        """Map a number from [0, 1) to a value, so that uniform numbers give values with their prior probabilities."""

    @abstractmethod
    def domain(self) -> str:
        """Return the domain as readable text: ``{3, 5, 7}``, ``1..8``, ..."""

    @abstractmethod
    def encode(self, value: Value) -> list[float]:
        """Return a canonical value as numbers from 0 to 1, always as many as `feature_names`."""

    @property
    @abstractmethod
    def feature_names(self) -> tuple[str, ...]:
        """The names of the numbers that `encode` returns."""

    @property
    @abstractmethod
    def _domain_key(self) -> Hashable:
        """Equal for choices of the same kind with the same domain."""

    @property
    def is_mutable(self) -> bool:
        """Whether there is more than one value."""
        return self.cardinality > 1

    def sample(self, rng: random.Random) -> Value:
        """Draw a value from the prior, with ``rng.random()`` only."""
        return self.from_unit(rng.random())

    def others(self, value: Value) -> Iterator[Value]:
        """Yield all values other than ``value``, in order. Finite choices only."""
        skipped = self.index_of(value)
        return (self.value_at(index) for index in range(int(self.cardinality)) if index != skipped)

    def sample_other(self, value: Value, rng: random.Random) -> Value:
        """Draw a value other than ``value``, uniformly; there must be one."""
        index = random_below(int(self.cardinality) - 1, rng)
        return self.value_at(index + (index >= self.index_of(value)))

    @property
    def _place(self) -> str:
        return f" (declared at {self.declared_at})" if self.declared_at else ""

    def _refused(self, raw: Any, expected: str, hint: str = "") -> ArchitectureError:
        """Return the error for a value that is not in the domain."""
        message = f"Choice {self.label!r} has value {brief(raw)}, expected {expected}{self._place}.{hint}"
        return ArchitectureError(message, label=self.label, got=raw, expected=expected)

    def _plain(self, raw: Any) -> Value:
        try:
            return plain_value(raw)
        except ValueError as err:
            message = f"The value of choice {self.label!r} {err}{self._place}."
            raise ArchitectureError(message, label=self.label, got=raw) from err


@dataclass(frozen=True, eq=False)
class Listed(Choice):
    """A choice among candidates that are listed one by one.

    Args:
        values: The candidates: plain values, no two the same.

    Raises:
        DomainError: Candidates are missing, doubled or not plain.
    """

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "values", _plain_candidates(self, self.values))

    def candidates_equal_to(self, value: Value) -> list[Value]:
        """Return the candidates that equal a value; more than one where they differ only in type."""
        return [candidate for candidate in self.values if candidate == value]

    def _position(self, plain: Value) -> int | None:
        """Return the position of a candidate, or else of a number with the same value, such as 1.0 for 1."""
        index = self._positions.get(identity(plain))
        return self._loose_positions.get(loose_identity(plain)) if index is None else index

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """One name per candidate."""
        return tuple(f"{self.label}={value}" for value in self.values)

    @cached_property
    def _positions(self) -> dict[Hashable, int]:
        return {identity(value): index for index, value in enumerate(self.values)}

    @cached_property
    def _loose_positions(self) -> dict[Hashable, int]:
        return {loose_identity(value): index for index, value in reversed(list(enumerate(self.values)))}


def _plain_candidates(choice: Choice, values: Any) -> tuple[Value, ...]:
    """Check the candidates of a choice and return them in canonical form.

    Raises:
        DomainError: They are not a list, are empty or not plain, or one occurs twice.
    """
    name = f"Choice {choice.label!r}"
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise DomainError(f"{name} has the candidates {values!r}, expected a list or tuple of values{choice._place}.")
    candidates = []
    for position, raw in enumerate(values):
        try:
            candidates.append(plain_value(raw))
        except ValueError as err:
            raise DomainError(f"Candidate {position} of choice {choice.label!r} {err}{choice._place}.") from err
    if not candidates:
        raise DomainError(f"{name} has no candidates{choice._place}. Give at least one.")
    seen: dict[Hashable, int] = {}
    for position, value in enumerate(candidates):
        first = seen.setdefault(identity(value), position)
        if first != position:
            raise DomainError(
                f"{name} has the candidate {value!r} twice, at positions {first} and {position}{choice._place}. "
                "Remove one: two candidates with one name cannot be told apart in an architecture."
            )
    return tuple(candidates)
