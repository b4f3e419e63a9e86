import math

import numpy as np
import pytest

from retiarii.analysis import LabelImportance, TrialTable, importance
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord
from retiarii.trial import Trial, TrialState


def table_of(architectures, values):
    done = {"state": TrialState.COMPLETED}
    pairs = enumerate(zip(architectures, values, strict=True))
    trials = [Trial(n, Architecture(chosen), metrics={"default": value}, **done) for n, (chosen, value) in pairs]
    return TrialTable.of(ExperimentRecord("e"), trials)


def test_shares_are_those_of_an_analysis_of_variance_by_hand():
    # op: means 2 and 5 around 3.5, so between = 6 * 1.5**2 = 13.5; within = 4, whole = 17.5
    # epsilon squared = (13.5 - 1 * 4 / 4) / 17.5 = 12.5 / 17.5
    table = table_of([{"op": op, "b": b} for op, b in zip("aaaccc", "xyxyxy", strict=True)], [1, 2, 3, 4, 5, 6])
    first, second = importance(table)
    assert (first.label, first.num_values, second.label) == ("op", 2, "b")
    assert first.share == pytest.approx(12.5 / 17.5)
    assert second.share == 0.0  # means 3 and 4: less than chance gives


def test_a_choice_that_decides_everything_has_the_share_1_and_one_without_effect_0():
    rng = np.random.default_rng(0)
    chosen = [
        {"all": int(a), "nothing": float(b)} for a, b in zip(rng.integers(0, 4, 400), rng.random(400), strict=True)
    ]
    first, second = importance(table_of(chosen, [10.0 ** one["all"] for one in chosen]))
    assert (first.label, round(first.share, 9)) == ("all", 1.0)
    assert (second.num_values, second.share < 0.03) == (400, True)


def test_numeric_choices_with_many_values_are_compared_in_groups():
    chosen = [{"lr": 0.001 * n} for n in range(1, 1001)]
    (found,) = importance(table_of(chosen, [one["lr"] for one in chosen]))
    assert found.share == pytest.approx(0.99, abs=0.001)  # ten groups leave a hundredth of the variance of a line


def test_being_inactive_is_a_value():
    chosen = [{"op": "conv", "k": 3}, {"op": "skip"}, {"op": "conv", "k": 3}, {"op": "skip"}]
    shares = {one.label: one for one in importance(table_of(chosen, [1.0, 0.0, 1.0, 0.0]))}
    assert shares["k"] == LabelImportance("k", 1.0, 2)


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [math.nan, math.inf, 1.0], [1e308, 1e308, -1e308]])
def test_without_differences_nothing_is_important(values):
    found = importance(table_of([{"op": "a"}, {"op": "b"}, {"op": "a"}], values))
    assert 0.0 <= found[0].share <= 1.0


def test_another_metric_and_no_trials():
    assert importance(TrialTable.of(ExperimentRecord("e"), [])) == []
    assert importance(table_of([{"op": "a"}, {"op": "b"}], [1, 2]), "missing")[0].share == 0.0
