"""Several objectives, constraints, and experiments on bare spaces."""

import pytest

from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment, at_least, at_most, strategy
from retiarii.errors import ConfigError, ConstraintError, ExperimentError
from retiarii.space import Categorical, Integer, SearchSpace
from retiarii.trial import FailureKind, TrialState

SPACE = SearchSpace([Categorical("op", ("conv", "pool")), Integer("width", 1, 8)])


def evaluate(architecture):
    """Wider is better and costs more; pools cost nothing and are bad."""
    is_conv = architecture["op"] == "conv"
    return {"accuracy": architecture["width"] / 10 * is_conv, "cost": float(architecture["width"] * is_conv)}


def ran(tmp_path, evaluate=evaluate, space=SPACE, search=None, **settings):
    settings = {"seed": 0, "progress": False, "storage": tmp_path / "store.db", **settings}
    experiment = RetiariiExperiment(space, evaluate, strategy=search or strategy.GridSearch())
    experiment.run(RetiariiExeConfig("in_process", **settings))
    return experiment


BOTH = {"accuracy": "maximize", "cost": "minimize"}


class TestSeveralObjectives:
    def test_trials_are_ranked_by_the_first(self, tmp_path):
        experiment = ran(tmp_path, objectives=BOTH)
        assert [trial.metric for trial in experiment.top_trials(2)] == [0.8, 0.7]

    def test_or_by_another(self, tmp_path):
        experiment = ran(tmp_path, objectives=BOTH)
        assert experiment.top_trials(by="cost")[0].architecture["op"] == "pool"
        assert experiment.top_trials(by="cost", optimize_mode="maximize")[0].architecture["width"] == 8

    def test_by_a_metric_of_unknown_direction(self, tmp_path):
        experiment = ran(tmp_path, objectives={"accuracy": "maximize"})
        with pytest.raises(ConfigError, match=r"by is 'cost', which is none of the objectives \['accuracy'\]"):
            experiment.top_trials(by="cost")

    def test_the_pareto_front(self, tmp_path):
        experiment = ran(tmp_path, objectives=BOTH)
        front = [(trial.architecture["op"], trial.metrics["cost"]) for trial in experiment.pareto_front()]
        assert front == [*(("conv", float(width)) for width in range(8, 0, -1)), ("pool", 0.0)]
        assert len(experiment.export_top_models(None)) == 9
        assert experiment.export_top_models(1) == [{"op": "conv", "width": 8}]

    def test_hypervolume_by_hand(self, tmp_path):
        experiment = ran(tmp_path, objectives=BOTH, search=strategy.Given([{"op": "conv", "width": w} for w in (2, 6)]))
        # From (0, 10): 0.2 wide down to cost 2, then 0.4 more down to cost 6.
        assert experiment.hypervolume({"accuracy": 0, "cost": 10}) == pytest.approx(0.2 * 8 + 0.4 * 4)
        with pytest.raises(ConfigError, match="expected a finite number for each of the objectives"):
            experiment.hypervolume([1.0])

    def test_an_objective_that_is_not_reported_fails_the_trial_with_the_names(self, tmp_path):
        with pytest.raises(ExperimentError, match=r"keys \['accuracy', 'cost'\], and none of them is 'latency'"):
            ran(tmp_path, objectives={"latency": "minimize"})

    def test_an_objective_that_is_sometimes_missing_fails_those_trials_only(self, tmp_path):
        def forgetful(architecture):
            reported = evaluate(architecture)
            return reported if architecture["op"] == "conv" else {"accuracy": reported["accuracy"]}

        experiment = ran(tmp_path, forgetful, objectives=BOTH)
        failed = [trial for trial in experiment.trials() if trial.state is TrialState.FAILED]
        assert {trial.architecture["op"] for trial in failed} == {"pool"}
        assert {trial.failure.kind for trial in failed} == {FailureKind.BAD_METRIC}

    def test_a_resume_with_other_objectives_is_refused(self, tmp_path):
        experiment = ran(tmp_path, objectives=BOTH, max_trial_number=2)
        with pytest.raises(ExperimentError, match="has the objectives: maximize accuracy, minimize cost"):
            RetiariiExperiment.resume(
                experiment.id, storage=tmp_path / "store.db", objectives={"cost": "minimize"}, max_trial_number=4
            )

    def test_a_resume_keeps_them(self, tmp_path):
        experiment = ran(tmp_path, objectives=BOTH, max_trial_number=4, constraints=[at_most("cost", 5)])
        resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", max_trial_number=16)
        assert len(resumed.trials()) == 16
        assert {trial.metrics["cost"] for trial in resumed.trials() if not trial.is_feasible} == {6.0, 7.0, 8.0}

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"objectives": ["accuracy"]}, "objectives is"),
            ({"objectives": {"accuracy": "up"}}, r"objectives\['accuracy'\] is 'up'"),
            ({"objectives": {}}, "expected at least one"),
            ({"objectives": BOTH, "optimize_mode": "minimize"}, "give one of them"),
            ({"constraints": ["params"]}, "expected a list of constraints"),
            ({"constraints": at_most("params", 1)}, "expected a list of constraints"),
        ],
    )
    def test_impossible_settings(self, settings, message):
        with pytest.raises(ConfigError, match=message):
            RetiariiExeConfig(**settings).validate()

    def test_a_strategy_with_one_direction_cannot_search_for_several(self, tmp_path):
        with pytest.raises(ConfigError, match="Leave optimize_mode out of the strategy"):
            ran(tmp_path, objectives=BOTH, search=strategy.RegularizedEvolution("minimize"))


