"""A model of another framework joins experiments by bringing its own engine."""

import pytest

from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment, debug_mutated_model, strategy
from retiarii.errors import ConfigError
from retiarii.space import Engine, Integer, Searchable, SearchSpace


class Polynomial(Searchable):
    def engine(self, input_shape=None):
        return PolynomialEngine()


class PolynomialEngine(Engine):
    space = SearchSpace([Integer("degree", 1, 4)])

    def __init__(self, start_method="fork"):
        self._start_method = start_method

    @property
    def start_method(self):
        return self._start_method

    def build(self, architecture):
        return [1.0] * architecture["degree"]


def test_its_engine_builds_what_is_evaluated_in_processes_started_as_it_says(tmp_path):
    config = RetiariiExeConfig("local", max_trial_number=2, progress=False, storage=tmp_path / "s.db")
    experiment = RetiariiExperiment(Polynomial(), len, strategy=strategy.GridSearch())
    experiment.run(config)
    assert all(trial.metric == trial.architecture["degree"] for trial in experiment.trials())
    assert len(experiment.export_top_models(formatter="instance")[0]) == experiment.top_trials()[0].metric
    assert Polynomial().name == "Polynomial"


def test_it_is_debugged_as_any_other_model():
    assert debug_mutated_model(Polynomial(), len) == {"default": 1.0}
    assert FunctionalEvaluator(len)._execute(Polynomial()) == 1


@pytest.mark.parametrize("name", ["base", "oneshot"])
def test_engines_of_pytorch_are_refused(name, tmp_path):
    experiment = RetiariiExperiment(Polynomial(), len, strategy=strategy.GridSearch())
    with pytest.raises(ConfigError, match=name):
        experiment.run(RetiariiExeConfig(execution_engine=name, storage=tmp_path / "s.db"))


class Dying(Polynomial):
    def engine(self, input_shape=None):
        return PolynomialEngine("no such method")


def test_a_start_method_that_does_not_exist_is_named(tmp_path):
    experiment = RetiariiExperiment(Dying(), len, strategy=strategy.GridSearch())
    with pytest.raises(ConfigError, match="start_method is 'no such method'"):
        experiment.run(RetiariiExeConfig(storage=tmp_path / "s.db"))
