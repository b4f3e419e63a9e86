import sys
from pathlib import Path

import pytest
from command_evaluator import CommandEvaluator

from retiarii import RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii.errors import ConfigError
from retiarii.experiment import Callback
from retiarii.space import Categorical, Float, Integer, SearchSpace
from retiarii.testing.evaluators import EvaluatorConformance
from retiarii.trial import TrialState

PROGRAM = [sys.executable, str(Path(__file__).with_name("train_program.py"))]
SPACE = SearchSpace([Integer("degree", 1, 6), Categorical("init", ("random", "zeros"))])


class TestCommandEvaluator(EvaluatorConformance):
    objectives = {"loss": "minimize"}  # noqa: RUF012 - read only
    fidelity = "epochs"
    amounts = (2, 5)

    @pytest.fixture
    def evaluator(self):
        return CommandEvaluator(PROGRAM)

    @pytest.fixture
    def base_model(self):
        return SPACE


def run(folder, search, space=SPACE, platform="local", callbacks=(), **settings):
    evaluator = CommandEvaluator(PROGRAM, rate=Float("rate", 0.1, 1.0, log=True))
    experiment = RetiariiExperiment(space, evaluator, [], search, callbacks=callbacks)
    config = RetiariiExeConfig(platform, seed=1, progress=False, max_trial_number=15)
    config.storage, config.objectives = folder / "store.db", {"loss": "minimize"}
    for name, value in settings.items():
        setattr(config, name, value)
    experiment.run(config)
    return experiment


def test_a_search_with_promotions_runs_the_program_for_the_rest_only(tmp_path):
    search = strategy.ASHA(max_fidelity=8, reduction_factor=2)
    experiment = run(tmp_path, search, trial_concurrency=2)
    trials = experiment.trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETED}
    promoted = [trial for trial in trials if trial.parent is not None]
    assert promoted
    for trial in promoted:
        first, last = trial.intermediates[0]["epoch"], trial.intermediates[-1]["epoch"]
        assert (first, last) == (trials[trial.parent].fidelity["epochs"] + 1, trial.fidelity["epochs"])
    best = experiment.top_trials()[0]
    assert best.metrics["loss"] == min(trial.metrics["loss"] for trial in trials)
    assert 0.1 <= experiment.top_hyperparameters()[0]["rate"] <= 1.0


def test_a_program_that_fails_is_a_failed_trial_with_its_words(tmp_path):
    space = SearchSpace([Integer("degree", 8, 9), Categorical("init", ("zeros",))])
    trials = run(tmp_path, strategy.Random(), space, max_trial_number=6).trials()
    failed = [trial for trial in trials if trial.architecture["degree"] == 9]
    assert failed
    assert {trial.state for trial in failed} == {TrialState.FAILED}
    assert "exit code 1" in failed[0].failure.message
    assert "nine is too much" in failed[0].output
    assert any(trial.state is TrialState.COMPLETED for trial in trials)


@pytest.mark.parametrize("platform", ["in_process", "local"])
def test_the_program_does_not_outlive_a_trial_that_is_pruned(tmp_path, monkeypatch, platform):
    class Prunes(Callback):
        prunes = True

        def should_prune(self, trial):
            return "enough" if len(trial.intermediates) == 2 else None

    log = tmp_path / "log.txt"
    monkeypatch.setenv("PROGRAM_LOG", str(log))

    endless = CommandEvaluator(PROGRAM, epochs=100_000)
    experiment = RetiariiExperiment(SPACE, endless, [], strategy.Random(), callbacks=[Prunes()])
    config = RetiariiExeConfig(platform, seed=1, progress=False, max_trial_number=2)
    config.storage, config.objectives = tmp_path / "store.db", {"loss": "minimize"}
    experiment.run(config)
    trials = experiment.trials()
    assert {trial.state for trial in trials} == {TrialState.PRUNED}
    assert [trial.metrics["epoch"] for trial in trials] == [2, 2]
    assert not log.exists()


def test_a_fidelity_that_it_does_not_heed_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"fidelity 'samples', which CommandEvaluator\(.*it knows \['epochs'\]"):
        run(tmp_path, strategy.Hyperband("samples"))
