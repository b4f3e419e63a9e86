"""`Lightning` with Lightning modules of the user's own."""

from __future__ import annotations

import copy

import pytest
import pytorch_lightning
import torch
from torch import nn

import retiarii.evaluator.pytorch.lightning as pl
import retiarii.nn.pytorch as rnn
from retiarii.errors import EvaluatorError, MetricError
from retiarii.evaluator import TrialContext, report_final_result, report_intermediate_result, run_evaluation, trace


class Own(pl.LightningModule):
    """Logs an accuracy and a loss, with an optimizer and a schedule of its own."""

    def __init__(self, lr=0.1, decay=0.5):
        super().__init__()
        self.lr, self.decay = lr, decay
        self.rates = []

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.cross_entropy(self.model(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        output = self.model(x)
        self.log("val_loss", nn.functional.cross_entropy(output, y))
        self.log("val_acc", (output.argmax(1) == y).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.model.parameters(), lr=self.lr)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=self.decay)]


@pytest.fixture
def loaders(digits):
    return [pl.DataLoader(digits[0], batch_size=64), pl.DataLoader(digits[1], batch_size=50)]


def run(evaluator, model, intermediates=None):
    seen = [] if intermediates is None else intermediates
    return run_evaluation(evaluator, model, TrialContext(on_report=seen.append))


def test_logged_validation_metrics_are_reported_and_the_only_one_that_is_no_loss_counts(loaders, net):
    seen = []
    final = run(pl.Lightning(Own(), pl.Trainer(max_epochs=2), *loaders), net, seen)
    assert len(seen) == 2
    assert final == seen[1]
    assert set(final) == {"default", "val_acc", "val_loss"}
    assert final["default"] == final["val_acc"]


def test_monitor_names_the_metric_that_counts(loaders, net):
    final = run(pl.Lightning(Own(), pl.Trainer(max_epochs=1), *loaders, monitor="val_loss"), net)
    assert final["default"] == final["val_loss"]


def test_a_metric_that_is_not_logged_is_found_in_the_first_epoch(loaders, net):
    evaluator = pl.Lightning(Own(), pl.Trainer(max_epochs=1000), *loaders, monitor="val_accuracy")
    with pytest.raises(MetricError, match=r"'val_accuracy'.*Did you mean 'val_acc'"):
        run(evaluator, net)


class TwoAccuracies(Own):
    def validation_step(self, batch, batch_idx):
        self.log("val_top1", 0.25)
        self.log("val_top5", 0.75)


def test_several_metrics_without_monitor_are_an_error_that_lists_them(loaders, net):
    with pytest.raises(MetricError, match=r"'val_top1', 'val_top5'.*monitor="):
        run(pl.Lightning(TwoAccuracies(), pl.Trainer(max_epochs=1), *loaders), net)


class CallsItDefault(Own):
    def validation_step(self, batch, batch_idx):
        self.log("val_a", 0.25)
        self.log("val_b", 0.5)
        self.log("default", 0.75)


def test_a_metric_called_default_counts(loaders, net):
    final = run(pl.Lightning(CallsItDefault(), pl.Trainer(max_epochs=1), *loaders), net)
    assert final == {"default": 0.75, "val_a": 0.25, "val_b": 0.5}


class PerStepToo(Own):
    def validation_step(self, batch, batch_idx):
        self.log("val_acc", 0.5, on_step=True, on_epoch=True)


def test_what_lightning_adds_for_each_step_does_not_confuse(loaders, net):
    assert run(pl.Lightning(PerStepToo(), pl.Trainer(max_epochs=1), *loaders), net)["default"] == 0.5


class ReportsAtTheEnd(Own):
    """Reports in the last hook of a validation, after Lightning's callbacks."""

    def on_validation_end(self):
        if not self.trainer.sanity_checking:
            report_intermediate_result(self.current_epoch)

    def on_fit_end(self):
        report_final_result(42)


def test_a_module_that_reports_by_itself_is_left_to_it(loaders, net):
    seen = []
    assert run(pl.Lightning(ReportsAtTheEnd(), pl.Trainer(max_epochs=3), *loaders), net, seen) == {"default": 42.0}
    assert seen == [{"default": 0.0}, {"default": 1.0}, {"default": 2.0}]


