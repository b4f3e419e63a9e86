"""What `RetiariiExperiment` says to arguments that a newcomer may give."""

import re

import pytest

import retiarii.nn.pytorch as nn
from retiarii import strategy
from retiarii.errors import ConfigError, RetiariiError
from retiarii.evaluator import Evaluator, FunctionalEvaluator
from retiarii.experiment import Callback, RetiariiExeConfig, RetiariiExperiment
from retiarii.graph import Mutator
from retiarii.strategy import BaseStrategy, GridSearch, Random, Strategy


class Widen(Mutator):
    def mutate(self, model):
        pass


class Unfinished(BaseStrategy):
    pass


def model():
    return nn.Sequential(nn.Linear(2, nn.ValueChoice([1, 2, 3], label="width")))


def score(model):
    return sum(p.numel() for p in model.parameters())


def quick(**settings):
    return RetiariiExeConfig("in_process", progress=False, max_trial_number=2, **settings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"applied_mutators": GridSearch()}, r"third argument.* is the strategy GridSearch\(.*strategy=\.\.\."),
        ({"applied_mutators": Widen()}, r"one mutator, expected a list: \["),
        ({"applied_mutators": [Widen]}, "contains the class Widen, expected instances"),
        ({"applied_mutators": 3}, "applied_mutators is 3, expected a list"),
        ({"base_model": nn.Linear.__wrapped__}, "the class Linear, expected an instance"),
        ({"base_model": score}, "expected an instance of torch.nn.Module"),
        ({"base_model": FunctionalEvaluator(score)}, r"The order is RetiariiExperiment\(base_model, evaluator"),
        ({"evaluator": FunctionalEvaluator}, "evaluator is the class FunctionalEvaluator"),
        ({"evaluator": GridSearch()}, "The order is"),
        ({"evaluator": RetiariiExeConfig()}, "Settings go to run"),
        ({"evaluator": model()}, "evaluator is .*The order is"),
        ({"trainer": FunctionalEvaluator(score)}, "two spellings of one argument"),
        ({"strategy": GridSearch}, r"the class GridSearch, expected an instance .* GridSearch\(\)"),
        ({"strategy": "random"}, r"strategy is 'random', expected an instance .* retiarii.strategy.Random\(\)"),
        ({"strategy": Unfinished()}, "Derive from retiarii.strategy.Strategy"),
        ({"callbacks": Callback()}, r"expected a list: callbacks=\["),
        ({"callbacks": [print]}, "callbacks contains <built-in function print>, expected instances"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_expected(arguments, message):
    given = {"base_model": model(), "evaluator": score, "applied_mutators": [], "strategy": Random(), **arguments}
    with pytest.raises(ConfigError, match=message):
        RetiariiExperiment(**given)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"max_trial_number": 3}, r"config is a dict, .*: RetiariiExeConfig\(max_trial_number=3\)"),
        ("local", r"config is 'local', .*: RetiariiExeConfig\('local'\)"),
        (RetiariiExeConfig, "config is the class RetiariiExeConfig"),
        (8, "config is 8, expected an instance of RetiariiExeConfig"),
    ],
)
def test_a_config_that_is_none_is_named(config, message):
    with pytest.raises(ConfigError, match=message):
        RetiariiExperiment(model(), score).run(config)


def test_gpus_where_there_are_none_are_refused_before_anything_is_stored(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    experiment = RetiariiExperiment(model(), score)
    with pytest.raises(ConfigError, match=r"trial_gpu_number is 2, but this machine has no GPU .* set it to 0"):
        experiment.run(RetiariiExeConfig("local", trial_gpu_number=2, progress=False))
    with pytest.raises(RetiariiError, match=r"no store|no experiment"):
        RetiariiExperiment.view(experiment.id)


def test_the_id_is_known_at_once_and_is_the_one_that_runs():
    experiment = RetiariiExperiment(model(), score, strategy=GridSearch())
    known = experiment.id
    experiment.run(quick())
    assert experiment.id == known
    assert RetiariiExperiment.view(known).id == known
    experiment.run(quick())
    assert experiment.id != known
    assert len(RetiariiExperiment.view(known).trials()) == 2


def test_an_experiment_is_found_by_its_name_too():
    experiment = RetiariiExperiment(model(), score, strategy=GridSearch())
    experiment.run(quick(experiment_name="widths"))
    assert RetiariiExperiment.view("widths").id == experiment.id


@pytest.mark.parametrize("way", [RetiariiExperiment.resume, RetiariiExperiment.view, RetiariiExperiment.load])
def test_no_id_is_one_clear_error(way):
    RetiariiExperiment(model(), score, strategy=GridSearch()).run(quick())
    with pytest.raises(RetiariiError, match=re.escape("The id of an experiment is None, expected a text")):
        way(None)


def test_every_strategy_is_of_one_family():
    for made in (strategy.DARTS(), strategy.RandomOneShot(), Random(), GridSearch()):
        assert isinstance(made, BaseStrategy)
    assert not isinstance(strategy.DARTS(), Strategy)


def test_search_space_is_spelled_alike_on_experiment_and_evaluator():
    evaluator = FunctionalEvaluator(lambda model, lr: lr, lr=nn.ValueChoice([1, 2], label="lr"))
    assert isinstance(evaluator, Evaluator)
    experiment = RetiariiExperiment(model(), evaluator)
    assert [choice.label for choice in evaluator.search_space] == ["lr"]
    assert [choice.label for choice in experiment.search_space] == ["width", "lr"]
