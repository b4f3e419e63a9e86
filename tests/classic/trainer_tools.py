"""Data, metrics and a trainer of the user's own, for the tests of trainers."""

from __future__ import annotations

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from retiarii.classic.pytorch.trainer import Trainer
from retiarii.classic.pytorch.utils import AverageMeterGroup


def images(count=48, seed=0):
    """Images whose class is the brightest of three stripes."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 1, 9, 9, generator=generator)
    y = torch.randint(3, (count,), generator=generator)
    for index in range(count):
        x[index, :, 3 * y[index] : 3 * y[index] + 3] += 1
    return TensorDataset(x, y)


def accuracy(output, target):
    return (output.argmax(1) == target).float().mean().item()


def metrics(output, target):
    return {"acc": accuracy(output, target)}


def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


class OwnTrainer(Trainer):
    """A trainer as a user of NNI 1.x writes it: the mutator is reset before each batch."""

    def __init__(self, model, mutator, optimizer, num_epochs=2, callbacks=None, **options):
        super().__init__(
            model, mutator, F.cross_entropy, metrics, optimizer, num_epochs, images(), images(16, 1), 8, 0, "cpu",
            options.pop("log_frequency", None), callbacks, **options,
        )  # fmt: skip
        self.train_loader = DataLoader(self.dataset_train, batch_size=self.batch_size, shuffle=True)
        self.valid_loader = DataLoader(self.dataset_valid, batch_size=self.batch_size)
        self.losses = []

    def train_one_epoch(self, epoch):
        self.model.train()
        meters = AverageMeterGroup()
        for x, y in self.train_loader:
            x, y = x.to(self.device), y.to(self.device)
            self.optimizer.zero_grad()
            self.mutator.reset()
            output = self.model(x)
            loss = self.loss(output, y)
            loss.backward()
            self.optimizer.step()
            meters.update({**self.metrics(output, y), "loss": loss.item()})
            self.losses.append(loss.item())

    def validate_one_epoch(self, epoch):
        self.model.eval()
        with torch.no_grad():
            for x, y in self.valid_loader:
                self.mutator.reset()
                self.metrics(self.model(x), y)