class TestConstraints:
    def test_on_architectures_are_kept_while_sampling(self, tmp_path):
        evaluated = []

        def noted(architecture):
            evaluated.append(architecture)
            return 1.0

        ran(tmp_path, noted, constraints=[at_most(lambda architecture: architecture["width"], 3)])
        assert {architecture["width"] for architecture in evaluated} == {1, 2, 3}

    def test_on_metrics_rank_those_that_break_them_last(self, tmp_path):
        experiment = ran(tmp_path, objectives=BOTH, constraints=[at_most("cost", 5), at_least("accuracy", 0.1)])
        ranked = experiment.top_trials(16)
        assert [trial.is_feasible for trial in ranked] == [True] * 5 + [False] * 11
        assert ranked[0].metrics["cost"] == 5.0
        assert all(trial.is_feasible for trial in experiment.pareto_front())
        stored = RetiariiExperiment.view(experiment.id, storage=tmp_path / "store.db").top_trials(16)
        assert [trial.number for trial in stored] == [trial.number for trial in ranked]

    def test_that_nothing_meets_are_an_error_that_says_so(self, tmp_path):
        with pytest.raises(ConstraintError, match="constraint"):
            ran(tmp_path, constraints=[at_most(lambda architecture: architecture["width"], 0)])

    def test_that_nothing_meets_in_a_space_too_large_to_enumerate(self, tmp_path):
        huge = SearchSpace([Integer(f"n{index}", 1, 100) for index in range(20)])
        with pytest.raises(ConstraintError, match=r"1,?0,?000"):
            ran(
                tmp_path,
                lambda architecture: 1.0,
                huge,
                strategy.Random(),
                constraints=[at_most(lambda architecture: architecture["n0"], 0)],
            )


class TestBareSpaces:
    def test_the_evaluator_gets_the_architecture_and_its_own_arguments(self, tmp_path):
        def scaled(architecture, factor):
            return architecture["width"] * factor

        experiment = ran(tmp_path, FunctionalEvaluator(scaled, factor=2))
        assert experiment.top_trials()[0].metric == 16
        assert experiment.export_top_models()[0]["width"] == 8

    def test_have_no_networks(self, tmp_path):
        experiment = ran(tmp_path, lambda architecture: 1.0)
        with pytest.raises(ConfigError, match="searched a bare space"):
            experiment.export_top_models(formatter="instance")

    def test_have_no_mutators_and_no_supernets(self):
        with pytest.raises(ConfigError, match="bare search space"):
            RetiariiExperiment(SPACE, evaluate, strategy=strategy.DARTS()).run(RetiariiExeConfig(progress=False))
