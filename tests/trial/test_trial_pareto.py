"""Fronts and hypervolumes against their definitions."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retiarii.errors import ConfigError
from retiarii.space import Architecture
from retiarii.trial import Direction, Objectives, Trial, TrialState, hypervolume, pareto_front

AXES = "abc"
OBJECTIVES = st.lists(st.sampled_from(list(Direction)), min_size=1, max_size=3).map(
    lambda directions: Objectives.of(dict(zip(AXES, directions, strict=False)))
)
NUMBERS = st.one_of(st.integers(0, 4).map(float), st.just(math.nan))
RESULTS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(AXES), NUMBERS, min_size=2),
        st.sampled_from([TrialState.COMPLETED] * 5 + [TrialState.PRUNED, TrialState.FAILED, TrialState.RUNNING]),
        st.sampled_from([0.0, 0.0, 0.0, 0.5]),
    ),
    max_size=14,
)


def trials_of(results):
    return [
        Trial(number, Architecture({"n": number}), state, metrics, violation=violation)
        for number, (metrics, state, violation) in enumerate(results)
    ]


def candidates(trials, objectives):
    return [
        trial
        for trial in trials
        if trial.state is TrialState.COMPLETED
        and not trial.violation
        and all(math.isfinite(trial.metrics.get(name, math.nan)) for name in objectives.names)
    ]


def dominates(left, right, objectives):
    pairs = [(item.direction, left.metrics[item.metric], right.metrics[item.metric]) for item in objectives]
    no_worse = all(not direction.is_better(theirs, ours) for direction, ours, theirs in pairs)
    return no_worse and any(direction.is_better(ours, theirs) for direction, ours, theirs in pairs)


@given(RESULTS, OBJECTIVES)
@settings(deadline=None)
def test_the_front_is_what_none_dominates(results, objectives):
    compared = candidates(trials_of(results), objectives)
    front = pareto_front(trials_of(results), objectives)
    expected = []
    for trial in compared:
        is_repeated = any(
            all(other.metrics[name] == trial.metrics[name] for name in objectives.names)
            for other in compared[: compared.index(trial)]
        )
        if not is_repeated and not any(dominates(other, trial, objectives) for other in compared):
            expected.append(trial)
    assert {trial.number for trial in front} == {trial.number for trial in expected}
    assert front == objectives.ranked(front)


@given(RESULTS, OBJECTIVES)
@settings(deadline=None)
def test_the_hypervolume_counts_unit_cubes(results, objectives):
    """All metrics are whole numbers from 0 to 4, so that the volume is the number of unit cubes that are dominated."""
    trials = trials_of(results)
    worst = {item.metric: 0.0 if item.direction is Direction.MAXIMIZE else 4.0 for item in objectives}
    losses = [objectives.losses(trial.metrics) for trial in candidates(trials, objectives)]
    reference = objectives.losses(worst)
    corners = itertools.product(*(range(int(bound) - 4, int(bound)) for bound in reference))
    count = sum(any(all(a <= b for a, b in zip(loss, corner, strict=True)) for loss in losses) for corner in corners)
    assert hypervolume(trials, objectives, worst) == pytest.approx(count)
    assert hypervolume(trials, objectives, list(worst.values())) == pytest.approx(count)


def test_by_hand():
    objectives = Objectives.of({"a": "maximize", "b": "minimize"})
    done = TrialState.COMPLETED
    points = [(0.5, 10), (0.9, 30), (0.9, 40), (0.4, 12), (0.5, 10), (0.2, 1)]
    trials = trials_of([({"a": a, "b": b}, done, 0.0) for a, b in points])
    assert [trial.number for trial in pareto_front(trials, objectives)] == [1, 0, 5]
    expected = 0.2 * (50 - 1) + 0.3 * (50 - 10) + 0.4 * (50 - 30)
    assert hypervolume(trials, objectives, {"a": 0, "b": 50}) == pytest.approx(expected)
    assert hypervolume(trials, objectives, {"b": 50, "a": 0}) == pytest.approx(expected)
    assert hypervolume(trials, objectives, [0, 50]) == pytest.approx(expected)
    assert hypervolume(trials, objectives, [0.95, 50]) == 0


def test_with_one_objective_the_front_is_the_earliest_best():
    trials = trials_of([({"a": float(value)}, TrialState.COMPLETED, 0.0) for value in (1, 3, 2, 3)])
    assert [trial.number for trial in pareto_front(trials, Objectives.of({"a": "maximize"}))] == [1]
    assert hypervolume(trials, Objectives.of({"a": "maximize"}), [0.5]) == 2.5


def test_nothing_to_compare():
    objectives = Objectives.of({"a": "maximize", "b": "minimize"})
    trials = trials_of([({"a": 1.0}, TrialState.COMPLETED, 0.0), ({"a": 1.0, "b": 2.0}, TrialState.COMPLETED, 0.1)])
    assert pareto_front(trials, objectives) == pareto_front([], objectives) == []
    assert hypervolume(trials, objectives, [0, 9]) == 0


@pytest.mark.parametrize(
    "reference", [[], [1], [1, 2, 3], {"a": 1}, {"a": 1, "c": 2}, [1, math.nan], {"a": 1, "b": math.inf}]
)
def test_a_reference_has_a_number_for_each_objective(reference):
    with pytest.raises(ConfigError, match=r"expected a finite number for each of the objectives \['a', 'b'\]"):
        hypervolume([], Objectives.of({"a": "maximize", "b": "minimize"}), reference)
