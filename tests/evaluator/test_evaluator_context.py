"""`TrialContext`: which evaluators and functions get it, and its content."""

from __future__ import annotations

import pytest
from torch import nn

import retiarii.nn.pytorch as rnn
from retiarii import debug_mutated_model
from retiarii.errors import EvaluatorError, MetricError
from retiarii.evaluator import Evaluator, FunctionalEvaluator, TrialContext, run_evaluation
from retiarii.space import Architecture, Float, Integer, SearchSpace
from retiarii.trial import Fidelity


class Asking(Evaluator):
    """Keeps what it was told."""

    fidelities = ("epochs",)

    def __init__(self, rate=0.5):
        self.rate = rate
        self.told = []

    def evaluate(self, model, context):
        self.told.append(context)
        context.report({"loss": 2.0})
        return self.rate


class Keyword(Evaluator):
    def evaluate(self, model, *, context):
        return context.number


class NotAsking(Evaluator):
    def evaluate(self, model):
        return 1.0


def run(evaluator, context, model=None):
    return run_evaluation(evaluator, nn.Identity() if model is None else model, context)


def test_an_evaluator_gets_the_context_that_it_asks_for():
    seen, evaluator = [], Asking()
    context = TrialContext(number=3, seed=7, fidelity=Fidelity(epochs=9), parent=1, on_report=seen.append)
    assert run(evaluator, context) == {"default": 0.5}
    [told] = evaluator.told
    assert (told.number, told.seed, told.fidelity["epochs"], told.parent) == (3, 7, 9, 1)
    assert seen == [{"loss": 2.0}]
    assert run(Keyword(), context) == {"default": 3.0}
    assert run(NotAsking(), context) == {"default": 1.0}


def test_a_function_gets_the_context_that_it_asks_for():
    seen = []

    def train(model, rate, context):
        for epoch in range(int(context.fidelity["epochs"])):
            context.report(epoch)
        return {"accuracy": rate}

    evaluator = FunctionalEvaluator(train, rate=0.25)
    assert evaluator.fidelities is None  # it may heed any
    context = TrialContext(fidelity=Fidelity(epochs=2), on_report=seen.append)
    assert run(evaluator, context) == {"accuracy": 0.25}
    assert seen == [{"default": 0.0}, {"default": 1.0}]


def test_an_argument_of_this_name_stays_the_users_own():
    evaluator = FunctionalEvaluator(lambda model, context: context, context=0.75)
    assert run(evaluator, TrialContext(number=3)) == {"default": 0.75}
    assert evaluator.fidelities == ()


def test_reports_to_the_context_and_by_name_are_the_same_thing():
    def train(model, context):
        context.report(1.0)

    with pytest.raises(MetricError, match="1 intermediate result"):
        run(FunctionalEvaluator(train), TrialContext())


def test_a_function_may_take_an_architecture():
    def measure(architecture, context):
        assert isinstance(architecture, Architecture)
        return architecture["width"] * len(context.architecture)

    space = SearchSpace([Integer("width", 4, 8), Float("rate", 0.1, 0.2)])
    assert FunctionalEvaluator(measure)._execute(space) == 8.0
    assert debug_mutated_model(space, measure, architecture={"width": 6, "rate": 0.1}) == {"default": 12.0}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = rnn.Linear(2, rnn.ValueChoice([3, 5], label="width"))


def test_debugging_works_for_evaluators_that_ask():
    evaluator = Asking(rnn.ValueChoice([0.25, 0.75], label="rate"))
    assert evaluator._execute(Net) == 0.25
    [told] = evaluator.told  # fixing shares what does not depend on a choice
    assert dict(told.architecture) == {"rate": 0.25, "width": 3}
    assert debug_mutated_model(Net(), evaluator, architecture={"rate": 0.75, "width": 5}) == {"default": 0.75}
    assert evaluator.told[1].folder is None


def test_outside_a_trial_a_context_has_no_folder_and_takes_reports():
    context = TrialContext()
    assert (context.folder, context.parent, context.parent_folder, dict(context.fidelity)) == (None, None, None, {})
    context.report(1.0)
    with pytest.raises(MetricError):
        context.report("high")


def test_a_function_that_cannot_be_called_with_a_context_is_found_at_once():
    with pytest.raises(EvaluatorError, match="rate"):
        FunctionalEvaluator(lambda model, context, rate: 0.0)
