"""Trainers of the user's own: the loop, callbacks, export, and checkpoints from which a killed training goes on."""

from __future__ import annotations

import itertools
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from classic_net import Net
from torch.nn import functional as F
from trainer_tools import OwnTrainer, images, metrics, sgd

from retiarii.classic.pytorch.base_trainer import BaseTrainer
from retiarii.classic.pytorch.callbacks import ArchitectureCheckpoint, Callback, LRSchedulerCallback, ModelCheckpoint
from retiarii.classic.pytorch.darts import DartsTrainer
from retiarii.classic.pytorch.fixed import apply_fixed_architecture
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice
from retiarii.classic.pytorch.mutator import Mutator
from retiarii.classic.pytorch.random import RandomMutator
from retiarii.classic.pytorch.trainer import TorchTensorEncoder, Trainer
from retiarii.classic.pytorch.utils import StructuredMutableTreeNode
from retiarii.errors import ConfigError, NoContextError, RecordError


class OwnMutator(Mutator):
    """The example of the guide to customized algorithms."""

    def sample_search(self):
        result = {}
        for mutable in self.mutables:
            if isinstance(mutable, LayerChoice):
                index = int(torch.randint(mutable.length, ()))
                result[mutable.key] = torch.tensor([i == index for i in range(mutable.length)], dtype=torch.bool)
            elif isinstance(mutable, InputChoice):
                if mutable.n_chosen is None:
                    result[mutable.key] = torch.randint(high=2, size=(mutable.n_candidates,)).view(-1).bool()
                else:
                    chosen = torch.randperm(mutable.n_candidates)[: mutable.n_chosen]
                    result[mutable.key] = torch.zeros(mutable.n_candidates, dtype=torch.bool).index_fill(
                        0, chosen, True
                    )
        return result

    def sample_final(self):
        return self.sample_search()


def own(mutator=OwnMutator, seed=0, **options):
    torch.manual_seed(seed)
    model = Net()
    return OwnTrainer(model, mutator(model), sgd(model), **options)


def test_a_users_own_trainer_and_mutator_train_and_export_what_retraining_reads(tmp_path):
    trainer = own(num_epochs=12)
    trainer.train()
    first, last = trainer.losses[:12], trainer.losses[-12:]
    assert sum(last) < sum(first)
    trainer.export(file=tmp_path / "final.json")
    exported = json.loads((tmp_path / "final.json").read_text())
    assert set(exported) == {"LayerChoice1", "second", "InputChoice2", "InputChoice3"}
    assert all(isinstance(flag, bool) for mask in exported.values() for flag in mask)
    model = Net()
    apply_fixed_architecture(model, str(tmp_path / "final.json"))
    assert model(images(2)[:][0]).shape == (2, 3)


class Noting(Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch):
        self.seen.append(("begin", epoch))

    def on_epoch_end(self, epoch):
        self.seen.append(("end", epoch))

    def on_batch_begin(self, epoch):
        self.seen.append(("batch", epoch))

    def on_batch_end(self, epoch):
        self.seen.append(("batch end", epoch))


def test_callbacks_get_the_objects_of_the_training_and_its_epochs():
    callback = Noting()
    trainer = own(callbacks=[callback])
    assert callback.model is trainer.model
    assert callback.mutator is trainer.mutator
    assert callback.trainer is trainer
    trainer.train()
    assert callback.seen == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]


def test_the_trainers_of_algorithms_also_call_callbacks_for_batches():
    callback = Noting()
    darts(callbacks=[callback], num_epochs=1).train()
    assert callback.seen == [("begin", 0), *[("batch", 0), ("batch end", 0)] * 3, ("end", 0)]


@pytest.mark.parametrize(("mode", "expected"), [("epoch", 0.1 * 0.5**2), ("batch", 0.1 * 0.5**6)])
def test_a_scheduler_of_the_learning_rate_steps_after_epochs_or_batches(mode, expected):
    torch.manual_seed(0)
    model = Net()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    darts(model, optimizer, callbacks=[LRSchedulerCallback(scheduler, mode=mode)]).train()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)


