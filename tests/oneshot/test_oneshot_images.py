"""On real images, subnets with shared weights classify better than chance."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.oneshot import DARTS, RandomOneShot, SearchLoop, recalibrate_batch_norm, subnet


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([8, 16], label="width")
        self.stem = nn.Conv2d(1, width, nn.ValueChoice([3, 5], label="kernel"), padding="same")
        self.norm = nn.BatchNorm2d(width)
        self.op = nn.LayerChoice(
            {"conv": nn.Conv2d(width, width, 3, padding=1), "pool": nn.MaxPool2d(3, 1, 1), "cut": Cut()}, label="op"
        )
        self.last = nn.BatchNorm2d(width)
        self.head = nn.Linear(width * 16, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.norm(self.stem(x))), 2)
        return self.head(F.adaptive_avg_pool2d(torch.relu(self.last(self.op(x))), 4).flatten(1))


class Cut(nn.Module):
    """Loses everything."""

    def forward(self, x):
        return x * 0


@pytest.fixture(scope="module")
def digits(shared_data):
    with np.load(shared_data / "mnist_70k.npz") as file:
        x = torch.tensor(file["x_train"][:2400]).float().unsqueeze(1)[:, :, ::2, ::2] / 255
        y = torch.tensor(file["y_train"][:2400]).long()
    return x, y


def loss(network, batch):
    return F.cross_entropy(network(batch[0]), batch[1])


def batches(x, y):
    return list(zip(x.split(40), y.split(40), strict=True))


def accuracy(network, x, y):
    with torch.no_grad():
        return (network.eval()(x).argmax(1) == y).float().mean().item()


def test_subnets_inherit_their_accuracy_and_need_recalibrated_statistics(digits):
    x, y = digits
    torch.manual_seed(0)
    search = RandomOneShot().search(Net())
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.1, momentum=0.9)
    SearchLoop(search, loss, optimizer).run(batches(x[:1600], y[:1600]), [], num_epochs=6)
    raw, calibrated = [], []
    for seed in range(4):
        architecture = {**search.supernet.space.sample(random.Random(seed)), "op": "conv" if seed % 2 else "pool"}
        network = subnet(search, architecture)
        raw.append(accuracy(network, x[2000:], y[2000:]))
        recalibrate_batch_norm(network, batches(x[:1600], y[:1600]), num_batches=20)
        calibrated.append(accuracy(network, x[2000:], y[2000:]))
    assert min(calibrated) > 0.75
    assert sum(calibrated) > sum(raw)


def test_darts_does_not_choose_the_operation_that_loses_everything(digits):
    x, y = digits
    torch.manual_seed(0)
    search = DARTS(arc_learning_rate=0.02).search(Net())
    optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.05, momentum=0.9)
    records = SearchLoop(search, loss, optimizer).run(batches(x[:1200], y[:1200]), batches(x[1200:], y[1200:]), 3)
    assert search.export()["op"] != "cut"
    assert records[-1].probabilities["op"]["cut"] < records[0].probabilities["op"]["cut"] < 1 / 3
