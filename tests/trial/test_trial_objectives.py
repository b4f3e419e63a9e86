import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retiarii.errors import ConfigError, MetricError
from retiarii.space import Architecture
from retiarii.trial import Direction, Objective, Objectives, Trial, TrialState

TWO = Objectives.of({"accuracy": "maximize", "params": "minimize"})
NAMES = st.sampled_from(["accuracy", "params", "default"])
METRICS = st.dictionaries(NAMES, st.one_of(st.sampled_from([math.nan, math.inf]), st.floats(-9, 9)))


def completed(number, metrics, violation=0.0):
    return Trial(number, Architecture({}), TrialState.COMPLETED, metrics, violation=violation)


class TestOf:
    @pytest.mark.parametrize("given", ["minimize", Direction.MINIMIZE, {"default": "minimize"}])
    def test_one_direction_is_that_of_the_default_metric(self, given):
        assert Objectives.of(given) == Objectives((Objective("default", Direction.MINIMIZE),))
        assert Objectives.of(Objectives.of(given)) == Objectives.of(given)

    def test_several(self):
        assert TWO.items == (Objective("accuracy", Direction.MAXIMIZE), Objective("params", Direction.MINIMIZE))
        assert (TWO.primary, TWO.direction, TWO.names) == (TWO.items[0], Direction.MAXIMIZE, ("accuracy", "params"))
        assert (len(TWO), list(TWO), str(TWO)) == (2, list(TWO.items), "maximize accuracy, minimize params")
        assert Objectives.of({"a": Direction.MINIMIZE}) == Objectives.of({"a": "minimize"})

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("up", "direction is 'up', expected 'maximize' or 'minimize'"),
            ({"accuracy": "up"}, r"objectives\['accuracy'\] is 'up', expected 'maximize' or 'minimize'"),
            ({"accuracy": None}, r"objectives\['accuracy'\] is None"),
            ({}, "expected at least one"),
            ({3: "maximize"}, "expected a mapping from names of metrics"),
            (["accuracy"], r"objectives is \['accuracy'\], expected a mapping"),
            (None, "objectives is None, expected a mapping"),
        ],
    )
    def test_anything_else_is_refused(self, given, message):
        with pytest.raises(ConfigError, match=message):
            Objectives.of(given)

    def test_the_same_metric_twice_is_refused(self):
        with pytest.raises(ConfigError, match="each of another metric"):
            Objectives((Objective("a"), Objective("a", Direction.MINIMIZE)))


class TestDirected:
    def test_a_strategy_turns_a_single_objective(self):
        one = Objectives.of({"loss": "maximize"})
        assert one.directed(Direction.MINIMIZE) == Objectives.of({"loss": "minimize"})
        assert one.directed(Direction.MAXIMIZE) == one.directed(None) == one

    @pytest.mark.parametrize("direction", list(Direction))
    def test_but_not_several(self, direction):
        assert TWO.directed(None) is TWO
        with pytest.raises(ConfigError, match=r"each with its own direction\. Leave optimize_mode out"):
            TWO.directed(direction)


class TestCheck:
    def test_all_that_are_named_have_to_be_there(self):
        TWO.check({"accuracy": 0.5, "params": 3, "other": math.nan})
        with pytest.raises(MetricError, match=r"with the keys \['accuracy'\], and none of them is 'params'"):
            TWO.check({"accuracy": 0.5})

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_and_finite(self, value):
        with pytest.raises(MetricError, match=r"The metric of trial 3 is params = .*, which cannot be compared"):
            TWO.check({"accuracy": 0.5, "params": value}, where="The metric of trial 3")

    @given(METRICS)
    def test_what_passes_has_losses(self, metrics):
        try:
            TWO.check(metrics)
        except MetricError:
            assert TWO.losses(metrics) is None
        else:
            assert TWO.losses(metrics) == (-metrics["accuracy"], metrics["params"])

    def test_no_metrics_have_no_losses(self):
        assert TWO.losses(None) is None


class TestRank:
    def test_feasible_first_then_the_first_objective_then_the_earlier(self):
        trials = [
            completed(0, {"accuracy": 0.5, "params": 1.0}),
            completed(1, {"accuracy": 0.9, "params": 9.0}, violation=0.1),
            completed(2, {"accuracy": 0.7, "params": 9.0}),
            completed(3, {"accuracy": 0.7, "params": 0.0}),
            completed(4, {"accuracy": 0.95, "params": 0.0}, violation=0.2),
            completed(5, {"accuracy": math.nan, "params": 0.0}),
            completed(6, {"params": 0.0}),
            completed(7, {"accuracy": 1.0}).evolve(state=TrialState.PRUNED),
            completed(8, None).evolve(state=TrialState.FAILED),
            completed(9, {"accuracy": 1.0}).evolve(state=TrialState.RUNNING),
        ]
        assert [trial.number for trial in TWO.ranked(trials)] == [2, 3, 0, 1, 4]
        assert [TWO.rank(trial) for trial in trials[5:]] == [None] * 5

    @given(st.lists(st.tuples(METRICS, st.sampled_from([0.0, 0.0, 0.5])), max_size=12))
    def test_minimising_mirrors_maximising(self, results):
        up, down = Objectives.of("maximize"), Objectives.of("minimize")
        trials = [completed(number, *result) for number, result in enumerate(results)]
        mirrored = [t.evolve(metrics={name: -value for name, value in t.metrics.items()}) for t in trials]
        assert [t.number for t in up.ranked(trials)] == [t.number for t in down.ranked(reversed(mirrored))]

    @given(st.floats(allow_nan=False), st.floats(allow_nan=False))
    def test_losses_order_as_directions_do(self, left, right):
        for direction in Direction:
            assert direction.is_better(left, right) == (direction.loss(left) < direction.loss(right))
            assert direction.loss(direction.loss(left)) == left


class TestJson:
    @given(st.dictionaries(st.text(), st.sampled_from(list(Direction)), min_size=1, max_size=4))
    def test_round_trip(self, given):
        objectives = Objectives.of(given)
        assert Objectives.from_json(objectives.to_json()) == objectives

    @pytest.mark.parametrize("data", [[], [["a"]], [["a", "up"]], 3, [3], [["a", "maximize", "b"]]])
    def test_something_else_is_refused(self, data):
        with pytest.raises(ConfigError):
            Objectives.from_json(data)
