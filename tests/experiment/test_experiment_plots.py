"""The figures of an experiment."""

from dataclasses import replace

import pytest

from retiarii.analysis import TrialTable
from retiarii.errors import ConfigError, ExperimentError
from retiarii.evaluator import FunctionalEvaluator
from retiarii.experiment import RetiariiExeConfig, RetiariiExperiment
from retiarii.space import Categorical, SearchSpace
from retiarii.storage import ExperimentState
from retiarii.strategy import GridSearch


def evaluate(architecture):
    return {"default": float(architecture["width"]), "ms": 10.0 / architecture["width"] + architecture["depth"]}


def test_an_experiment_is_drawn():
    space = SearchSpace([Categorical("width", values=(1, 2, 4)), Categorical("depth", values=(1, 2))])
    experiment = RetiariiExperiment(space, FunctionalEvaluator(evaluate), [], GridSearch())
    with pytest.raises(ExperimentError, match="has not run"):
        experiment.plot_history()
    assert experiment._repr_html_() is None
    experiment.run(RetiariiExeConfig("in_process", progress=False))
    best = experiment.plot_history(over="time").data[-1]
    assert (best.name, best.y[-1]) == ("best so far", 4.0)
    front = experiment.plot_pareto({"ms": "minimize", "default": "minimize"}, dark=True).data[-1]
    assert (front.name, front.x[0]) == ("Pareto front", 3.5)
    assert experiment.plot_importance().layout.yaxis.ticktext[0] == "width"
    assert [axis.label for axis in experiment.plot_parallel().data[0].dimensions] == ["width", "depth", "default"]
    with pytest.raises(ExperimentError, match="has no epochs of a supernet: its strategy is GridSearch"):
        experiment.plot_probabilities()
    for plot in (experiment.plot_history, experiment.plot_importance, experiment.plot_parallel):
        with pytest.raises(ConfigError, match=r"No trial has a metric 'defualt'.*Did you mean 'default'"):
            plot("defualt")
    with pytest.raises(ConfigError, match="No trial has a metric 'mss'"):
        experiment.plot_pareto({"mss": "minimize", "default": "maximize"})
    shown = experiment._repr_html_()
    assert "Experiment SearchSpace: 6 trials" in shown
    assert experiment.id in shown
    assert "6 completed" in shown
    assert f"trial {experiment.top_trials()[0].number}: 4.0" in shown
    assert RetiariiExperiment.view(experiment.id)._repr_html_() == shown


def test_figures_without_content_are_errors_that_say_why(monkeypatch):
    space = SearchSpace([Categorical("width", values=(1, 2))])

    alone = RetiariiExperiment(space, FunctionalEvaluator(lambda one: float(one["width"])), [], GridSearch())
    alone.run(RetiariiExeConfig("in_process", progress=False))
    with pytest.raises(ConfigError, match="needs two metrics, and there is only 'default'"):
        alone.plot_pareto()
    with pytest.raises(ConfigError, match="needs two metrics"):
        alone.plot_pareto({"default": "maximize"})
    store, record = alone._opened()
    monkeypatch.setattr(alone, "_opened", lambda: (store, replace(record, state=ExperimentState.RUNNING)))
    assert f"retiarii resume {alone.id}" in alone._repr_html_()  # no process runs it
    empty = TrialTable.of(record, [])
    monkeypatch.setattr("retiarii.analysis.read_trial_table", lambda *_: empty)
    for plot in (alone.plot_history, alone.plot_pareto, alone.plot_importance, alone.plot_parallel):
        with pytest.raises(ExperimentError, match="has no trials yet"):
            plot()
