"""`Integer` and `Float`: the choice of a number from a range."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from retiarii.errors import DomainError, SpaceError
from retiarii.space._choice import Choice
from retiarii.space._plain_value import MAX_BITS, Value
from retiarii.space._seeds import random_below

_HUGE = sys.float_info.max
_LARGEST = 2**53  # up to here every integer is a float


def _check_range(choice: Integer | Float) -> None:
    name, place = f"Choice {choice.label!r}", choice._place
    if choice.low > choice.high:
        raise DomainError(f"{name} has low={choice.low!r} above high={choice.high!r}{place}. Swap them.")
    if choice.log and choice.low <= 0:
        raise DomainError(f"{name} has log=True and low={choice.low!r}{place}, expected low > 0: log(0) is no number.")


@dataclass(frozen=True, eq=False)
class Integer(Choice):
    """The choice of an integer from ``low``, ``low + step``, ... up to at most ``high``.

    Args:
        low: The smallest value.
        high: The upper limit, included if a step reaches it.
        step: The distance between neighbours.
        log: Whether random samples are spread evenly over the logarithm; only with ``step=1``, ``low >= 1`` and
            ``high <= 2**53``.

    Raises:
        DomainError: The range is empty, or an argument is not an integer or does not fit the others.
    """

    low: int
    high: int
    step: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("low", "high", "step"):
            if type(getattr(self, name)) is not int:
                raise DomainError(
                    f"Choice {self.label!r} has {name}={getattr(self, name)!r}, expected an integer{self._place}."
                )
            if getattr(self, name).bit_length() > MAX_BITS:
                raise DomainError(
                    f"Choice {self.label!r} has {name}=..., an integer of {getattr(self, name).bit_length():,} bits, "
                    f"expected at most {MAX_BITS:,}{self._place}."
                )
        _check_range(self)
        if self.step < 1 or (self.log and (self.step > 1 or self.high > _LARGEST)):
            raise DomainError(
                f"Choice {self.label!r} has step={self.step}, high={self.high} and log={self.log}{self._place}. "
                "Expected a step of at least 1, and with log=True a step of 1 and high up to 2**53."
            )

    @property
    def cardinality(self) -> int:
        """How many integers there are."""
        return (self.high - self.low) // self.step + 1

    def default(self) -> Value:
        """Return ``low``."""
        return self.low

    def parse(self, raw: Any) -> Value:
        """Return the integer; a float with the same value is accepted.

        Raises:
            ArchitectureError: ``raw`` is not an integer of this range.
        """
        plain = self._plain(raw)
        number = int(plain) if type(plain) is float and plain.is_integer() else plain
        if type(number) is not int:
            raise self._refused(raw, f"an integer from {self._range()}")
        if not self._offers(number):
            steps = min(max((number - self.low + self.step // 2) // self.step, 0), self.cardinality - 1)
            raise self._refused(raw, f"an integer from {self._range()}", f" Did you mean {self.value_at(steps)}?")
        return number

    def _offers(self, number: int) -> bool:
        return self.low <= number <= self.high and (number - self.low) % self.step == 0

    def candidates_equal_to(self, value: Value) -> list[Value]:
        """Return the value itself, if it is in this range."""
        return [value] if type(value) is int and self._offers(value) else []

    def _range(self) -> str:
        return f"{self.low} to {self.high}" + (f" in steps of {self.step}" if self.step > 1 else "")

    def value_at(self, index: int) -> Value:
        """Return ``low + index * step``."""
        return self.low + index * self.step

    def index_of(self, value: Value) -> int:
        """Return how many steps the value is above ``low``."""
        return int(value - self.low) // self.step

    def from_unit(self, unit: float) -> Value:
        """Return the integer whose share of [0, 1) contains ``unit``."""
        if not self.log:
            return self.value_at(min(int(unit * self.cardinality), self.cardinality - 1))
        low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
        return min(max(round(math.exp(low + unit * (high - low))), self.low), self.high)

    def sample(self, rng: random.Random) -> Value:
        """Draw an integer, uniformly or log-uniformly."""
        return self.from_unit(rng.random()) if self.log else self.value_at(random_below(self.cardinality, rng))

    def domain(self) -> str:
        """Return the range as ``low..high``."""
        notes = ([f"step {self.step}"] if self.step > 1 else []) + (["log"] if self.log else [])
        return f"{self.low}..{self.high}" + (f" ({', '.join(notes)})" if notes else "")

    def encode(self, value: Value) -> list[float]:
        """Return the position in the range, from 0 to 1 (of the logarithms, with ``log``)."""
        return [_position(value, self.low, self.high, self.log)]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The label."""
        return (self.label,)

    @property
    def _domain_key(self) -> Hashable:
        return type(self), self.low, self.high, self.step, self.log


