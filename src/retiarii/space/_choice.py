"""`Choice`, one labelled decision, and `Categorical`, the choice of one candidate."""

from __future__ import annotations

import itertools
import math
import random
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from retiarii.errors import ArchitectureError, DomainError
from retiarii.space._condition import ALWAYS, Condition
from retiarii.space._random import random_below
from retiarii.space._value import Value, identity, loose_identity, nearest, plain_value, shown


@dataclass(frozen=True, eq=False)
class Choice(ABC):
    """One labelled decision: a domain, and the condition under which the decision is to be made.

    Choices are equal when label, condition and domain are; where they were declared does not count.

    Args:
        label: The unique name.
        condition: When the choice is active.
        declared_at: Module path or argument, for messages.

    Raises:
        DomainError: The label is no string or empty, or the domain is impossible.
    """

    label: str
    condition: Condition = field(default=ALWAYS, kw_only=True)
    declared_at: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.label, str) or not self.label:
            raise DomainError(
                f"The label of a choice is {self.label!r}, expected a string that is not empty{self._place}."
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Choice):
            return NotImplemented
        return self.label == other.label and self.condition == other.condition and self.same_domain(other)

    def __hash__(self) -> int:
        return hash((self.label, self._domain_key))

    def same_domain(self, other: Choice) -> bool:
        """Return whether both choices are of one kind and offer the same values (with the same prior)."""
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
        """Return the canonical value for one of its accepted spellings.

        Raises:
            ArchitectureError: ``raw`` stands for no value of this choice.
        """

    @abstractmethod
    def value_at(self, index: int) -> Value:
        """Return the value number ``index``, from 0 to ``cardinality - 1``. Finite choices only."""

    @abstractmethod
    def index_of(self, value: Value) -> int:
        """Return the number of a canonical value. Finite choices only."""

    @abstractmethod
    def from_unit(self, unit: float) -> Value:
        """Map a number from [0, 1) to a value, so that uniform numbers give values as the prior says."""

    @abstractmethod
    def domain(self) -> str:
        """Return the domain for people: ``{3, 5, 7}``, ``1..8``, ..."""

    @abstractmethod
    def encode(self, value: Value) -> list[float]:
        """Return a canonical value as numbers from 0 to 1, always as many as `features` names."""

    @property
    @abstractmethod
    def features(self) -> tuple[str, ...]:
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
        """Draw a value as the prior says, with ``rng.random()`` only."""
        return self.from_unit(rng.random())

    def others(self, value: Value) -> Iterator[Value]:
        """Yield every value but one, in order. Finite choices only."""
        skipped = self.index_of(value)
        return (self.value_at(index) for index in range(int(self.cardinality)) if index != skipped)

    def sample_other(self, value: Value, rng: random.Random) -> Value:
        """Draw, uniformly, a value that differs from ``value``; there must be one."""
        index = random_below(int(self.cardinality) - 1, rng)
        return self.value_at(index + (index >= self.index_of(value)))

    @property
    def _place(self) -> str:
        return f" (declared at {self.declared_at})" if self.declared_at else ""

    def _refused(self, raw: Any, expected: str, hint: str = "") -> ArchitectureError:
        """Return the error for a value that this choice does not offer."""
        message = f"Choice {self.label!r} has value {raw!r}, expected {expected}{self._place}.{hint}"
        return ArchitectureError(message, label=self.label, got=raw, expected=expected)

    def _plain(self, raw: Any) -> Value:
        try:
            return plain_value(raw)
        except ValueError as err:
            message = f"The value of choice {self.label!r} {err}{self._place}."
            raise ArchitectureError(message, label=self.label, got=raw) from err


def plain_candidates(choice: Choice, values: Any) -> tuple[Value, ...]:
    """Check the candidates of a choice and return them in canonical form.

    Raises:
        DomainError: They are no list, empty, not plain, or one stands twice.
    """
    name = f"Choice {choice.label!r}"
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
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


