"""Search architecture, learning rate and batch size together, with PyTorch Lightning.

Needs ``pip install "retiarii[lightning,demo]"``. The data set is built once and shared by all trials.
"""

import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import retiarii.evaluator.pytorch.lightning as pl
import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig, RetiariiExperiment, model_wrapper, serialize
from retiarii.strategy import Random

digits = load_digits()
images = torch.tensor(digits.images).float().unsqueeze(1) / 16
labels = torch.tensor(digits.target)


@model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([8, 16, 32], label="width")
        self.conv = nn.Conv2d(1, width, nn.ValueChoice([3, 5], label="kernel"), padding="same")
        self.norm = nn.LayerChoice([nn.BatchNorm2d(width), nn.Identity()], label="norm")
        self.head = nn.Linear(width * 16, 10)

    def forward(self, x):
        return self.head(F.max_pool2d(F.relu(self.norm(self.conv(x))), 2).flatten(1))


evaluator = pl.Classification(
    learning_rate=nn.FloatRange(1e-4, 1e-1, log=True, label="learning_rate"),
    train_dataloaders=pl.DataLoader(
        serialize(TensorDataset, images[:1400], labels[:1400]),
        batch_size=nn.ValueChoice([25, 50, 100], label="batch_size"),
        shuffle=True,
    ),
    val_dataloaders=pl.DataLoader(serialize(TensorDataset, images[1400:], labels[1400:]), batch_size=200),
    num_classes=10,
    max_epochs=3,
)

experiment = RetiariiExperiment(Net(), evaluator, [], Random())
experiment.run(RetiariiExeConfig("local", trial_concurrency=2, max_trial_number=6, seed=0))
for trial in experiment.top_trials(3):
    print(f"{trial.metric:.3f}", dict(trial.architecture))
