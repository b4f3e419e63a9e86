"""Our own evaluators keep the contract that evaluators of others are tested for."""

from __future__ import annotations

import json
import threading

import pytest
import torch
from torch import nn

import retiarii.evaluator.pytorch.lightning as pl
import retiarii.nn.pytorch as rnn
from retiarii.errors import SerializationError, TrialPruned
from retiarii.evaluator import Evaluator, FunctionalEvaluator
from retiarii.space import Float, Integer, SearchSpace
from retiarii.testing.evaluators import EvaluatorConformance


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = rnn.ValueChoice([4, 8], label="width")
        self.layers = nn.Sequential(nn.Flatten(), rnn.Linear(64, width), nn.Dropout(0.1), rnn.Linear(width, 10))

    def forward(self, x):
        return self.layers(x)


class TestClassification(EvaluatorConformance):
    fidelity = "epochs"
    amounts = (1, 3)

    @pytest.fixture
    def evaluator(self, digits):
        train, validation = digits
        return pl.Classification(
            learning_rate=rnn.ValueChoice([0.01, 0.1], label="lr"),
            train_dataloaders=pl.DataLoader(train, batch_size=64, shuffle=True),
            val_dataloaders=pl.DataLoader(validation, batch_size=100),
            max_epochs=2,
        )

    @pytest.fixture
    def base_model(self):
        return Net()


class TestRegression(EvaluatorConformance):
    objectives = {"default": "minimize"}  # noqa: RUF012 - read only

    @pytest.fixture
    def evaluator(self):
        x = torch.linspace(-1, 1, 64)[:, None]
        data = pl.DataLoader(torch.utils.data.TensorDataset(x, x**2), batch_size=16)
        return pl.Regression(train_dataloaders=data, val_dataloaders=data, max_epochs=1)

    @pytest.fixture
    def base_model(self):
        return nn.Sequential(rnn.Linear(1, rnn.ValueChoice([2, 4])), nn.Tanh(), rnn.LazyLinear(1))


def fitted(model, rate):
    x = torch.randn(32, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for _ in range(3):
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {"loss": loss.item(), "size": sum(p.numel() for p in model.parameters())}


class TestFunctionOfAModel(EvaluatorConformance):
    objectives = {"loss": "minimize", "size": "minimize"}  # noqa: RUF012 - read only

    @pytest.fixture
    def evaluator(self):
        return FunctionalEvaluator(fitted, rate=rnn.FloatRange(0.01, 0.1, label="rate"))

    @pytest.fixture
    def base_model(self):
        return nn.Sequential(rnn.Linear(2, rnn.ValueChoice([2, 4], label="width")), rnn.LazyLinear(1))


def grown(architecture, rate, context):
    done = 0
    if context.parent is not None:
        done = json.loads((context.parent_folder / "steps.json").read_text())
    steps = int(context.fidelity.get("steps", 4))
    for step in range(done, steps):
        context.report(architecture["goal"] * (1 - rate**step))
    if context.folder is not None:
        (context.folder / "steps.json").write_text(json.dumps(steps))
    return architecture["goal"] * (1 - rate**steps)


class TestFunctionOfAnArchitecture(EvaluatorConformance):
    fidelity = "steps"
    amounts = (2, 6)

    @pytest.fixture
    def evaluator(self):
        return FunctionalEvaluator(grown, rate=Float("rate", 0.1, 0.9))

    @pytest.fixture
    def base_model(self):
        return SearchSpace([Integer("goal", 1, 9)])


class TestTable(EvaluatorConformance):
    """A table has the results of every fidelity, and needs no files."""

    fidelity = "epochs"
    continues = False

    @pytest.fixture
    def evaluator(self):
        def look_up(architecture, context):
            return architecture["goal"] * context.fidelity.get("epochs", 3)

        return FunctionalEvaluator(look_up)

    @pytest.fixture
    def base_model(self):
        return SearchSpace([Integer("goal", 1, 9)])


SPACE = SearchSpace([Integer("goal", 1, 9)])


class Counting(Evaluator):
    """Keeps something from one evaluation to the next."""

    def __init__(self):
        self.count = 0

    def evaluate(self, model):
        self.count += 1
        return self.count


class Stubborn(Evaluator):
    """Goes on after it was told to end."""

    def evaluate(self, model, context):
        for step in range(3):
            try:
                context.report(step)
            except TrialPruned:
                raise RuntimeError("I was not finished") from None
        return 1.0


class Forgetful(Evaluator):
    """Starts anew where its parent's file is missing."""

    fidelities = ("epochs",)

    def evaluate(self, model, context):
        path = None if context.parent is None else context.parent_folder / "done"
        done = int(path.read_text()) if path is not None and path.exists() else 0
        epochs = int(context.fidelity.get("epochs", 1))
        for epoch in range(done, epochs):
            context.report(epoch)
        (context.folder / "done").write_text(str(epochs))
        return epochs - done


class Short(Evaluator):
    """Takes the fidelity for what is to be trained more."""

    fidelities = ("epochs",)

    def evaluate(self, model, context):
        done = 0 if context.parent is None else int((context.parent_folder / "done").read_text())
        epochs = done + int(context.fidelity.get("epochs", 1))
        (context.folder / "done").write_text(str(epochs))
        return epochs


class Locked(Evaluator):
    def __init__(self):
        self.lock = threading.Lock()

    def evaluate(self, model):
        return 1.0


class HeedsEpochs(EvaluatorConformance):
    fidelity = "epochs"


def test_what_breaks_the_contract_is_found(tmp_path):
    conformance = HeedsEpochs()
    with pytest.raises(AssertionError):
        conformance.test_the_same_seed_gives_the_same_numbers(Counting(), SPACE)
    with pytest.raises(SerializationError, match="locks"):
        conformance.test_it_travels_to_another_process(Locked(), SPACE)
    with pytest.raises(AssertionError):
        conformance.test_a_trial_in_parts_has_the_numbers_of_one_at_once(Forgetful(), SPACE, tmp_path / "1")
    with pytest.raises(AssertionError):
        conformance.test_a_trial_whose_parent_left_nothing_does_not_start_anew(Forgetful(), SPACE, tmp_path / "2")
    with pytest.raises(AssertionError):
        conformance.test_a_trial_in_parts_has_the_numbers_of_one_at_once(Short(), SPACE, tmp_path / "3")
    with pytest.raises(AssertionError):
        conformance.test_its_fidelities_are_names(Counting())


def test_a_trial_that_was_told_to_end_is_pruned_whatever_it_raises(tmp_path):
    EvaluatorConformance().test_a_trial_that_is_to_end_ends_at_its_report(Stubborn(), SPACE, tmp_path)
