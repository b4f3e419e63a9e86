"""Lightning evaluators that are sent to another process."""

from __future__ import annotations

import subprocess
import sys

_SENDER = """
import sys
import torch
from sklearn.datasets import load_digits
import pytorch_lightning
import retiarii.evaluator.pytorch.lightning as pl
import retiarii.nn.pytorch as rnn
from retiarii.evaluator import dumps, serialize, trace

class Digits(torch.utils.data.Dataset):
    def __init__(self, start, stop, transform):
        data = load_digits()
        self.images = torch.tensor(data.images[start:stop], dtype=torch.float32)
        self.labels, self.transform = torch.tensor(data.target[start:stop]), transform
    def __len__(self): return len(self.labels)
    def __getitem__(self, i): return self.transform(self.images[i]), self.labels[i]

class Divide:
    def __init__(self, by): self.by = by
    def __call__(self, x): return x / self.by

class Own(pl.LightningModule):
    def __init__(self, lr):
        super().__init__()
        self.lr = lr
    def training_step(self, batch, i):
        return torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1])
    def validation_step(self, batch, i):
        self.log("val_acc", (self.model(batch[0]).argmax(1) == batch[1]).float().mean(), batch_size=len(batch[1]))
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)

class Stop(pytorch_lightning.Callback):
    def on_train_epoch_end(self, trainer, module): trainer.should_stop = True

transform = serialize(Divide, 16)
batch_size = rnn.ValueChoice([16, 32], label="batch_size")
loaders = [
    pl.DataLoader(serialize(Digits, 0, 256, transform=transform), batch_size=batch_size),
    pl.DataLoader(serialize(Digits, start=256, stop=356, transform=serialize(Divide(16))), batch_size=100),
]
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
lr = rnn.ValueChoice([0.001, 0.01], label="lr")
evaluators = [
    pl.Classification(
        learning_rate=lr, train_dataloader=loaders[0], val_dataloaders=loaders[1], max_epochs=50, callbacks=[Stop()]
    ),
    pl.Lightning(Own(lr), pl.Trainer(max_epochs=1), *loaders),
]
payload = dumps((net, evaluators), "evaluator")
assert len(payload) < 20_000, len(payload)  # no images in it
sys.stdout.buffer.write(payload)
"""

_RECEIVER = """
import copy, sys
from retiarii.evaluator import TrialContext, loads, run_evaluation
net, evaluators = loads(sys.stdin.buffer.read())
assert evaluators[0].train_dataloaders is evaluators[1].train_dataloaders
for evaluator in evaluators:
    fixed = evaluator.fix({"batch_size": 32, "lr": 0.01})
    assert fixed.train_dataloaders.dataset is evaluator.train_dataloaders.dataset
    print(run_evaluation(fixed, copy.deepcopy(net), TrialContext())["default"])
"""


def python(code, data=b""):
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout


def test_evaluators_defined_in_main_train_in_another_process():
    first, second = map(float, python(_RECEIVER, python(_SENDER)).split())
    assert first == second > 0.3
