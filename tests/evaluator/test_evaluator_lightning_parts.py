"""Lightning evaluators whose trials are given a number of epochs, and go on from where others ended."""

from __future__ import annotations

import copy
import os
import resource

import pytest
import pytorch_lightning
import torch
from torch import nn

import retiarii.evaluator.pytorch.lightning as pl
from retiarii.errors import EvaluatorError, TrialPruned
from retiarii.evaluator import TrialContext, output_to, run_evaluation, seed_everything
from retiarii.trial import Fidelity


@pytest.fixture
def net():
    """A classifier that is random while it trains, and has running statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 10)
        )


class Scheduled(pl.LightningModule):
    """Has an optimizer with momentum, a schedule by batches and another by what the validation says."""

    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        output = self.model(batch[0])
        self.log("val_loss", nn.functional.cross_entropy(output, batch[1]))
        self.log("val_acc", (output.argmax(1) == batch[1]).float().mean())
        self.log("noise", torch.rand(()))  # a validation may be random, too

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        by_batch = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40)
        by_loss = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        return [optimizer], [
            {"scheduler": by_batch, "interval": "step"},
            {"scheduler": by_loss, "monitor": "val_loss"},
        ]


def loaders(digits, **options):
    train, validation = digits
    return pl.DataLoader(train, batch_size=64, shuffle=True, **options), pl.DataLoader(validation, batch_size=50)


class Data(pytorch_lightning.LightningDataModule):
    def __init__(self, digits):
        super().__init__()
        self.digits = digits

    def train_dataloader(self):
        return loaders(self.digits)[0]

    def val_dataloader(self):
        return loaders(self.digits)[1]


def ready_made(digits):
    return pl.Classification("CrossEntropyLoss", 0.01, 0.0, "Adam", *loaders(digits))


def with_schedules(digits):
    return pl.Lightning(Scheduled(), pl.Trainer(max_epochs=1), *loaders(digits), monitor="val_acc")


def with_workers(digits):
    train, validation = loaders(digits, num_workers=2, generator=torch.Generator().manual_seed(3))
    return pl.Lightning(Scheduled(), pl.Trainer(max_epochs=1), train, validation, monitor="val_acc")


def with_a_data_module(digits):
    return pl.Lightning(Scheduled(), pl.Trainer(max_epochs=1), Data(digits), monitor="val_acc")


def with_callbacks(digits):
    callbacks = [
        pytorch_lightning.callbacks.EarlyStopping("val_loss", patience=10),
        pytorch_lightning.callbacks.ModelCheckpoint(monitor="val_loss", save_last=True),
    ]
    trainer = pl.Trainer(max_epochs=1, callbacks=callbacks, val_check_interval=0.5, gradient_clip_val=1.0)
    return pl.Lightning(Scheduled(), trainer, *loaders(digits), monitor="val_acc")


def with_mixed_precision(digits):
    trainer = pl.Trainer(precision="bf16-mixed", accumulate_grad_batches=3)
    return pl.Lightning(Scheduled(), trainer, *loaders(digits), monitor="val_acc")


EVALUATORS = [ready_made, with_schedules, with_workers, with_a_data_module, with_callbacks, with_mixed_precision]


class Trials:
    """Runs trials as an experiment does, with folders and seeds."""

    def __init__(self, folder, net, evaluator):
        self.folder, self.net, self.evaluator = folder, net, evaluator
        self.seen = {}

    def run(self, number, *, epochs=None, parent=None, keeps_files=True, on_report=None):
        model = copy.deepcopy(self.net)
        self.seen[number] = []
        folder = self.folder / str(number)
        context = TrialContext(
            number=number,
            seed=number,
            fidelity=Fidelity() if epochs is None else Fidelity(epochs=epochs),
            folder=folder if keeps_files else None,
            parent=parent,
            parent_folder=None if parent is None else self.folder / str(parent),
            on_report=on_report or self.seen[number].append,
        )
        seed_everything(number)
        with output_to(folder, keeps_files=keeps_files):
            metrics = run_evaluation(self.evaluator, model, context)
        return model, metrics

    def files(self, number):
        folder = self.folder / str(number)
        return sorted(os.listdir(folder)) if folder.exists() else []


@pytest.mark.parametrize("make", EVALUATORS, ids=lambda make: make.__name__)
@pytest.mark.filterwarnings("ignore:.*persistent_workers")
def test_training_in_parts_gives_the_numbers_of_training_in_one_go(digits, net, tmp_path, make):
    evaluator = make(digits)
    whole, parts = Trials(tmp_path / "whole", net, evaluator), Trials(tmp_path / "parts", net, evaluator)
    expected, metrics = whole.run(5, epochs=4)
    parts.run(5, epochs=1)
    parts.run(6, epochs=2, parent=5)  # with other seeds, as trials of an experiment have
    model, final = parts.run(7, epochs=4, parent=6)
    assert final == metrics
    assert parts.seen[5] + parts.seen[6] + parts.seen[7] == whole.seen[5]
    assert len(set(map(str, whole.seen[5]))) == len(whole.seen[5])  # it changed in every epoch
    for name, value in expected.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_the_fidelity_sets_the_number_of_epochs(digits, net, tmp_path):
    trials = Trials(tmp_path, net, pl.Classification("CrossEntropyLoss", 0.01, max_epochs=1, **named(digits)))
    trials.run(0, epochs=3.0)  # from a store, numbers may come as floats
    trials.run(1)
    assert (len(trials.seen[0]), len(trials.seen[1])) == (3, 1)
    assert trials.evaluator.trainer.max_epochs == 1
    assert trials.evaluator.fidelities == ("epochs",)


def named(digits):
    return dict(zip(("train_dataloaders", "val_dataloaders"), loaders(digits), strict=True))


def test_a_checkpoint_is_written_only_where_a_later_trial_may_continue(digits, net, tmp_path):
    trials = Trials(tmp_path, net, ready_made(digits))
    trials.run(0, epochs=1)
    trials.evaluator = pl.Classification(max_epochs=1, **named(digits))
    trials.run(1)
    trials.run(2, epochs=1, keeps_files=False)
    assert [trials.files(number) for number in range(3)] == [["checkpoint.pt", "training.ckpt"], ["checkpoint.pt"], []]


def test_a_trial_whose_parent_has_trained_enough_is_measured_again(digits, net, tmp_path):
    trials = Trials(tmp_path, net, ready_made(digits))
    first, metrics = trials.run(0, epochs=2)
    again, same = trials.run(1, epochs=2, parent=0)
    assert same == metrics
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert trials.files(1) == ["checkpoint.pt", "training.ckpt"]
    assert len(trials.run(2, epochs=3, parent=1)[1]) == len(metrics)


def test_a_parent_without_checkpoint_is_an_error(digits, net, tmp_path):
    trials = Trials(tmp_path, net, ready_made(digits))
    with pytest.raises(EvaluatorError, match=r"Trial 1 continues trial 0, which left no checkpoint.*training\.ckpt"):
        trials.run(1, epochs=2, parent=0)
    assert trials.seen[1] == []
    context = TrialContext(number=1, parent=0, fidelity=Fidelity(epochs=2))
    with pytest.raises(EvaluatorError, match="no files of trials"):
        run_evaluation(trials.evaluator, net, context)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", None])
def test_a_damaged_checkpoint_is_an_error(digits, net, tmp_path, damage):
    trials = Trials(tmp_path, net, ready_made(digits))
    trials.run(0, epochs=1)
    path = tmp_path / "0" / "training.ckpt"
    content = path.read_bytes()
    path.write_bytes(content[:-1000] + content[-999:] if damage is None else damage)
    with pytest.raises(EvaluatorError, match=r"training\.ckpt cannot be read.*Trial 1 has to continue trial 0"):
        trials.run(1, epochs=2, parent=0)


def test_impossible_fidelities_are_errors(digits, net, tmp_path):
    trials = Trials(tmp_path, net, ready_made(digits))
    with pytest.raises(EvaluatorError, match=r"epochs=1\.5, expected a whole number"):
        trials.run(0, epochs=1.5)
    trials.run(1, epochs=2)
    with pytest.raises(EvaluatorError, match=r"epochs=1, but trial 1, which it continues, was trained for 2 epochs"):
        trials.run(2, epochs=1, parent=1)


class Fill(pytorch_lightning.Callback):
    """Lets the disk be full at the end of the training."""

    room = 0

    def on_fit_end(self, trainer, module):
        resource.setrlimit(resource.RLIMIT_FSIZE, (Fill.room, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.mark.parametrize(("epochs", "room", "left"), [(1, 0, []), (1, 9_000, []), (None, 0, [])])
def test_a_full_disk_is_an_error_and_leaves_no_part_of_a_file(digits, net, tmp_path, monkeypatch, epochs, room, left):
    monkeypatch.setattr(Fill, "room", room)
    trials = Trials(tmp_path, net, pl.Classification(max_epochs=1, callbacks=[Fill()], **named(digits)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    what = "weights of this trial" if epochs is None else "checkpoint of this training"
    try:
        with pytest.raises(EvaluatorError, match=rf"{what} cannot be written to .*: File too large\. Make room"):
            trials.run(0, epochs=epochs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert trials.files(0) == left


class Watch(pytorch_lightning.Callback):
    """Notes what a trainer goes through."""

    def __init__(self, told):
        self.told = told

    def __deepcopy__(self, memo):
        return self

    def on_train_epoch_start(self, trainer, module):
        self.told.append(f"epoch {trainer.current_epoch}")
        self.trainer = trainer

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.told.append("batch")

    def on_exception(self, trainer, module, exception):
        self.told.append(type(exception).__name__)


@pytest.mark.parametrize("last", [2, 3], ids=["on the way", "at the end"])
def test_pruning_ends_the_training_at_that_report(digits, net, tmp_path, last):
    told, reported = [], []

    def on_report(metrics):
        reported.append(metrics)
        if len(reported) == last:
            raise TrialPruned("it lags behind")

    watch = Watch(told)
    trials = Trials(tmp_path, net, pl.Classification(callbacks=[watch], **named(digits)))
    with pytest.raises(TrialPruned, match="it lags behind"):
        trials.run(0, epochs=3, on_report=on_report)
    assert len(reported) == last
    assert told.count("batch") == 4 * last  # no batch after the report
    assert not watch.trainer.training
    assert "checkpoint.pt" in trials.files(0)
    assert not any(name.endswith(".tmp") for name in trials.files(0))
    if last == 2:
        assert told[-1] == "TrialPruned"
        assert watch.trainer.interrupted
        assert trials.files(0) == ["checkpoint.pt"]  # a training that was cut short is not continued


class PrunesItself(Scheduled):
    def on_validation_epoch_end(self):
        if self.current_epoch == 1:
            raise TrialPruned("I have seen enough")


def test_a_module_may_prune_its_trial(digits, net, tmp_path):
    trials = Trials(tmp_path, net, pl.Lightning(PrunesItself(), pl.Trainer(), *loaders(digits), monitor="val_acc"))
    with pytest.raises(TrialPruned, match="seen enough"):
        trials.run(0, epochs=4)
    assert len(trials.seen[0]) == 1


class TwoAccuracies(Scheduled):
    def validation_step(self, batch, batch_idx):
        self.log("val_top1", 0.25)
        self.log("val_top5", 0.75)
        self.log("size", 3.0)

    def configure_optimizers(self):
        return torch.optim.SGD(self.model.parameters(), lr=0.1)


def test_objectives_need_no_default(digits, net):
    evaluator = pl.Lightning(TwoAccuracies(), pl.Trainer(max_epochs=1), *loaders(digits))
    seen = []
    context = TrialContext(objectives=("val_top5", "size"), on_report=seen.append)
    expected = {"val_top1": 0.25, "val_top5": 0.75, "size": 3.0}
    assert run_evaluation(evaluator, net, context) == expected
    assert seen == [expected]
