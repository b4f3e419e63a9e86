import math
import random

import pytest

from retiarii.analysis import TrialTable, pareto_rows
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord
from retiarii.trial import Objectives, Trial, TrialState, pareto_front


def trials(count, names, seed=0):
    rng = random.Random(seed)
    values = (math.nan, math.inf, *range(8))
    for number in range(count):
        yield Trial(
            number,
            Architecture({"op": number}),
            rng.choice([TrialState.COMPLETED] * 5 + [TrialState.PRUNED]),
            {name: float(rng.choice(values)) for name in names if rng.random() < 0.95},
            violation=rng.choice([0.0, 0.0, 0.0, 1.0]),
        )


@pytest.mark.parametrize(
    "objectives",
    [
        {"a": "maximize"},
        {"a": "minimize", "b": "maximize"},
        {"b": "minimize", "a": "minimize"},
        {"a": "maximize", "b": "minimize", "c": "maximize"},
    ],
)
def test_the_front_is_that_of_the_trials(objectives):
    wanted = Objectives.of(objectives)
    for seed in range(20):
        some = list(trials(seed * 3, "abc", seed))
        table = TrialTable.of(ExperimentRecord("e", objectives=wanted), some)
        expected = {trial.number for trial in pareto_front(some, wanted)}
        found = table.number[pareto_rows(table)]
        assert set(found.tolist()) == expected
        losses = [wanted.primary.direction.loss(some[number].metrics[wanted.primary.metric]) for number in found]
        assert losses == sorted(losses)


def test_any_metrics_can_be_compared():
    table = TrialTable.of(ExperimentRecord("e"), trials(30, "xy"))
    assert len(pareto_rows(table)) == 0  # the experiment has another objective
    assert len(pareto_rows(table, Objectives.of({"x": "minimize", "y": "minimize"})))
