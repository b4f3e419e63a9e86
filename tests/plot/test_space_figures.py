"""Figures of trade-offs and of the importance of choices."""

import numpy as np
import pytest

from retiarii.analysis import TrialTable, importance, pareto_rows
from retiarii.plot import importance_bars, parallel, pareto, two_objectives
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord
from retiarii.trial import Objectives, Trial, TrialState

BOTH = Objectives.of({"acc<b>": "maximize", "ms": "minimize"})


def table(count: int = 50, *, violation: float = 0.0) -> TrialTable:
    rng = np.random.default_rng(0)
    points = enumerate(rng.random((count, 2)).tolist())
    trials = [
        Trial(
            n,
            Architecture({"op<i>": n % 3, "width": n % 2}),
            TrialState.COMPLETED,
            {"acc<b>": a, "ms": b},
            violation=violation * (n % 2),
        )
        for n, (a, b) in points
    ]
    return TrialTable.of(ExperimentRecord("e", objectives=BOTH), trials)


def test_the_front_is_a_line_beside_all_trials() -> None:
    made = pareto(table())
    points, front = made.data
    rows = pareto_rows(table())
    assert len(points.x) == 50
    assert set(front.customdata) == set(table().number[rows])
    assert (front.name, front.line.shape) == ("Pareto front", "hv")
    assert (made.layout.xaxis.title.text, made.layout.yaxis.title.text) == (
        "ms (smaller is better)",
        "acc&lt;b&gt; (larger is better)",
    )


@pytest.mark.parametrize("across", ["minimize", "maximize"])
@pytest.mark.parametrize("up", ["minimize", "maximize"])
def test_the_line_is_the_border_of_what_trials_reach_for_all_directions(across: str, up: str) -> None:
    some = table(60)
    wanted = Objectives.of({"ms": across, "acc<b>": up})
    front = pareto(some, wanted).data[-1]
    assert front.line.shape == "hv"  # from each trial level to the place of the next one, then up or down
    x, y = (item.direction.loss(np.asarray(values)) for item, values in zip(wanted, (front.x, front.y), strict=True))
    all_x, all_y = (item.direction.loss(some.metrics[item.metric]) for item in wanted)
    for left, right, level in zip(x, x[1:], y, strict=False):
        for place in np.linspace(left, right, 5)[:-1]:  # the least loss that a trial reaches up to here
            assert level == all_y[all_x <= place].min()


def test_trials_that_break_constraints_are_hollow() -> None:
    kept, broken, _ = pareto(table(violation=1.0), dark=True).data
    assert (len(kept.x), len(broken.x), broken.marker.symbol) == (25, 25, "circle-open")


def test_two_metrics_are_chosen() -> None:
    assert two_objectives(table()).names == ("ms", "acc<b>")
    alone = TrialTable.of(ExperimentRecord("e"), [])
    assert two_objectives(alone).names == ("default",)
    assert not pareto(alone).data


def test_many_trials_are_thinned_and_the_front_is_kept() -> None:
    points, front = pareto(table(20_000)).data
    assert len(points.x) < 5000
    assert len(front.x) == len(pareto_rows(table(20_000)))


def test_the_most_important_choices_have_bars() -> None:
    (bars,) = importance_bars(table(), "ms", max_labels=1).data
    assert list(bars.x) == [importance(table(), "ms")[0].share]
    made = importance_bars(table())
    assert set(made.layout.yaxis.ticktext) == {"op&lt;i&gt;", "width"}


def test_architectures_are_lines_over_their_choices() -> None:
    (lines,) = parallel(table()).data
    assert [axis.label for axis in lines.dimensions[:-1]] == [
        {"op<i>": "op&lt;i&gt;"}.get(one.label, one.label) for one in importance(table())
    ]
    by_label = {axis.label: axis for axis in lines.dimensions}
    assert by_label["width"].ticktext == ("0", "1")
    assert list(by_label["width"].values) == [n % 2 for n in range(50)]
    (many,) = parallel(table(5000), "ms").data
    assert len(many.dimensions[0]["values"]) <= 1000
    assert min(many.dimensions[-1]["values"]) == table(5000).metrics["ms"].min()
    assert not parallel(TrialTable.of(ExperimentRecord("e"), [])).data
