"""`Listed`: what choices among listed candidates have in common."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from retiarii.errors import DomainError
from retiarii.space._choice import Choice
from retiarii.space._value import Value, identity, loose_identity, plain_value


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
        """Return where a candidate stands, or else a number of the same value, such as 1.0 for 1."""
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
        DomainError: They are no list, empty, not plain, or one stands twice.
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
