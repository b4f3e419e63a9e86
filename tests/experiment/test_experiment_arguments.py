"""The messages of `RetiariiExperiment` about wrong arguments."""

import os
import re
import shlex
import signal
import time

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii import strategy
from retiarii.cli import main
from retiarii.errors import ConfigError, ExperimentFailedError, RetiariiError
from retiarii.evaluator import Evaluator, FunctionalEvaluator
from retiarii.experiment import Callback, RetiariiExeConfig, RetiariiExperiment, debug_mutated_model
from retiarii.graph import Mutator
from retiarii.strategy import BaseStrategy, GridSearch, Random, Strategy
from retiarii.trial import TrialState


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
        ({"base_model": score}, r"is the function score, .* torch.nn.Module, .* or a SearchSpace\. The order is"),
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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda architecture: architecture["widht"] > 1, r"raised KeyError: .*widht.* for Architecture\(\{'width'"),
        (lambda architecture: None, "returned None for .*expected True or False"),
    ],
)
@pytest.mark.parametrize("kind", [Random, strategy.RegularizedEvolution])
def test_a_model_filter_with_a_mistake_is_named(kind, wrong, message):
    with pytest.raises(ConfigError, match=message):
        RetiariiExperiment(model(), score, [], kind(model_filter=wrong)).run(quick())


def test_what_a_tensor_of_several_elements_lacks_is_said():
    with pytest.raises(ExperimentFailedError, match=r"The only trial of experiment .*for example with mean"):
        RetiariiExperiment(model(), lambda model: torch.zeros(3), strategy=GridSearch()).run(
            RetiariiExeConfig("in_process", progress=False, max_trial_number=1)
        )


def test_settings_in_the_place_of_the_port_are_named():
    experiment = RetiariiExperiment(model(), score, strategy=GridSearch())
    experiment.run(quick())
    with pytest.raises(ConfigError, match=r"port is .*Settings are given by name"):
        RetiariiExperiment.resume(experiment.id, quick())
    with pytest.raises(ConfigError, match="port is 'debug'"):
        experiment.run(quick(), "debug")


def test_what_lacks_is_named_without_running():
    with pytest.raises(ConfigError, match="RetiariiExperiment needs an evaluator"):
        _ = RetiariiExperiment(model()).search_space


def test_debugging_takes_functions_and_names_what_it_does_not_take():
    assert debug_mutated_model(model(), score) == {"default": 3.0}
    with pytest.raises(ConfigError, match="base_model is <layer"):
        debug_mutated_model(nn.Linear, score)
    with pytest.raises(ConfigError, match="needs a base_model and a trainer"):
        debug_mutated_model(model(), None)


def test_hyperparameters_are_beside_the_exported_models():
    evaluator = FunctionalEvaluator(
        lambda model, lr, size: score(model) * lr, lr=nn.ValueChoice([1, 2], label="lr"), size=3
    )
    experiment = RetiariiExperiment(model(), evaluator, strategy=GridSearch())
    experiment.run(RetiariiExeConfig("in_process", progress=False))
    assert experiment.export_top_models(2) == [{"width": 3}, {"width": 2}]
    assert experiment.top_hyperparameters(2) == [{"lr": 2}, {"lr": 2}]
    assert RetiariiExperiment.view(experiment.id).top_hyperparameters() == [{"lr": 2}]
    assert evaluator.fix(experiment.top_hyperparameters()[0]).arguments == {"lr": 2, "size": 3}


def test_trials_that_a_time_limit_interrupts_are_called_so(capsys):
    def slow(model):
        time.sleep(60)

    experiment = RetiariiExperiment(model(), slow, strategy=GridSearch(shuffle=False))
    experiment.run(RetiariiExeConfig("local", progress=False, max_experiment_duration=3))
    assert [trial.state for trial in experiment.trials()] == [TrialState.INTERRUPTED]
    assert not experiment.trials()[0].state.is_finished
    with pytest.raises(SystemExit):
        main(["show", experiment.id])
    assert "1 interrupted" in capsys.readouterr().out


def test_the_last_line_after_ctrl_c_is_the_command_that_goes_on(tmp_path, capfd):
    class Stop(Callback):
        def on_trial_end(self, trial):
            os.kill(os.getpid(), signal.SIGINT)

    place = tmp_path / "my store.db"
    experiment = RetiariiExperiment(model(), score, strategy=GridSearch(), callbacks=[Stop()])
    experiment.run(RetiariiExeConfig("in_process", storage=place, progress=None))
    assert experiment.state.value == "stopped"
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert last == f"Go on with: retiarii resume {experiment.id} --storage '{place}'"
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(last.partition("retiarii ")[2]))
    assert not ended.value.code
    assert RetiariiExperiment.view(experiment.id, storage=place).state.value == "done"


def test_search_space_is_spelled_alike_on_experiment_and_evaluator():
    evaluator = FunctionalEvaluator(lambda model, lr: lr, lr=nn.ValueChoice([1, 2], label="lr"))
    assert isinstance(evaluator, Evaluator)
    experiment = RetiariiExperiment(model(), evaluator)
    assert [choice.label for choice in evaluator.search_space] == ["lr"]
    assert [choice.label for choice in experiment.search_space] == ["width", "lr"]
