"""MNIST from search to retraining, with the model of the guide."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset
from trainer_tools import accuracy, metrics

from retiarii.classic.pytorch import mutables
from retiarii.classic.pytorch.darts import DartsTrainer
from retiarii.classic.pytorch.enas import EnasTrainer
from retiarii.classic.pytorch.fixed import apply_fixed_architecture


class Net(nn.Module):
    """With a third candidate that loses everything."""

    def __init__(self):
        super().__init__()
        self.conv1 = mutables.LayerChoice(
            {"conv3": nn.Conv2d(1, 16, 3, 1, 1), "conv5": nn.Conv2d(1, 16, 5, 1, 2), "cut": Cut()}, key="conv1"
        )
        self.conv2 = nn.Conv2d(16, 16, 3, 1, 1)
        self.conv3 = nn.Conv2d(16, 16, 1, 1)
        self.skipcon = mutables.InputChoice(n_candidates=1, key="skip")
        self.fc = nn.Linear(16 * 9, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.conv2(x))
        x0 = self.skipcon([x])
        x = self.conv3(x)
        if x0 is not None:
            x = x + x0
        return self.fc(F.adaptive_avg_pool2d(F.relu(x), 3).flatten(1))


class Cut(nn.Module):
    def __init__(self):
        super().__init__()
        self.shape = nn.Conv2d(1, 16, 1)

    def forward(self, x):
        return self.shape(x) * 0


@pytest.fixture(scope="module")
def digits(shared_data):
    with np.load(shared_data / "mnist_70k.npz") as file:
        x = torch.tensor(file["x_train"][:1400]).float().unsqueeze(1)[:, :, ::2, ::2] / 255
        y = torch.tensor(file["y_train"][:1400]).long()
    return x, y


def searched(name, model, digits):
    x, y = digits
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    common = {
        "num_epochs": 4,
        "dataset_train": TensorDataset(x[:800], y[:800]),
        "dataset_valid": TensorDataset(x[800:1000], y[800:1000]),
        "batch_size": 40,
        "workers": 0,
        "device": "cpu",
    }
    if name == "darts":
        return DartsTrainer(model, nn.CrossEntropyLoss(), metrics, optimizer, arc_learning_rate=0.05, **common)
    return EnasTrainer(
        model, nn.CrossEntropyLoss(), metrics, accuracy, optimizer, child_steps=40, mutator_steps=10,
        mutator_steps_aggregate=5, mutator_lr=0.02, baseline_decay=0.9, **common,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["darts", "enas"])
def test_the_search_avoids_what_loses_everything_and_its_network_learns_mnist(name, digits, tmp_path):
    x, y = digits
    torch.manual_seed(0)
    trainer = searched(name, Net(), digits)
    trainer.train()
    trainer.export(file=tmp_path / "final_architecture.json")
    shares = trainer.mutator.search.probabilities()["conv1"]
    assert shares["cut"] < 1 / 3

    model = Net()
    apply_fixed_architecture(model, tmp_path / "final_architecture.json")
    assert type(model.conv1) is nn.Conv2d
    optimizer = torch.optim.Adam(model.parameters(), 0.003)
    for _ in range(6):
        for images, labels in zip(x[:1000].split(20), y[:1000].split(20), strict=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
    with torch.no_grad():
        assert accuracy(model.eval()(x[1000:]), y[1000:]) > 0.65
