import numpy as np
import pytest

from retiarii.analysis import BestSoFar, TrialTable, best_so_far, seconds_in
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord
from retiarii.trial import Objectives, Trial, TrialState

DONE, FAILED, PRUNED, RUNNING = TrialState.COMPLETED, TrialState.FAILED, TrialState.PRUNED, TrialState.RUNNING


def table_of(rows, **objectives):
    objectives = objectives or {"accuracy": "maximize"}
    trials = [
        Trial(
            number,
            Architecture({"op": number}),
            state,
            metrics,
            violation=violation,
            started=100.0,
            ended=None if state is RUNNING else ended,
            finish_order=None if state is RUNNING else int(ended),
        )
        for number, (state, metrics, ended, violation) in enumerate(rows)
    ]
    return TrialTable.of(ExperimentRecord("e", objectives=Objectives.of(objectives)), trials)


ROWS = [
    (DONE, {"accuracy": 0.5, "params": 30.0}, 140, 0),
    (FAILED, None, 110, 0),
    (DONE, {"accuracy": 0.7, "params": 40.0}, 120, 0),
    (PRUNED, {"accuracy": 0.9, "params": 1.0}, 125, 0),
    (DONE, {"accuracy": float("nan"), "params": 50.0}, 130, 0),
    (DONE, {"accuracy": 0.6, "params": 20.0}, 150, 0),
    (RUNNING, None, None, 0),
]


def test_the_best_over_trials_skips_those_without_a_result():
    best = best_so_far(table_of(ROWS))
    assert isinstance(best, BestSoFar)
    assert best.x.tolist() == [0, 2, 5]
    assert best.value.tolist() == [0.5, 0.7, 0.7]
    assert best.holder.tolist() == [0, 2, 2]


def test_the_best_over_time_follows_the_ends_of_trials():
    best = best_so_far(table_of(ROWS), over="time")
    assert best.x.tolist() == [20, 40, 50]
    assert np.array_equal(seconds_in(table_of(ROWS)), [40, 10, 20, 25, 30, 50, np.nan], equal_nan=True)
    assert best.value.tolist() == [0.7, 0.7, 0.7]


def test_each_objective_has_its_own_direction():
    table = table_of(ROWS, accuracy="maximize", params="minimize")
    best = best_so_far(table, "params")
    assert best.x.tolist() == [0, 2, 4, 5]
    assert best.value.tolist() == [30, 30, 30, 20]


def test_a_trial_that_breaks_constraints_is_best_only_until_one_breaks_them_less():
    rows = [
        (DONE, {"accuracy": a}, 100 + n, v) for n, (a, v) in enumerate([(0.9, 2.0), (0.8, 1.0), (0.4, 0), (0.5, 0)])
    ]
    best = best_so_far(table_of(rows))
    assert best.value.tolist() == [0.9, 0.8, 0.4, 0.5]


def test_nothing_is_best_before_the_first_result():
    assert len(best_so_far(table_of([]), over="time").value) == 0
    assert len(best_so_far(table_of([(FAILED, None, 101, 0)])).value) == 0


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_last_best_is_the_first_ranked_trial(direction):
    rng = np.random.default_rng(5)
    rows = [(DONE, {"m": float(rng.integers(20))}, 100 + n, float(rng.integers(3))) for n in range(60)]
    objectives = Objectives.of({"m": direction})
    for count in range(1, 60):
        table = table_of(rows[:count], m=direction)
        trials = [Trial(n, Architecture({}), DONE, m, violation=v) for n, (_, m, _, v) in enumerate(rows[:count])]
        assert best_so_far(table).holder[-1] == objectives.ranked(trials)[0].number