@dataclass(frozen=True, eq=False)
class Categorical(Choice):
    """The choice of one candidate.

    Args:
        values: The candidates: plain values, no two the same.
        prior: The probability of each candidate in random sampling; uniform if None.
        by_index: Whether architectures may also name candidates by position, as lists of one, and as multi-hot lists
            of booleans. For candidates that are names of something (layers, inputs), not numbers to compute with.

    Raises:
        DomainError: Candidates are missing, doubled or not plain, or the prior does not fit them.
    """

    values: tuple[Value, ...]
    prior: tuple[float, ...] | None = None
    by_index: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "values", plain_candidates(self, self.values))
        if self.prior is not None:
            object.__setattr__(self, "prior", self._checked_prior(self.prior))

    def _checked_prior(self, prior: Any) -> tuple[float, ...]:
        name = f"The prior of choice {self.label!r}"
        numbers = tuple(prior)
        if len(numbers) != len(self.values):
            raise DomainError(
                f"{name} has {len(numbers)} probabilities for {len(self.values)} candidates{self._place}. Give one each."
            )
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= 1:
                raise DomainError(f"{name} contains {number!r}, expected numbers from 0 to 1{self._place}.")
        if not math.isclose(total := math.fsum(numbers), 1.0, abs_tol=1e-6):
            raise DomainError(f"{name} sums to {total:g}, expected 1{self._place}. Divide each number by {total:g}.")
        return tuple(map(float, numbers))

    @property
    def cardinality(self) -> int:
        """How many candidates there are."""
        return len(self.values)

    def default(self) -> Value:
        """Return the first candidate."""
        return self.values[0]

    def parse(self, raw: Any) -> Value:
        """Return the candidate that ``raw`` stands for.

        The first of these that fits decides: the candidate itself (lists match tuples); with ``by_index`` its
        position, a list of one of the two, or a multi-hot list of booleans; a number of the same value (``1`` for
        ``1.0``). So where the candidates are named ``"1"`` and ``"0"``, ``"0"`` is the second and ``0`` is the first.

        Raises:
            ArchitectureError: Nothing fits.
        """
        plain = self._plain(raw)
        index = self._position(plain)
        if index is None and self.by_index and type(plain) is tuple:
            index = self._position(plain[0]) if len(plain) == 1 else None
            if index is None and self._is_one_hot(plain):
                index = plain.index(True)
        if index is None:
            index = self._loose_index.get(loose_identity(plain))
        if index is None:
            raise self._refused(raw, f"one of {shown(self.values)}", nearest(plain, self.values))
        return self.values[index]

    def _position(self, plain: Value) -> int | None:
        exact = self._index.get(identity(plain))
        if exact is None and self.by_index and type(plain) is int and 0 <= plain < len(self.values):
            return plain
        return exact

    def _is_one_hot(self, flags: tuple[Value, ...]) -> bool:
        return len(flags) == len(self.values) and all(type(flag) is bool for flag in flags) and sum(flags) == 1

    def value_at(self, index: int) -> Value:
        """Return the candidate number ``index``."""
        return self.values[index]

    def index_of(self, value: Value) -> int:
        """Return the position of a candidate."""
        return self._index[identity(value)]

    def from_unit(self, unit: float) -> Value:
        """Return the candidate whose share of [0, 1) contains ``unit``."""
        if self.prior is None:
            return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]
        return self.values[bisect_right(self._cumulative, unit)]

    def domain(self) -> str:
        """Return the candidates in braces."""
        return "{" + shown(self.values)[1:].replace("]", "}", 1) if len(self.values) > 12 else self._all_shown()

    def _all_shown(self) -> str:
        return "{" + ", ".join(map(repr, self.values)) + "}"

    def encode(self, value: Value) -> list[float]:
        """Return the candidate as a one-hot vector."""
        code = [0.0] * len(self.values)
        code[self.index_of(value)] = 1.0
        return code

    @cached_property
    def features(self) -> tuple[str, ...]:
        """One name per candidate."""
        return tuple(f"{self.label}={value}" for value in self.values)

    @cached_property
    def _domain_key(self) -> Hashable:
        return type(self), tuple(map(identity, self.values)), self.prior, self.by_index

    @cached_property
    def _index(self) -> dict[Hashable, int]:
        return {identity(value): index for index, value in enumerate(self.values)}

    @cached_property
    def _loose_index(self) -> dict[Hashable, int]:
        return {loose_identity(value): index for index, value in reversed(list(enumerate(self.values)))}

    @cached_property
    def _cumulative(self) -> tuple[float, ...]:
        """Upper ends of the shares; exactly 1 from the last candidate with a positive share on."""
        assert self.prior is not None
        last = max(index for index, share in enumerate(self.prior) if share > 0)
        sums = list(itertools.accumulate(self.prior))
        return (*sums[:last], *[1.0] * (len(sums) - last))
