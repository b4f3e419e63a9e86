"""`rounded_range`: values and probabilities of rounded samples."""

import math
import random
from collections import Counter

import pytest

from retiarii.errors import DomainError
from retiarii.space import rounded_range


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("low_high_step", [(0.3, 2.1, 0.7), (0.1, 1, 0.3), (1, 10, 4), (2, 3, 10), (1, 100, 10)])
def test_samples_of_the_formula_have_these_values_and_frequencies(low_high_step, log):
    low, high, step = low_high_step
    values, prior = rounded_range(low, high, step, log=log)
    assert math.fsum(prior) == pytest.approx(1)
    rng, count, seen = random.Random(1), 20_000, Counter()
    for _ in range(count):
        x = math.exp(rng.uniform(math.log(low), math.log(high))) if log else rng.uniform(low, high)
        seen[min(max(round(x / step) * step, low), high)] += 1
    assert set(seen) <= set(values)
    for value, share in zip(values, prior, strict=True):
        assert seen[value] / count == pytest.approx(share, abs=5 * math.sqrt(share / count) + 1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((1, 1, 1), "low < high"), ((0, 1, 0), "step > 0"), ((0, 1, 1e-9), "at most 100,000"), ((0, 1, math.nan), "step")],
)
def test_ranges_that_are_none_are_refused(arguments, message):
    with pytest.raises(DomainError, match=message):
        rounded_range(*arguments)
    with pytest.raises(DomainError, match="low above 0"):
        rounded_range(0, 1, 0.5, log=True)
