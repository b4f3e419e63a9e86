import numpy as np
import pytest

from retiarii.analysis import TrialTable
from retiarii.plot import history, intermediates
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord
from retiarii.trial import Failure, FailureKind, Objectives, Trial, TrialState

EVIL = "<b>acc</b>%{x}"


def trial(number, state=TrialState.COMPLETED, value=None, **fields):
    metrics = None if value is None else {EVIL: value}
    times = {"started": 1000.0, "ended": 1000.0 + 60 * number, "finish_order": number}
    return Trial(number, Architecture({"op": number}), state, metrics, objective=EVIL, **{**times, **fields})


def table_of(trials):
    return TrialTable.of(ExperimentRecord("e", objectives=Objectives.of({EVIL: "maximize"})), trials)


def points(drawn):
    return {trace.name: (list(trace.x), list(trace.y)) for trace in drawn.data}


def test_every_trial_is_a_point_and_the_best_a_step_line():
    failure = Failure(FailureKind.RAISED, "no <script>")
    trials = [
        trial(0, value=0.2),
        trial(1, TrialState.FAILED, failure=failure),
        trial(2, value=0.6),
        trial(3, TrialState.PRUNED, 0.1),
        trial(4, value=0.9, violation=1.0),
        trial(5, TrialState.RUNNING, ended=None, finish_order=None),
    ]
    drawn = history(table_of(trials))
    shown = points(drawn)
    assert shown["completed"] == ([0, 2], [0.2, 0.6])
    assert shown["completed, breaks a constraint"] == ([4], [0.9])
    assert shown["pruned"] == ([3], [0.1])
    assert shown["failed, no value"][0] == [1]
    assert shown["running, no value"][0] == [5]
    assert shown["best so far"] == ([0, 2, 4, 5], [0.2, 0.6, 0.6, 0.6])
    assert next(trace for trace in drawn.data if trace.name == "failed, no value").text == ("<br>no &lt;script&gt;",)
    assert "<b>" not in drawn.layout.yaxis.title.text
    assert len({trace.marker.symbol for trace in drawn.data if trace.mode == "markers"}) == 5


def test_over_time_trials_stand_where_they_ended_in_a_fitting_unit():
    drawn = history(table_of([trial(1, value=0.2), trial(90, value=0.6)]), over="time")
    assert points(drawn)["completed"] == ([1, 90], [0.2, 0.6])
    assert drawn.layout.xaxis.title.text == "minutes since the start"


def test_ten_thousand_trials_become_few_points_with_the_best_among_them():
    values = np.random.default_rng(0).normal(size=10_000)
    drawn = history(table_of([trial(n, value=float(v)) for n, v in enumerate(values)]))
    assert sum(len(trace.x) for trace in drawn.data) < 2500
    assert max(points(drawn)["completed"][1]) == values.max() == points(drawn)["best so far"][1][-1]


@pytest.mark.parametrize("worst", [-1e9, -0.1])
def test_very_bad_results_lie_outside_the_first_view(worst):
    drawn = history(table_of([trial(n, value=n / 100) for n in range(100)] + [trial(100, value=worst)]))
    assert (drawn.layout.yaxis.range is not None) == (worst < -1)
    if drawn.layout.yaxis.range:
        low, high = drawn.layout.yaxis.range
        assert -1 < low < 0.1
        assert high > 0.99


def test_an_experiment_without_trials_has_an_empty_figure():
    assert history(table_of([]), over="time").data == ()
    assert intermediates([]).data == ()


def test_curves_are_overlaid_and_pruned_ones_are_visible_as_such():
    def reports(*values):
        return tuple({EVIL: value, "loss": 1 - value} for value in values)

    long = trial(7, value=0.9, intermediates=reports(*np.linspace(0, 0.9, 9000)))
    pruned = trial(8, TrialState.PRUNED, 0.3, intermediates=reports(0.1, 0.4, float("nan")))
    drawn = intermediates([long, pruned, trial(9, TrialState.FAILED)])
    assert [trace.name for trace in drawn.data] == ["trial 7", "trial 8 (pruned)", "trial 8 (pruned)"]
    assert len(drawn.data[0].x) <= 2000
    assert (drawn.data[0].y[-1], drawn.data[0].x[-1]) == (0.9, 8999)
    assert (drawn.data[1].line.dash, drawn.data[2].marker.symbol) == ("dash", "triangle-down")
    assert (drawn.data[2].x, drawn.data[2].y) == ((1,), (0.4,))
    assert intermediates([long], "loss").data[0].y[0] == 1