def test_checkpoint_callbacks_write_a_file_for_each_epoch(tmp_path):
    trainer = own(callbacks=[ArchitectureCheckpoint(tmp_path / "arcs"), ModelCheckpoint(tmp_path / "weights")])
    trainer.train()
    assert sorted(path.name for path in (tmp_path / "arcs").iterdir()) == ["epoch_0.json", "epoch_1.json"]
    apply_fixed_architecture(Net(), tmp_path / "arcs/epoch_1.json")
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == ["epoch_0.pth.tar", "epoch_1.pth.tar"]
    weights = torch.load(tmp_path / "weights/epoch_1.pth.tar", weights_only=True)
    assert all(torch.equal(value, weights[name]) for name, value in trainer.model.state_dict().items())


def test_impossible_modes_of_callbacks_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="mode='step', expected 'epoch' or 'batch'"):
        LRSchedulerCallback(None, mode="step")
    for kind in (ArchitectureCheckpoint, ModelCheckpoint):
        with pytest.raises(ConfigError, match="every='batch', expected 'epoch'"):
            kind(tmp_path, every="batch")


def darts(model=None, optimizer=None, **options):
    if model is None:
        torch.manual_seed(0)
        model = Net()
    optimizer = sgd(model) if optimizer is None else optimizer
    options = {"num_epochs": 2, "batch_size": 8, "workers": 0, "device": "cpu", **options}
    return DartsTrainer(
        model,
        F.cross_entropy,
        metrics,
        optimizer,
        dataset_train=images(),
        dataset_valid=images(16, 1),
        arc_learning_rate=0.05,
        **options,
    )


def state_of(trainer):
    numbers = [*itertools.chain(*trainer.mutator.status().values())]
    return {**trainer.model.state_dict(), "status": torch.tensor(numbers)}


@pytest.mark.parametrize("make", [own, lambda **options: own(RandomMutator, **options), darts])
def test_a_training_that_is_resumed_gives_the_numbers_of_an_uninterrupted_one(make, tmp_path):
    expected = make(num_epochs=4)
    expected.train()
    first = make(num_epochs=2)
    first.train()
    first.checkpoint(tmp_path / "training.pt")
    second = make(num_epochs=4, seed=5) if make is own else make(num_epochs=4)
    torch.manual_seed(9)
    second.resume(tmp_path / "training.pt")
    second.train()
    assert second.history == expected.history
    for name, value in state_of(expected).items():
        assert torch.equal(state_of(second)[name], value), name


SCRIPT = """
import json, os, signal, sys
import torch
from torch.nn import functional as F
sys.path.insert(0, {tests!r})
from classic_net import Net
from trainer_tools import accuracy, images, metrics, sgd
from retiarii.classic.pytorch.callbacks import Callback, LRSchedulerCallback
from retiarii.classic.pytorch.darts import DartsTrainer
from retiarii.classic.pytorch.enas import EnasTrainer

class Interrupt(Callback):
    batches = 0

    def on_batch_end(self, epoch):
        Interrupt.batches += 1
        if Interrupt.batches == {after}:
            os.kill(os.getpid(), getattr(signal, {signal!r}))

torch.set_num_threads(1)
results = []
for name in ("darts", "enas"):
    torch.manual_seed(0)
    model = Net()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4)
    common = dict(num_epochs=4, dataset_train=images(), dataset_valid=images(16, 1), batch_size=8, workers=0,
                  device="cpu", callbacks=[LRSchedulerCallback(scheduler), Interrupt()], checkpoint_file=name + ".pt")
    if name == "darts":
        trainer = DartsTrainer(model, F.cross_entropy, metrics, optimizer, arc_learning_rate=0.05, **common)
    else:
        trainer = EnasTrainer(model, F.cross_entropy, metrics, accuracy, optimizer, child_steps=3, mutator_steps=2,
                              mutator_steps_aggregate=2, mutator_lr=0.05, **common)
    trainer.train()
    trainer.export(name + ".json")
    weight = float(sum(parameter.double().abs().sum() for parameter in model.parameters()))
    results.append([trainer.history, trainer.mutator.status(), weight])
print(json.dumps(results))
"""


