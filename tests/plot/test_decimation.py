import numpy as np
import pytest

from retiarii.plot._decimation import kept_points, kept_scatter, kept_steps

RNG = np.random.default_rng(3)


def test_a_short_curve_is_kept_whole():
    assert kept_points(np.array([3.0, np.nan, 1.0]), 4).tolist() == [0, 1, 2]
    assert kept_points(np.array([])).tolist() == []


def test_each_part_keeps_its_first_last_smallest_and_largest_value():
    values = np.array([5.0, 9.0, 1.0, 4.0, 6.0, 7.0, 6.0, 6.5, 2.0, 2.0])
    assert kept_points(values, 8).tolist() == [0, 1, 2, 4, 5, 8, 9]  # two parts: 0-4 and 5-9; 7 is first and largest


@pytest.mark.parametrize("count", [2001, 9_999, 100_000])
def test_ends_and_extremes_of_a_long_curve_are_kept(count):
    values = RNG.normal(size=count)
    values[RNG.integers(count, size=count // 10)] = np.nan
    kept = kept_points(values)
    assert len(kept) <= 2000
    assert np.all(np.diff(kept) > 0)
    assert (kept[0], kept[-1]) == (0, count - 1)
    assert {np.nanargmin(values), np.nanargmax(values)} <= set(kept)


def test_a_curve_of_gaps_stays_one():
    assert len(kept_points(np.full(5000, np.nan))) <= 2000


def test_a_step_line_is_exact_at_every_position():
    values = np.maximum.accumulate(RNG.normal(size=100_000))
    values[:7] = np.nan
    kept = kept_steps(values)
    assert len(kept) < 50
    assert kept[-1] == 99_999
    held = values[kept][np.searchsorted(kept, np.arange(7, 100_000), side="right") - 1]
    assert np.array_equal(held, values[7:])


def test_a_step_line_that_always_improves_keeps_its_ends():
    kept = kept_steps(np.arange(50_000.0))
    assert len(kept) <= 2000
    assert (kept[0], kept[-1]) == (0, 49_999)
    assert kept_steps(np.full(3, np.nan)).tolist() == []


def test_a_cloud_keeps_its_extremes_and_its_density():
    x, y = RNG.normal(size=30_000), RNG.normal(size=30_000)
    kept = kept_scatter(x, y)
    assert len(kept) <= 2000
    assert {x.argmin(), x.argmax(), y.argmin(), y.argmax()} <= set(kept)
    assert abs(np.median(x[kept])) < 0.1
