"""The ready-made Lightning evaluators, on handwritten digits."""

from __future__ import annotations

import copy
import logging
import math
import os
import signal
import subprocess
import sys

import pytest
import pytorch_lightning
import torch
from torch import nn
from torch.utils.data import TensorDataset

import retiarii.evaluator.pytorch.lightning as pl
import retiarii.nn.pytorch as rnn
from retiarii.errors import EvaluatorError
from retiarii.evaluator import TrialContext, run_evaluation


@pytest.fixture
def loaders(digits):
    train, validation = digits
    return {
        "train_dataloaders": pl.DataLoader(train, batch_size=32),
        "val_dataloaders": pl.DataLoader(validation, batch_size=64),
    }


def run(evaluator, model, intermediates=None):
    seen = [] if intermediates is None else intermediates
    return run_evaluation(evaluator, model, TrialContext(on_report=seen.append))


def accuracy(model, dataset):
    images, labels = dataset.tensors
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(1) == labels).float().mean().item()


def test_the_accuracy_is_that_of_the_trained_model(digits, loaders, net):
    evaluator = pl.Classification(learning_rate=0.01, max_epochs=2, **loaders)
    metrics = run(evaluator, net)
    assert metrics["default"] == metrics["val_acc"] == pytest.approx(accuracy(net, digits[1]))
    assert metrics["default"] > 0.3  # chance is 0.1
    images, labels = digits[1].tensors
    assert metrics["val_loss"] == pytest.approx(nn.functional.cross_entropy(net(images), labels).item(), rel=1e-5)