def run(folder, after=0, signal_name="SIGKILL"):
    """Run DARTS and ENAS, each of 4 epochs of 3 batches; the process gets a signal after some batches."""
    script = SCRIPT.format(tests=str(Path(__file__).parent), after=after, signal=signal_name)
    folder.mkdir(exist_ok=True)
    return subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=100)


@pytest.mark.timeout(320)
def test_a_training_that_is_interrupted_and_killed_goes_on_with_the_same_numbers(tmp_path):
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    expected = run(whole)
    assert expected.returncode == 0, expected.stderr

    interrupted = run(folder, after=8, signal_name="SIGINT")  # in the middle of the third epoch of DARTS
    assert "KeyboardInterrupt" in interrupted.stderr
    assert "Interrupted in epoch 2. Run the script again to go on" in interrupted.stderr
    killed = run(folder, after=6 + 8)  # after two epochs of DARTS, in the middle of the third epoch of ENAS
    assert killed.returncode == -signal.SIGKILL
    resumed = run(folder)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == expected.stdout
    for name in ("darts.json", "enas.json"):
        assert (folder / name).read_text() == (whole / name).read_text()


def test_a_finished_training_has_nothing_left_to_train(tmp_path):
    first = darts(checkpoint_file=tmp_path / "training.pt")
    first.train()
    again = darts(checkpoint_file=tmp_path / "training.pt")
    again.train_one_epoch = None
    again.train()
    assert again.history == first.history
    assert again.mutator.status() == first.mutator.status()


def test_an_interruption_without_a_checkpoint_file_says_that_nothing_was_saved(caplog):
    class Stop(Callback):
        def on_epoch_begin(self, epoch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        own(callbacks=[Stop()]).train()
    assert "without checkpoint_file nothing was saved" in caplog.text


def test_bad_checkpoints_are_refused_and_change_nothing(tmp_path):
    trainer = own()
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    with pytest.raises(NoContextError, match="does not know where to write"):
        trainer.checkpoint()
    with pytest.raises(RecordError, match="cannot be read"):
        trainer.resume(tmp_path / "missing.pt")
    (tmp_path / "text.pt").write_text("no checkpoint")
    with pytest.raises(RecordError, match="cannot be read"):
        trainer.resume(tmp_path / "text.pt")

    trainer.checkpoint(tmp_path / "good.pt")
    damaged = bytearray((tmp_path / "good.pt").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "damaged.pt").write_bytes(damaged)
    with pytest.raises(RecordError, match="is damaged"):
        trainer.resume(tmp_path / "damaged.pt")

    darts().checkpoint(tmp_path / "darts.pt")
    with pytest.raises(ConfigError, match="is of a DartsTrainer, expected one of a OwnTrainer"):
        trainer.resume(tmp_path / "darts.pt")

    class Wider(Net):
        def __init__(self):
            super().__init__()
            self.fc = torch.nn.Linear(4, 5)

    model = Wider()
    OwnTrainer(model, OwnMutator(model), sgd(model)).checkpoint(tmp_path / "wider.pt")
    with pytest.raises(
        ConfigError, match=r"is of another model: 'fc\.\w+' is in one of them only, or has another shape"
    ):
        trainer.resume(tmp_path / "wider.pt")
    with pytest.raises(ConfigError, match=r"and 0 callbacks, but the trainer has \[.*\] and 1 callbacks"):
        own(callbacks=[Callback()]).resume(tmp_path / "good.pt")
    model = Net()
    other = OwnTrainer(model, OwnMutator(model), torch.optim.SGD([model.fc.weight], lr=0.1))
    with pytest.raises(ConfigError, match="does not fit this training"):
        other.resume(tmp_path / "good.pt")
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())