@dataclass(frozen=True, eq=False)
class Float(Choice):
    """The choice of a real number from ``low`` to ``high``, both included.

    Args:
        low: The smallest value.
        high: The largest value.
        log: Whether random samples are spread evenly over the logarithm; only with ``low > 0``.

    Raises:
        DomainError: The range is empty, or an argument is not a finite number or does not fit the others.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("low", "high"):
            number = getattr(self, name)
            if type(number) not in (int, float) or not -_HUGE <= number <= _HUGE:
                raise DomainError(
                    f"Choice {self.label!r} has {name}={number!r}, expected a finite number{self._place}."
                )
            object.__setattr__(self, name, float(number) + 0.0)
        _check_range(self)

    @property
    def cardinality(self) -> int | float:
        """``math.inf``, or 1 where low and high are the same."""
        return math.inf if self.low < self.high else 1

    def default(self) -> Value:
        """Return ``low``."""
        return self.low

    def parse(self, raw: Any) -> Value:
        """Return the number as a float.

        Raises:
            ArchitectureError: ``raw`` is not a number of this range.
        """
        plain = self._plain(raw)
        if type(plain) not in (int, float):
            raise self._refused(raw, f"a number from {self.low} to {self.high}")
        if not self.low <= plain <= self.high:
            closest = self.low if plain < self.low else self.high
            raise self._refused(raw, f"a number from {self.low} to {self.high}", f" Did you mean {closest}?")
        return float(plain)

    def candidates_equal_to(self, value: Value) -> list[Value]:
        """Return nothing: conditions on continuous choices are refused."""
        return []

    def value_at(self, index: int) -> Value:
        """Return ``low`` for a range of one number.

        Raises:
            SpaceError: The range holds infinitely many numbers.
        """
        if self.low < self.high:
            raise self._uncountable()
        return self.low

    def index_of(self, value: Value) -> int:
        """Return 0 for a range of one number.

        Raises:
            SpaceError: The range holds infinitely many numbers.
        """
        if self.low < self.high:
            raise self._uncountable()
        return 0

    def _uncountable(self) -> SpaceError:
        return SpaceError(
            f"Choice {self.label!r} is continuous ({self.domain()}), so its values cannot be listed one by one"
            f"{self._place}. Use a strategy that samples, or give it a list of candidates."
        )

    def others(self, value: Value) -> Iterator[Value]:
        """Yield nothing for a range of one number.

        Raises:
            SpaceError: The range holds infinitely many numbers.
        """
        if self.low < self.high:
            raise self._uncountable()
        return iter(())

    def sample_other(self, value: Value, rng: random.Random) -> Value:
        """Draw a different number, uniformly or log-uniformly."""
        while (number := self.from_unit(rng.random())) == value:
            pass
        return number

    def from_unit(self, unit: float) -> Value:
        """Return the number at ``unit`` between the ends (of the logarithms, with ``log``)."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            number = math.exp(low + unit * (high - low))
        else:
            number = self.low * (1.0 - unit) + self.high * unit
        return min(max(number, self.low), self.high) + 0.0

    def domain(self) -> str:
        """Return the range as ``[low, high]``."""
        return f"[{self.low}, {self.high}]" + (" (log)" if self.log else "")

    def encode(self, value: Value) -> list[float]:
        """Return the position in the range, from 0 to 1 (of the logarithms, with ``log``)."""
        return [_position(value, self.low, self.high, self.log)]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The label."""
        return (self.label,)

    @property
    def _domain_key(self) -> Hashable:
        return type(self), self.low, self.high, self.log


def _position(value: float, low: float, high: float, log: bool) -> float:
    if low == high:
        return 0.0
    if log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    if isinstance(high - low, int) or math.isfinite(high - low):  # Python divides integers of any size
        return (value - low) / (high - low)
    return (value / 2 - low / 2) / (high / 2 - low / 2)
