"""`ChoiceSteps`: one choice as a sequence of decisions, each between a few numbered options."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from retiarii.errors import ConfigError
from retiarii.space import Categorical, Choice, Float, Integer, Subset, Value

MAX_CANDIDATES = 1024
"""The largest number of candidates of one choice: each needs trials of its own."""

NUM_RANGES = 16
"""The largest number of parts into which a range of numbers is cut."""

IMPOSSIBLE = -1e30
"""The logarithm of 0: with -inf, gradients would be NaN."""


class ChoiceSteps(ABC):
    """One choice as a sequence of decisions between numbered options.

    Attributes:
        sizes: The number of options of each decision.
    """

    sizes: tuple[int, ...]

    @abstractmethod
    def log_prior(self, taken: Sequence[int]) -> list[float]:
        """Return the logarithms of the options' prior probabilities, `IMPOSSIBLE` for those that cannot be taken.

        Args:
            taken: The options of the decisions before, in this choice.
        """

    @abstractmethod
    def value(self, taken: Sequence[int], rng: random.Random) -> Value:
        """Return the value that options lead to.

        Args:
            taken: One option for each decision.
            rng: Draws the value where options stand for several; only ``random()`` is called.
        """

    @abstractmethod
    def options(self, value: Value) -> list[int]:
        """Return the options that lead to a value."""


def choice_steps(choice: Choice) -> ChoiceSteps:
    """Return a choice as a sequence of decisions.

    Raises:
        ConfigError: There are too many candidates, or the choice is of another kind.
    """
    if choice.cardinality == 1:
        return _OneValue(choice)
    if isinstance(choice, Categorical):
        return _Candidates(choice)
    if isinstance(choice, Subset):
        return _Members(choice)
    if isinstance(choice, Integer) and not choice.log:
        return _Integers(choice)
    if isinstance(choice, Integer | Float):
        return _Ranges(choice)
    raise ConfigError(
        f"PolicyBasedRL() cannot search choice {choice.label!r}{_place(choice)}: it is a {type(choice).__name__}, "
        "expected a Categorical, Subset, Integer or Float. Use Random() or RegularizedEvolution()."
    )


class _OneValue(ChoiceSteps):
    """No decision: there is one value."""

    sizes = ()

    def __init__(self, choice: Choice) -> None:
        self._value = choice.value_at(0)

    def log_prior(self, taken: Sequence[int]) -> list[float]:
        return []

    def value(self, taken: Sequence[int], rng: random.Random) -> Value:
        return self._value

    def options(self, value: Value) -> list[int]:
        return []


class _Candidates(ChoiceSteps):
    """One decision between all candidates."""

    def __init__(self, choice: Categorical) -> None:
        if choice.cardinality > MAX_CANDIDATES:
            raise ConfigError(
                f"PolicyBasedRL() cannot search choice {choice.label!r}{_place(choice)}: it has "
                f"{choice.cardinality:,} candidates, expected at most {MAX_CANDIDATES:,}. Use Random() or "
                "RegularizedEvolution(), or an Integer, whose values are grouped."
            )
        self._choice = choice
        self.sizes = (choice.cardinality,)
        shares = choice.prior or (1 / choice.cardinality,) * choice.cardinality
        self._log_prior = [_log_share(share, 1) for share in shares]

    def log_prior(self, taken: Sequence[int]) -> list[float]:
        return self._log_prior

    def value(self, taken: Sequence[int], rng: random.Random) -> Value:
        return self._choice.values[taken[0]]

    def options(self, value: Value) -> list[int]:
        return [self._choice.index_of(value)]


class _Members(ChoiceSteps):
    """One decision for each candidate of a subset: 1 takes it, 0 leaves it out."""

    def __init__(self, choice: Subset) -> None:
        self._choice = choice
        self.sizes = (2,) * len(choice.values)
        self._log_priors: dict[tuple[int, int], list[float]] = {}

    def log_prior(self, taken: Sequence[int]) -> list[float]:
        """Return shares for which all subsets are equally probable."""
        num_taken, num_left = sum(taken), len(self.sizes) - len(taken)
        known = self._log_priors.get((num_taken, num_left))
        if known is None:
            parts = [self._completions(num_taken + more, num_left - 1) for more in (0, 1)]
            known = self._log_priors[num_taken, num_left] = [_log_share(part, sum(parts)) for part in parts]
        return known

    def _completions(self, num_taken: int, num_left: int) -> int:
        """Return in how many ways the candidates that are left can complete the subset."""
        least, most = self._choice.min_chosen - num_taken, self._choice.max_chosen - num_taken
        return sum(math.comb(num_left, size) for size in range(max(least, 0), min(most, num_left) + 1))

    def value(self, taken: Sequence[int], rng: random.Random) -> Value:
        return tuple(candidate for candidate, is_in in zip(self._choice.values, taken, strict=True) if is_in)

    def options(self, value: Value) -> list[int]:
        return [int(flag) for flag in self._choice.encode(value)]


class _Integers(ChoiceSteps):
    """One decision between integers, or between ranges of equal length where there are many."""

    def __init__(self, choice: Integer) -> None:
        self._choice = choice
        count = choice.cardinality
        num_options = min(count, NUM_RANGES)
        self.sizes = (num_options,)
        self._starts = [option * count // num_options for option in range(num_options)]
        last = [start - 1 for start in [*self._starts[1:], count]]
        ends = zip(map(choice.value_at, self._starts), map(choice.value_at, last), strict=True)
        self._ranges = [Integer(choice.label, low, high, choice.step) for low, high in ends]
        self._log_prior = [_log_share(part.cardinality, count) for part in self._ranges]

    def log_prior(self, taken: Sequence[int]) -> list[float]:
        return self._log_prior

    def value(self, taken: Sequence[int], rng: random.Random) -> Value:
        return self._ranges[taken[0]].sample(rng)

    def options(self, value: Value) -> list[int]:
        return [bisect_right(self._starts, self._choice.index_of(value)) - 1]


class _Ranges(ChoiceSteps):
    """One decision between ranges of about the same probability: of real numbers, or on a logarithmic scale."""

    def __init__(self, choice: Integer | Float) -> None:
        self._choice = choice
        starts = {choice.from_unit(option / NUM_RANGES) for option in range(NUM_RANGES)}
        if choice.cardinality <= NUM_RANGES:
            starts.update(choice.value_at(index) for index in range(int(choice.cardinality)))
        self._starts = sorted(starts)
        self.sizes = (len(self._starts),)
        self._units = [*(_first_unit(choice, start) for start in self._starts), 1.0]
        self._log_prior = [_log_share(end - start, 1) for start, end in pairwise(self._units)]

    def log_prior(self, taken: Sequence[int]) -> list[float]:
        return self._log_prior

    def value(self, taken: Sequence[int], rng: random.Random) -> Value:
        start, end = self._units[taken[0] : taken[0] + 2]
        return self._choice.from_unit(start + rng.random() * (end - start))

    def options(self, value: Value) -> list[int]:
        return [bisect_right(self._starts, value) - 1]


def _first_unit(choice: Choice, value: Value) -> float:
    """Return the smallest number from [0, 1) that `Choice.from_unit` maps to ``value`` or above."""
    below, at = 0.0, 1.0
    if choice.from_unit(below) >= value:
        return below
    for _ in range(60):
        middle = (below + at) / 2
        if choice.from_unit(middle) >= value:
            at = middle
        else:
            below = middle
    return at


def _log_share(part: float, whole: float) -> float:
    return math.log(part) - math.log(whole) if part > 0 else IMPOSSIBLE


def _place(choice: Choice) -> str:
    return f" (declared at {choice.declared_at})" if choice.declared_at else ""
