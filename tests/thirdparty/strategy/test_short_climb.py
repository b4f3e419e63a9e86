import json

import pytest
from short_climb import ShortClimb

from retiarii import RetiariiExeConfig, RetiariiExperiment
from retiarii.errors import ConfigError
from retiarii.space import Integer, SearchSpace
from retiarii.strategy import MedianStop
from retiarii.testing.strategies import StrategyConformance
from retiarii.trial import TrialState

SPACE = SearchSpace([Integer(label, 0, 20) for label in "ab"])


class TestShortClimb(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return ShortClimb(jump_prob=0.2, patience=0.3)


class TestWrapped(StrategyConformance):
    spaces = ("nested", "darts")

    @pytest.fixture
    def strategy(self):
        return MedianStop(ShortClimb(), min_trials=2)


def train(architecture, context):
    """Grow with the epochs towards how near the architecture is to (15, 5); later epochs add little."""
    done = 0
    if context.parent_folder is not None:
        done = json.loads((context.parent_folder / "done.json").read_text())
    goal = 1 - (abs(architecture["a"] - 15) + abs(architecture["b"] - 5)) / 40
    for epoch in range(done + 1, int(context.fidelity["epochs"]) + 1):
        reached = goal * (1 - 0.5**epoch)
        context.report({"accuracy": reached})
    (context.folder / "done.json").write_text(json.dumps(int(context.fidelity["epochs"])))
    return {"accuracy": reached, "first": done + 1.0}


@pytest.mark.parametrize(("platform", "concurrency"), [("in_process", 1), ("local", 2)])
def test_an_experiment_runs_with_it(tmp_path, platform, concurrency):
    config = RetiariiExeConfig(platform, trial_concurrency=concurrency, max_trial_number=40, seed=1, progress=False)
    config.storage, config.objectives = tmp_path / "store.db", {"accuracy": "maximize"}
    experiment = RetiariiExperiment(SPACE, train, [], ShortClimb())
    experiment.run(config)
    trials = experiment.trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETED}
    continued = [trial for trial in trials if trial.parent is not None]
    assert len(continued) > 3
    for trial in continued:
        assert trial.architecture == trials[trial.parent].architecture
        assert (trial.fidelity, trial.metrics["first"]) == ({"epochs": 4}, 2.0)
    best = experiment.top_trials(1)[0]
    assert best.parent is not None
    assert best.metric > 0.8
    with_resume = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", max_trial_number=50)
    assert len(with_resume.trials()) == 50


def test_an_evaluator_that_does_not_know_epochs_is_refused():
    experiment = RetiariiExperiment(SPACE, lambda architecture: 1.0, [], ShortClimb())
    with pytest.raises(ConfigError, match="gives trials the fidelity 'epochs'"):
        experiment.run(RetiariiExeConfig("in_process", max_trial_number=5, progress=False))
