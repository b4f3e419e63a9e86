from functools import partial

from lines_executor import LinesExecutor

from retiarii import RetiariiExeConfig, RetiariiExperiment
from retiarii.experiment import Callback
from retiarii.space import Categorical, SearchSpace
from retiarii.strategy import GridSearch
from retiarii.testing.execution import ExecutorConformance
from retiarii.trial import TrialState


class TestLinesExecutor(ExecutorConformance):
    make_executor = LinesExecutor


class StopsTheBad(Callback):
    def should_prune(self, trial):
        return "it is below one half" if trial.intermediates[-1]["default"] < 0.5 else None


def evaluate(architecture, context):
    for step in range(3):
        context.report(architecture["x"] + step / 100)
    return architecture["x"]


def test_an_experiment_runs_on_it(tmp_path):
    space = SearchSpace([Categorical("x", (0.1, 0.3, 0.7, 0.9))])
    experiment = RetiariiExperiment(space, evaluate, [], GridSearch(), callbacks=[StopsTheBad()])
    config = RetiariiExeConfig(progress=False)
    config.storage, config.executor = tmp_path / "store.db", partial(LinesExecutor, slots=2)
    experiment.run(config)
    trials = experiment.trials()
    assert len(trials) == 4
    for trial in trials:
        is_good = trial.architecture["x"] >= 0.5
        assert trial.state is (TrialState.COMPLETED if is_good else TrialState.PRUNED)
        assert len(trial.intermediates) == (3 if is_good else 1)
        assert trial.reason == ("" if is_good else "it is below one half")