def test_a_checkpoint_of_another_optimizer_or_of_other_callbacks_is_refused(tmp_path):
    def trainer(kind, order=1):
        model = Net()
        optimizer = kind(model.parameters(), lr=0.1)
        scheduler = LRSchedulerCallback(torch.optim.lr_scheduler.StepLR(optimizer, 1))
        return darts(model, optimizer, callbacks=[scheduler, ArchitectureCheckpoint(tmp_path)][::order])

    trainer(torch.optim.SGD).checkpoint(tmp_path / "sgd.pt")
    trainer(torch.optim.SGD).resume(tmp_path / "sgd.pt")
    with pytest.raises(ConfigError, match=r"the optimizer is a SGD, but that of the trainer is a Adam\."):
        trainer(torch.optim.Adam).resume(tmp_path / "sgd.pt")
    with pytest.raises(ConfigError, match=r"the callback 0 is a LRSchedulerCallback, .* is a ArchitectureCheckpoint\."):
        trainer(torch.optim.SGD, order=-1).resume(tmp_path / "sgd.pt")


def test_an_export_that_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    trainer = own()
    trainer.export(tmp_path / "architecture.json")
    before = (tmp_path / "architecture.json").read_bytes()

    def full(self, *args, **options):
        with open(self, "w", encoding="utf-8") as file:
            file.write("{")
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space"):
        trainer.export(tmp_path / "architecture.json")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


def test_a_checkpoint_never_runs_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": Malicious()}, "evil.pt")
    Path("evil.pickle").write_bytes(pickle.dumps(Malicious()))
    for file in ("evil.pt", "evil.pickle"):
        with pytest.raises(RecordError, match="cannot be read"):
            own().resume(file)
    assert not Path("pwned").exists()


def test_a_mutator_of_another_model_is_refused():
    with pytest.raises(ConfigError, match="is bound to another model"):
        OwnTrainer(Net(), OwnMutator(Net()), sgd(Net()))


def test_decisions_are_written_for_each_epoch_where_visualization_is_enabled(tmp_path):
    trainer = darts()
    trainer.enable_visualization(tmp_path / "logs")
    trainer.train()
    lines = [json.loads(line) for line in (tmp_path / "logs/status.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1]
    assert sum(lines[1]["status"]["second"]) == pytest.approx(1)
    assert set(lines[1]["metrics"]) == {"train", "valid"}
    other = own()
    other.enable_visualization(tmp_path / "own")
    other.train()
    assert len((tmp_path / "own/status.jsonl").read_text().splitlines()) == 2


def test_metrics_are_logged_every_few_steps_and_after_each_epoch(caplog):
    with caplog.at_level(logging.INFO, logger="retiarii.classic.pytorch.trainer"):
        darts(log_frequency=2).train()
    lines = [r.getMessage() for r in caplog.records if r.name == "retiarii.classic.pytorch.trainer"]
    assert sum("Epoch [1/2] train step [1/3]  acc" in line for line in lines) == 1
    assert sum("Epoch [1/2] train step [3/3]  acc" in line for line in lines) == 1
    assert sum("train  acc: " in line for line in lines) == 2
    assert sum("valid  acc: " in line for line in lines) == 2


def test_validate_measures_without_training():
    trainer = darts()
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.validate()
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.state_dict().items())
    assert trainer.history == []


def test_base_trainers_are_abstract():
    with pytest.raises(TypeError, match="abstract"):
        BaseTrainer()
    with pytest.raises(TypeError, match="abstract"):
        Trainer(Net(), None, None, None, None, 1, None, None, 1, 0, None, None, None)


def test_tensors_are_lists_in_json():
    masks = {"key": torch.tensor([True, False]), "weights": torch.tensor([0.5, 0.5])}
    assert json.loads(json.dumps(masks, cls=TorchTensorEncoder)) == {"key": [True, False], "weights": [0.5, 0.5]}
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps({"key": object()}, cls=TorchTensorEncoder)


def test_nested_mutables_are_walked_as_in_nni():
    root = StructuredMutableTreeNode(None)
    model = Net()
    outer = root.add_child(model.conv1)
    outer.add_child(model.conv2)
    assert list(root) == [model.conv1, model.conv2]
    assert outer.type() is LayerChoice
