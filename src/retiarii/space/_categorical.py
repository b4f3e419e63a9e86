"""`Categorical`: the choice of one candidate."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from retiarii.errors import DomainError
from retiarii.space._choice import Listed
from retiarii.space._plain_value import Value, identity, nearest, shown

_SCALARS = frozenset({bool, float, int, str, type(None)})


@dataclass(frozen=True, eq=False)
class Categorical(Listed):
    """The choice of one candidate.

    Args:
        values: The candidates: plain values, no two the same.
        prior: The probability of each candidate in random sampling; uniform if None.
        by_index: Whether architectures may also give candidates as positions, as lists of one, and as multi-hot lists
            of booleans. Use it for candidates that are names (of layers or inputs), not for numbers.

    Raises:
        DomainError: Candidates are missing, doubled or not plain, or the prior does not fit them.
    """

    prior: tuple[float, ...] | None = None
    by_index: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prior is not None:
            object.__setattr__(self, "prior", self._checked_prior(self.prior))

    def _checked_prior(self, prior: Any) -> tuple[float, ...]:
        name = f"The prior of choice {self.label!r}"
        numbers = tuple(prior) if isinstance(prior, Iterable) else (prior,)
        if len(numbers) != len(self.values):
            raise DomainError(
                f"{name} has {len(numbers)} probabilities for {len(self.values)} candidates{self._place}. "
                "Give one for each."
            )
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= 1:
                raise DomainError(f"{name} contains {number!r}, expected numbers from 0 to 1{self._place}.")
        if not math.isclose(total := math.fsum(numbers), 1.0, abs_tol=1e-6):
            raise DomainError(f"{name} sums to {total:g}, expected 1{self._place}. Divide each number by the sum.")
        return tuple(map(float, numbers))

    @property
    def cardinality(self) -> int:
        """How many candidates there are."""
        return len(self.values)

    def default(self) -> Value:
        """Return the first candidate."""
        return self.values[0]

    def parse(self, raw: Any) -> Value:
        """Return the candidate that ``raw`` names.

        The first form that matches is used: the candidate itself (lists match tuples); a number of the same value
        (``1`` for ``1.0``); and with ``by_index`` its position, a list of one of these, or a multi-hot list of
        booleans. With the candidates ``"1"`` and ``"0"``, therefore, ``"0"`` is the second and ``0`` is the first.

        Raises:
            ArchitectureError: No form matches.
        """
        if type(raw) in _SCALARS and (index := self._positions.get((type(raw), raw))) is not None:
            return self.values[index]  # already canonical
        plain = self._plain(raw)
        index = self._position(plain)
        if index is None and self.by_index and type(plain) is tuple:
            index = self._position(plain[0]) if len(plain) == 1 else None
            if index is None and self._is_one_hot(plain):
                index = plain.index(True)
        if index is None:
            raise self._refused(raw, f"one of [{shown(self.values)}]", nearest(plain, self.values))
        return self.values[index]

    def _position(self, plain: Value) -> int | None:
        index = super()._position(plain)
        if index is not None or not self.by_index:
            return index
        if type(plain) is str and plain.isdecimal() and not any(type(value) is str for value in self.values):
            plain = int(plain)  # NNI wrote the indices of lists as strings
        return plain if type(plain) is int and 0 <= plain < len(self.values) else None

    def _is_one_hot(self, flags: tuple[Value, ...]) -> bool:
        return len(flags) == len(self.values) and all(type(flag) is bool for flag in flags) and sum(flags) == 1

    def value_at(self, index: int) -> Value:
        """Return the candidate number ``index``."""
        return self.values[index]

    def index_of(self, value: Value) -> int:
        """Return the position of a candidate."""
        return self._positions[identity(value)]

    def from_unit(self, unit: float) -> Value:
        """Return the candidate whose share of [0, 1) contains ``unit``."""
        if self.prior is None:
            return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]
        return self.values[bisect_right(self._cumulative, unit)]

    def domain(self) -> str:
        """Return the candidates in braces."""
        return f"{{{shown(self.values)}}}"

    def encode(self, value: Value) -> list[float]:
        """Return the candidate as a one-hot vector."""
        code = [0.0] * len(self.values)
        code[self.index_of(value)] = 1.0
        return code

    @cached_property
    def _domain_key(self) -> Hashable:
        return type(self), tuple(map(identity, self.values)), self.prior, self.by_index

    @cached_property
    def _cumulative(self) -> tuple[float, ...]:
        """Upper ends of the shares; exactly 1 from the last candidate with a positive share on."""
        assert self.prior is not None
        last = max(index for index, share in enumerate(self.prior) if share > 0)
        ends = list(itertools.accumulate(self.prior))
        return (*ends[:last], *[1.0] * (len(ends) - last))
