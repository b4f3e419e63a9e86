"""Run (or resume) a one-shot experiment that prints a line per epoch; the tests interrupt and kill this process.

Usage: one_shot_script.py STORE run|resume [ID]
"""

import sys
import time
import warnings

import torch

import retiarii.evaluator.pytorch.lightning as pl
import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig, RetiariiExperiment
from retiarii.experiment import Callback
from retiarii.strategy import DARTS

warnings.simplefilter("ignore")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.op = nn.LayerChoice([nn.Linear(4, 4), nn.Identity()], label="op")
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        time.sleep(0.01)  # so that signals arrive within an epoch
        return self.head(self.op(x))


class Tell(Callback):
    def on_supernet_epoch(self, epoch):
        print("epoch", epoch.number, flush=True)


def main():
    if sys.argv[2] == "resume":
        experiment = RetiariiExperiment.resume(sys.argv[3], storage=sys.argv[1], callbacks=[Tell()])
    else:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(64, 4, generator=generator)
        data = torch.utils.data.TensorDataset(x, (x[:, 0] > 0).long())
        loaders = [pl.DataLoader(data, batch_size=4, shuffle=True) for _ in range(2)]
        evaluator = pl.Classification(
            learning_rate=0.01, train_dataloaders=loaders[0], val_dataloaders=loaders[1], max_epochs=5,
            accelerator="cpu", num_sanity_val_steps=0, limit_val_batches=2,
        )  # fmt: skip
        torch.manual_seed(0)
        experiment = RetiariiExperiment(Net(), evaluator, [], DARTS(arc_learning_rate=0.1), callbacks=[Tell()])
        experiment.run(RetiariiExeConfig(seed=7, storage=sys.argv[1]))
    print("state", experiment.state.value, flush=True)


main()
