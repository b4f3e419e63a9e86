"""Choices of `retiarii.space` among an evaluator's arguments, where there is no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from retiarii.errors import ArchitectureError, LabelConflictError
from retiarii.evaluator import (
    Evaluator,
    FunctionalEvaluator,
    TrialContext,
    dumps,
    loads,
    run_evaluation,
    serialize,
    trace,
)
from retiarii.experiment import RetiariiExeConfig, RetiariiExperiment
from retiarii.space import Categorical, Float, Integer, SearchSpace

RATE = Float("rate", 0.01, 1.0, log=True)
DEPTH = Integer("depth", 1, 4)


class Settings:
    def __init__(self, depth):
        self.depth = depth


@trace
class Traced(Evaluator):
    def __init__(self, rate, settings=None):
        self.rate, self.settings = rate, settings

    def evaluate(self, model):
        return self.rate * (self.settings.depth if self.settings else 1)


class Plain(Evaluator):
    """Not traced: its attributes count."""

    def __init__(self, rate):
        self.rates = [rate, 2.0]

    def evaluate(self, model):
        return sum(self.rates)


def measured(evaluator, **chosen):
    return run_evaluation(evaluator.fix(chosen), None, TrialContext())["default"]


def test_arguments_of_a_function():
    evaluator = FunctionalEvaluator(lambda model, rate, sizes: rate * sizes[1], rate=RATE, sizes=[1, DEPTH])
    assert evaluator.search_space == SearchSpace([RATE, DEPTH])
    assert [choice.declared_at for choice in evaluator.search_space] == [
        "evaluator.arguments['rate']",
        "evaluator.arguments['sizes'][1]",
    ]
    assert measured(evaluator, rate=0.5, depth=4) == 2.0
    assert evaluator.evaluate(None) == 0.01  # the defaults: the lowest values
    with pytest.raises(ArchitectureError, match="rate"):
        measured(evaluator, rate=5.0, depth=4)


def test_arguments_of_traced_evaluators_and_objects():
    evaluator = Traced(RATE, serialize(Settings, DEPTH))
    assert [choice.label for choice in evaluator.search_space] == ["rate", "depth"]
    assert measured(evaluator, rate=0.5, depth=4) == 2.0
    assert measured(loads(dumps(evaluator, "evaluator")), rate=0.5, depth=3) == 1.5
    assert (evaluator.rate, evaluator.settings.depth) == (0.01, 1)


def test_attributes_of_other_evaluators():
    evaluator = Plain(RATE)
    assert measured(evaluator, rate=0.5) == 2.5
    assert evaluator.rates == [RATE, 2.0]


def test_one_label_is_one_decision():
    evaluator = FunctionalEvaluator(lambda model, a, b: a * b, a=DEPTH, b=DEPTH)
    assert measured(evaluator, depth=3) == 9.0
    with pytest.raises(LabelConflictError, match="depth"):
        assert FunctionalEvaluator(lambda model, a, b: a, a=DEPTH, b=Integer("depth", 1, 5)).search_space


def test_they_are_searched_with_a_bare_space():
    def measure(architecture, rate):
        assert set(architecture) == {"op"}
        return rate + (architecture["op"] == "conv")

    evaluator = FunctionalEvaluator(measure, rate=RATE)
    experiment = RetiariiExperiment(SearchSpace([Categorical("op", ("conv", "pool"))]), evaluator)
    experiment.run(RetiariiExeConfig("in_process", max_trial_number=10, seed=0, progress=False))
    assert {choice.label for choice in experiment.search_space} == {"op", "rate"}
    [best] = experiment.export_top_models()
    [chosen] = experiment.top_hyperparameters()
    assert best == {"op": "conv"}
    assert experiment.top_trials()[0].metric == pytest.approx(1 + chosen["rate"])


def test_a_function_that_imports_torch_by_itself_follows_from_the_seed():
    code = """
import sys
from retiarii.evaluator import seed_everything
seed_everything(1)
seed_everything(7)
assert "torch" not in sys.modules
import torch
seen = torch.rand(3)
torch.manual_seed(7)
assert torch.equal(seen, torch.rand(3))
assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("retiarii")]
seed_everything(8)
seen = torch.rand(3)
torch.manual_seed(8)
assert torch.equal(seen, torch.rand(3))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