def test_validation_inside_an_epoch_counts_too(loaders, net):
    seen = []
    run(pl.Lightning(Own(), pl.Trainer(max_epochs=1, val_check_interval=0.5), *loaders), net, seen)
    assert len(seen) == 2


def test_choices_in_the_module_arguments_are_searched(loaders, net):
    evaluator = pl.Lightning(
        Own(rnn.ValueChoice([0.1, 0.2], label="lr"), decay=rnn.ValueChoice([0.5, 0.9])),
        pl.Trainer(max_epochs=1),
        *loaders,
    )
    assert {choice.label: choice.declared_at for choice in evaluator.search_space} == {
        "lr": "evaluator.module.lr",
        "param_1": "evaluator.module.decay",
    }
    assert (evaluator.module.lr, evaluator.module.decay) == (0.1, 0.5)
    fixed = evaluator.fix({"lr": 0.2, "param_1": 0.9})
    assert (fixed.module.lr, fixed.module.decay) == (0.2, 0.9)
    assert (evaluator.module.lr, evaluator.module.decay) == (0.1, 0.5)
    assert fixed.train_dataloaders is loaders[0]
    run(fixed, net)


class Plain(pytorch_lightning.LightningModule):
    """Not derived from our base class."""

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val_acc", (self.model(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_a_module_of_plain_lightning_works(loaders, net):
    assert run(pl.Lightning(Plain(), pl.Trainer(max_epochs=1), *loaders), net)["default"] > 0


class WithData(Own):
    def __init__(self, train, validation):
        super().__init__()
        self.train_data, self.validation_data = train, validation

    def train_dataloader(self):
        return torch.utils.data.DataLoader(self.train_data, batch_size=64)

    def val_dataloader(self):
        return torch.utils.data.DataLoader(self.validation_data, batch_size=50)


def test_a_module_may_bring_its_own_data(digits, loaders, net):
    expected = run(pl.Lightning(Own(), pl.Trainer(max_epochs=1), *loaders), copy.deepcopy(net))
    assert run(pl.Lightning(WithData(*digits), pl.Trainer(max_epochs=1)), net) == expected


class Digits(pytorch_lightning.LightningDataModule):
    def __init__(self, train, validation):
        super().__init__()
        self.data = (train, validation)

    def train_dataloader(self):
        return torch.utils.data.DataLoader(self.data[0], batch_size=64)

    def val_dataloader(self):
        return torch.utils.data.DataLoader(self.data[1], batch_size=50)


@pytest.mark.parametrize("limits", [{"max_epochs": 1}, {"max_steps": 4}])
def test_a_data_module_may_bring_the_data(digits, loaders, net, limits):
    expected = run(pl.Lightning(Own(), pl.Trainer(max_epochs=1), *loaders), copy.deepcopy(net))
    data = Digits(*digits)
    assert run(pl.Lightning(Own(), pl.Trainer(**limits), data, monitor="val_acc"), net) == expected
    assert data.trainer is None


def test_the_module_itself_stays_as_it_was(loaders, net):
    module = Own()
    run(pl.Lightning(module, pl.Trainer(max_epochs=1), *loaders), net)
    assert not hasattr(module, "model")
    assert module._trainer is None


def test_two_evaluations_of_one_model_start_from_its_weights(loaders, net):
    other = copy.deepcopy(net)
    evaluator = pl.Lightning(Own(), pl.Trainer(max_epochs=1), *loaders)
    assert run(evaluator, net) == run(evaluator, other)


@pytest.mark.parametrize("module", [nn.Linear(1, 1), "module", Own])
def test_what_is_no_lightning_module_is_refused(module):
    with pytest.raises(EvaluatorError, match="LightningModule"):
        pl.Lightning(module, pl.Trainer())


def test_a_trainer_that_forgot_its_arguments_is_refused():
    with pytest.raises(EvaluatorError, match="every trial needs a new trainer"):
        pl.Lightning(Own(), pytorch_lightning.Trainer(logger=False, enable_checkpointing=False))
    pl.Lightning(Own(), trace(pytorch_lightning.Trainer)(logger=False, enable_checkpointing=False))
