"""The figures of an experiment."""

import pytest

from retiarii.errors import ExperimentError
from retiarii.evaluator import FunctionalEvaluator
from retiarii.experiment import RetiariiExeConfig, RetiariiExperiment
from retiarii.space import Categorical, SearchSpace
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
    assert experiment.plot_probabilities().layout.annotations[0].text.startswith("No ")
    shown = experiment._repr_html_()
    assert "Experiment SearchSpace: 6 trials" in shown
    assert experiment.id in shown
    assert "6 completed" in shown
    assert f"trial {experiment.top_trials()[0].number}: 4.0" in shown
    assert RetiariiExperiment.view(experiment.id)._repr_html_() == shown