class PlainModule(pytorch_lightning.LightningModule):
    """The same training, written as Lightning's documentation writes it."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.history = []

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.cross_entropy(self.model(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_acc", (self.model(x).argmax(1) == y).float().mean(), batch_size=len(y))

    def on_validation_epoch_end(self):
        if not self.trainer.sanity_checking:
            self.history.append(self.trainer.callback_metrics["val_acc"].item())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, weight_decay=0.01)


@pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:.*does not have many workers")  # of plain Lightning
def test_metrics_of_each_epoch_equal_those_of_plain_lightning(digits, loaders, net):
    module, seen = PlainModule(copy.deepcopy(net)), []
    pl.Trainer(max_epochs=3).fit(module, *loaders.values())
    evaluator = pl.Classification(
        nn.CrossEntropyLoss,
        0.1,
        0.01,
        torch.optim.SGD,
        loaders["train_dataloaders"],
        loaders["val_dataloaders"],
        max_epochs=3,
    )
    final = run(evaluator, net, seen)
    assert [metrics["default"] for metrics in seen] == pytest.approx(module.history)
    assert len(seen) == 3
    assert final == seen[-1]


def test_one_evaluator_evaluates_many_models_and_stays_as_it_was(digits, net):
    train, validation = digits
    generator = torch.Generator().manual_seed(7)  # shuffling that goes on from epoch to epoch
    evaluator = pl.Classification(
        train_dataloaders=pl.DataLoader(train, batch_size=32, shuffle=True, generator=generator),
        val_dataloaders=pl.DataLoader(validation, batch_size=100),
        max_epochs=2,
        callbacks=pytorch_lightning.callbacks.EarlyStopping("val_loss", patience=1),
    )
    first = [copy.deepcopy(net) for _ in range(2)]
    metrics = [run(evaluator, model) for model in first]
    assert metrics[0] == metrics[1]
    assert all(torch.equal(a, b) for a, b in zip(first[0].parameters(), first[1].parameters(), strict=True))
    assert not hasattr(evaluator.module, "model")
    assert evaluator.trainer.current_epoch == 0
    assert evaluator.trainer.callbacks[0].wait_count == 0


def test_the_data_set_is_shared_and_not_copied(digits, net):
    class Precious(TensorDataset):
        def __deepcopy__(self, memo):
            raise AssertionError("the data set was copied")

    data = Precious(*digits[0].tensors)
    loader = pl.DataLoader(data, sampler=torch.utils.data.RandomSampler(data), batch_size=64)
    evaluator = pl.Classification(train_dataloaders=loader, val_dataloaders=[pl.DataLoader(data)], max_epochs=1)
    assert run(evaluator, net)["default"] > 0


def test_training_that_ends_before_a_validation_is_validated_in_the_end(digits, loaders, net):
    seen = []
    metrics = run(pl.Classification(learning_rate=0.1, max_steps=3, **loaders), net, seen)
    assert metrics["default"] == pytest.approx(accuracy(net, digits[1]))
    assert seen == [metrics]


def test_regression_is_compared_by_mean_squared_error():
    x = torch.linspace(-1, 1, 64)[:, None]
    data = TensorDataset(x, 2 * x)
    model = nn.Linear(1, 1)
    evaluator = pl.Regression(
        learning_rate=0.1,
        train_dataloader=pl.DataLoader(data, batch_size=16),
        val_dataloader=pl.DataLoader(data, batch_size=64),
        max_epochs=3,
    )
    metrics = run(evaluator, model)
    with torch.no_grad():
        expected = ((model(x) - 2 * x) ** 2).mean().item()
    assert metrics["default"] == metrics["val_mse"] == pytest.approx(expected)
    assert evaluator.direction == "minimize"


def test_several_validation_loaders_count_as_one(digits, net):
    train, validation = digits
    images, labels = validation.tensors
    parts = [TensorDataset(images[:70], labels[:70]), TensorDataset(images[70:], labels[70:])]
    evaluator = pl.Classification(
        train_dataloaders=pl.DataLoader(train, batch_size=64),
        val_dataloaders=[pl.DataLoader(part, batch_size=16) for part in parts],
        max_epochs=1,
    )
    assert run(evaluator, net)["val_acc"] == pytest.approx(accuracy(net, validation))


@pytest.mark.parametrize("name", ["train_dataloader", "val_dataloader"])
def test_both_spellings_of_data_work_but_not_together(digits, loaders, net, name):
    singular = {name: loaders.pop(f"{name}s")}
    evaluator = pl.Classification(**loaders, **singular, max_epochs=1)
    assert getattr(evaluator, name) is getattr(evaluator, f"{name}s") is singular[name]
    with pytest.raises(EvaluatorError, match="two spellings"):
        pl.Classification(**loaders, **singular, **{f"{name}s": singular[name]})


def test_without_training_data_a_model_is_only_validated(digits, loaders, net):
    before = copy.deepcopy(net.state_dict())
    evaluator = pl.Classification(val_dataloaders=loaders["val_dataloaders"])
    assert run(evaluator, net)["default"] == pytest.approx(accuracy(net, digits[1]))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_without_validation_data_it_says_so_before_it_trains(loaders, net):
    evaluator = pl.Classification(train_dataloaders=loaders["train_dataloaders"], max_epochs=1)
    with pytest.raises(EvaluatorError, match="val_dataloaders"):
        run(evaluator, net)


def test_nan_is_reported_as_what_it_is():
    x = torch.zeros(4, 1)
    data = pl.DataLoader(TensorDataset(x, x * torch.nan))
    metrics = run(pl.Regression(train_dataloaders=data, val_dataloaders=data, max_epochs=1), nn.Linear(1, 1))
    assert math.isnan(metrics["default"])


def test_choices_in_arguments_are_searched_with_the_model(digits, net):
    train, validation = digits
    evaluator = pl.Classification(
        learning_rate=rnn.ValueChoice([0.1, 0.01], label="lr"),
        optimizer=rnn.ValueChoice(["Adam", "SGD"], label="optimizer"),
        train_dataloaders=pl.DataLoader(train, batch_size=rnn.ValueChoice([32, 64]) * 2),
        val_dataloaders=pl.DataLoader(validation, batch_size=100),
        max_epochs=rnn.ValueChoice([1, 2]),
    )
    assert [choice.label for choice in evaluator.search_space] == ["lr", "optimizer", "param_1", "param_2"]
    fixed = evaluator.fix({"lr": 0.01, "optimizer": "SGD", "param_1": 2, "param_2": 32, "model_1": 3})
    assert fixed.trainer.max_epochs == 2
    assert fixed.train_dataloaders.batch_size == 64
    assert fixed.module.hparams["learning_rate"] == 0.01
    assert fixed.module.optimizer is torch.optim.SGD
    assert fixed.val_dataloaders is evaluator.val_dataloaders
    assert fixed.train_dataloaders.dataset is train
    assert evaluator.train_dataloaders.batch_size == 64  # the default, 32 * 2
    seen = []
    run(fixed, net, seen)
    assert len(seen) == 2


def test_the_number_of_classes_is_checked_where_it_is_given(loaders, net):
    assert run(pl.Classification(num_classes=10, max_epochs=1, **loaders), copy.deepcopy(net))["default"] > 0
    with pytest.raises(EvaluatorError, match=r"10 classes.*num_classes=12"):
        run(pl.Classification(num_classes=12, max_epochs=1, **loaders), net)


@pytest.mark.parametrize(
    ("output", "target", "expected"),
    [
        ([[0.1, 0.9], [0.8, 0.2]], [1, 1], 0.5),
        ([[0.1, 0.9], [0.8, 0.2]], [[0.0, 1.0], [1.0, 0.0]], 1.0),  # class probabilities
        ([2.0, -1.0, 3.0, -4.0], [1.0, 1.0, 1.0, 0.0], 0.75),  # two classes, one logit
        ([[2.0], [-1.0]], [[1.0], [0.0]], 1.0),
        ([[[0.1, 0.9], [0.9, 0.1]]], [[1, 1]], 0.5),  # one sample, two positions
    ],
)
def test_accuracy_of_every_shape_of_targets(output, target, expected):
    metric = pl.Classification().module.metrics["val_acc"]
    metric.update(torch.tensor(output), torch.tensor(target))
    assert metric.compute().item() == expected


def test_losses_may_be_given_as_class_name_or_module(loaders, net):
    results = {
        run(pl.Classification(criterion, max_epochs=1, **loaders), copy.deepcopy(net))["val_loss"]
        for criterion in (nn.CrossEntropyLoss, "CrossEntropyLoss", nn.CrossEntropyLoss(), rnn.CrossEntropyLoss)
    }
    assert len(results) == 1


@pytest.mark.parametrize(
    "options", [{"precision": "bf16-mixed"}, {"accumulate_grad_batches": 4}, {"gradient_clip_val": 0.1}], ids=str
)
def test_what_the_trainer_can_do_works(loaders, net, options):
    assert run(pl.Classification(learning_rate=0.01, max_epochs=3, **options, **loaders), net)["default"] > 0.15


def test_nothing_is_printed_logged_or_written(loaders, net, tmp_path, monkeypatch, capfd, caplog):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO):
        run(pl.Classification(max_epochs=1, **loaders), net)
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr() == ("", "")
    assert "GPU available" not in caplog.text
    assert logging.getLogger("pytorch_lightning").level == logging.INFO  # as Lightning leaves it


def test_what_the_user_asks_for_is_shown_and_kept(loaders, net, tmp_path, capfd):
    evaluator = pl.Classification(
        max_epochs=1,
        enable_progress_bar=True,
        enable_model_summary=True,
        logger=pytorch_lightning.loggers.CSVLogger(tmp_path, name="log"),
        callbacks=[pytorch_lightning.callbacks.ModelCheckpoint(tmp_path / "checkpoints", save_last=True)],
        log_every_n_steps=1,
        **loaders,
    )
    run(evaluator, net)
    assert "Epoch 0" in "".join(capfd.readouterr())
    assert (tmp_path / "checkpoints" / "last.ckpt").exists()
    assert "val_acc" in (tmp_path / "log" / "version_0" / "metrics.csv").read_text()


def test_files_go_to_the_output_folder_of_the_trial(loaders, net, tmp_path, monkeypatch):
    monkeypatch.setenv("RETIARII_OUTPUT_DIR", str(tmp_path / "trial"))
    run(pl.Classification(max_epochs=1, enable_checkpointing=True, **loaders), net)
    assert list((tmp_path / "trial").rglob("*.ckpt"))


def test_onnx_is_written_where_asked(loaders, net, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    monkeypatch.setenv("RETIARII_OUTPUT_DIR", str(tmp_path))
    run(pl.Classification(export_onnx=True, max_epochs=1, **loaders), net)
    onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"))


def test_a_model_that_cannot_be_written_as_onnx_ends_the_trial_before_training(loaders, net, tmp_path):
    pytest.importorskip("onnxscript")

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x) if x.sum() > 0 else self.net(-x)

    evaluator = pl.Classification(export_onnx=tmp_path / "deep" / "net.onnx", max_epochs=1000, **loaders)
    with pytest.raises(EvaluatorError, match="Branches cannot be written as ONNX"):
        run(evaluator, Branches())


def test_ctrl_c_is_a_keyboard_interrupt_again(loaders, net, request):
    class Interrupt(pytorch_lightning.Callback):
        def on_train_batch_start(self, *args):
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.default_int_handler  # whatever a test before this one has left
    before = signal.signal(signal.SIGINT, handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(KeyboardInterrupt):
        run(pl.Classification(max_epochs=1, callbacks=[Interrupt()], **loaders), net)
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_unknown_trainer_argument_is_found_at_once(loaders):
    with pytest.raises(TypeError, match="max_epoch"):
        pl.Classification(max_epoch=3, **loaders)


def test_execute_and_fit_evaluate_for_debugging(digits, loaders, net):
    evaluator = pl.Classification(max_epochs=1, **loaders)
    assert evaluator._execute(lambda: copy.deepcopy(net)) == evaluator.fit(copy.deepcopy(net))


_WITHOUT_LIGHTNING = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pytorch_lightning", "torchmetrics"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
import retiarii.evaluator, retiarii.evaluator.pytorch
assert "pytorch_lightning" not in sys.modules
from retiarii.errors import MissingExtraError
try:
    retiarii.evaluator.pytorch.Classification
except MissingExtraError as err:
    print(err)
"""


def test_with_an_import_blocker_for_lightning_the_extra_is_named():
    done = subprocess.run([sys.executable, "-c", _WITHOUT_LIGHTNING], capture_output=True, text=True, check=True)
    assert "pip install 'retiarii[lightning]'" in done.stdout
    assert "need pytorch_lightning" in done.stdout
