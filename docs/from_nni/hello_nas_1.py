"""Hello, NAS, as written for NNI 1.9: the digits of scikit-learn, a one-shot trainer, and retraining."""

import argparse
import json
from collections import OrderedDict

import torch
import torch.nn as nn
import torch.nn.functional as F
from nni.nas.pytorch import mutables
from nni.nas.pytorch.callbacks import ArchitectureCheckpoint, LRSchedulerCallback
from nni.nas.pytorch.darts import DartsTrainer
from nni.nas.pytorch.fixed import apply_fixed_architecture
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        # LayerChoice chooses one of the operations.
        self.conv2 = mutables.LayerChoice(
            OrderedDict(
                [
                    ("conv3x3", nn.Conv2d(16, 16, 3, padding=1)),
                    ("conv5x5", nn.Conv2d(16, 16, 5, padding=2)),
                    ("maxpool", nn.MaxPool2d(3, 1, 1)),
                ]
            ),
            key="conv2",
        )
        # InputChoice chooses whether there is a skip connection.
        self.skip = mutables.InputChoice(n_candidates=1, key="skip")
        self.fc = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        out = self.conv2(x)
        skip = self.skip([x])
        if skip is not None:
            out = out + skip
        return self.fc(torch.flatten(F.max_pool2d(out, 2), 1))


def load_data():
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)
    return TensorDataset(images[:1400], labels[:1400]), TensorDataset(images[1400:], labels[1400:])


def accuracy(output, target):
    return {"acc1": (output.argmax(1) == target).float().mean().item()}


def make_optimizer(model):
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=3e-4)


def retrain(model, train, test):
    optimizer = make_optimizer(model)
    for epoch in range(args.epochs):
        model.train()
        for x, y in DataLoader(train, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        correct = sum((model(x).argmax(1) == y).sum() for x, y in DataLoader(test, 200))
    return correct.item() / len(test)


if __name__ == "__main__":
    train, test = load_data()
    model = Net()
    optimizer = make_optimizer(model)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    trainer = DartsTrainer(
        model,
        loss=nn.CrossEntropyLoss(),
        metrics=accuracy,
        optimizer=optimizer,
        num_epochs=args.epochs,
        dataset_train=train,
        dataset_valid=test,
        batch_size=64,
        workers=0,
        device="cpu",
        arc_learning_rate=3e-3,
        callbacks=[LRSchedulerCallback(scheduler), ArchitectureCheckpoint("./checkpoints")],
    )
    trainer.train()
    trainer.export(file="final_architecture.json")
    with open("final_architecture.json") as file:
        print(json.load(file))

    final_model = Net()
    apply_fixed_architecture(final_model, "final_architecture.json")
    print(final_model)
    print(retrain(final_model, train, test))
