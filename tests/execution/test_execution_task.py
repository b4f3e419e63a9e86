import functools
import random

import numpy as np
import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.evaluator import FunctionalEvaluator, report_intermediate_result
from retiarii.execution import InProcessExecutor, NasTask, TemplateExecutor, TrialJob
from retiarii.nn.pytorch.engine import PythonEngine
from retiarii.space import Architecture
from retiarii.testing.execution import ending, failure_of, reports, watch
from retiarii.trial import FailureKind


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.LayerChoice([torch.nn.Linear(4, 4), torch.nn.Identity()], label="layer")
        self.head = nn.Linear(4, nn.ValueChoice([2, 3], label="width"))

    def forward(self, x):
        return self.head(self.layer(x))


class NeedsAnEvenWidth(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        if width % 2:
            raise ValueError(f"{width} is odd")


def draw(model, factor):
    """Return something that follows from every generator, and from the initial weights."""
    report_intermediate_result(random.random())
    with torch.no_grad():
        drawn = float(model(torch.rand(1, 4)).sum()) + float(np.random.rand()) + random.random()
    return {"default": factor * drawn, "width": model.head.out_features}


def train(model):
    raise RuntimeError("the training went wrong")


def job(seed, **values):
    return TrialJob(0, Architecture(values), seed)


def run(executor, job):
    executor.submit(job)
    return watch(executor, [job.number])


@pytest.fixture
def task():
    evaluator = FunctionalEvaluator(draw, factor=nn.ValueChoice([1.0, 10.0], label="factor"))
    return NasTask(PythonEngine(Net()), evaluator)


def test_model_and_evaluator_are_fixed_to_the_architecture(task):
    with InProcessExecutor(task) as executor:
        low = ending(run(executor, job(7, layer=1, width=3, factor=1.0))).metrics
        high = ending(run(executor, job(7, layer=1, width=3, factor=10.0))).metrics
    assert low["width"] == high["width"] == 3
    assert high["default"] == 10 * low["default"]


def test_results_follow_from_the_seed_in_every_executor(task):
    results = []
    for make in (InProcessExecutor, TemplateExecutor, functools.partial(TemplateExecutor, start_method="spawn")):
        random.seed(len(results))
        torch.rand(len(results))  # the state of this process does not matter
        with make(task) as executor:
            events = run(executor, job(2**63 + 5, layer=0, width=2, factor=1.0))
        results.append((reports(events), ending(events).metrics))
    assert results[0] == results[1] == results[2]
    assert results[0][1] is not None


def test_other_seeds_give_other_results(task):
    with InProcessExecutor(task) as executor:
        results = {
            ending(run(executor, job(seed, layer=0, width=2, factor=1.0))).metrics["default"] for seed in range(5)
        }
    assert len(results) == 5


def test_an_architecture_that_does_not_build_is_an_invalid_model():
    make = nn.ValueChoice([2, 3], label="width")
    model = torch.nn.Sequential(nn.basic_unit(NeedsAnEvenWidth)(make))
    with InProcessExecutor(NasTask(PythonEngine(model), FunctionalEvaluator(train))) as executor:
        failure = failure_of(run(executor, job(0, width=3)))
        assert failure.kind is FailureKind.INVALID_MODEL
        assert "ValueError: 3 is odd" in failure.message
        assert failure_of(run(executor, job(0, width=2))).message == "RuntimeError: the training went wrong"


def test_an_architecture_of_another_space_is_an_invalid_model(task):
    with InProcessExecutor(task) as executor:
        assert failure_of(run(executor, job(0, layer=1, width=5, factor=1.0))).kind is FailureKind.INVALID_MODEL
        assert failure_of(run(executor, job(0, layer=1, width=3, factor=2.0))).kind is FailureKind.INVALID_MODEL


def test_running_out_of_memory_while_building_is_told_apart(task, monkeypatch):
    def exhausted(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("retiarii.nn.pytorch.engine.freeze", exhausted)
    with InProcessExecutor(task) as executor:
        failure = failure_of(run(executor, job(0, layer=1, width=3, factor=1.0)))
    assert failure.kind is FailureKind.OUT_OF_MEMORY
