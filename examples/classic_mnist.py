"""The classic way from search to retraining: `EnasTrainer` and `DartsTrainer`, and random architectures beside them.

The model is that of NNI's guide, with more candidates, a second skip connection and batch normalisation. Each trainer
exports its architecture to a JSON file, from which `apply_fixed_architecture` makes the network that is trained from
scratch. Five random architectures are trained by the same recipe.

Images are MNIST through torchvision where it is installed, else the small digits of scikit-learn; or those of the file
in the environment variable ``IMAGES_NPZ`` (arrays ``x_train``, ``y_train``, ``x_test`` and ``y_test``).
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from retiarii.classic.pytorch import mutables
from retiarii.classic.pytorch.darts import DartsTrainer
from retiarii.classic.pytorch.enas import EnasTrainer
from retiarii.classic.pytorch.fixed import apply_fixed_architecture
from retiarii.classic.pytorch.random import RandomMutator
from retiarii.classic.pytorch.trainer import TorchTensorEncoder

FAST = bool(os.environ.get("RETIARII_EXAMPLE_FAST"))


def candidates(inputs, outputs):
    return OrderedDict(
        conv3x3=nn.Conv2d(inputs, outputs, 3, padding=1),
        conv5x5=nn.Conv2d(inputs, outputs, 5, padding=2),
        conv1x1=nn.Conv2d(inputs, outputs, 1),
        dilated=nn.Conv2d(inputs, outputs, 3, padding=2, dilation=2),
    )


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = mutables.LayerChoice(candidates(1, 16), key="conv1")
        self.conv2 = mutables.LayerChoice(candidates(16, 32), key="conv2")
        self.conv3 = mutables.LayerChoice(candidates(32, 32), key="conv3")
        self.conv4 = mutables.LayerChoice(candidates(32, 32), key="conv4")
        self.skip3 = mutables.InputChoice(n_candidates=1, key="skip3")
        self.skip4 = mutables.InputChoice(n_candidates=2, key="skip4")
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for channels in (16, 32, 32, 32))
        self.dropout = nn.Dropout(0.25)
        self.fc1 = nn.Linear(32 * 4, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x1 = F.max_pool2d(F.relu(self.norms[0](self.conv1(x))), 2)
        x2 = F.max_pool2d(F.relu(self.norms[1](self.conv2(x1))), 2)
        x3 = F.relu(self.norms[2](self.added(self.conv3(x2), self.skip3([x2]))))
        x4 = F.relu(self.norms[3](self.added(self.conv4(x3), self.skip4([x2, x3]))))
        x = F.adaptive_avg_pool2d(x4, 2).flatten(1)
        return self.fc2(F.relu(self.fc1(self.dropout(x))))

    @staticmethod
    def added(x, skipped):
        return x if skipped is None else x + skipped  # nothing is chosen


def load_data(count):
    """Return some training images with labels, and the test images with labels."""
    path = os.environ.get("IMAGES_NPZ")
    if path:
        with np.load(path) as file:
            arrays = [file[name] for name in ("x_train", "y_train", "x_test", "y_test")]
    else:
        try:
            from torchvision.datasets import MNIST

            parts = [MNIST("data", train=train, download=True) for train in (True, False)]
            arrays = [array for part in parts for array in (part.data.numpy(), part.targets.numpy())]
        except ImportError:
            from sklearn.datasets import load_digits

            digits = load_digits()
            arrays = [digits.images[:1400], digits.target[:1400], digits.images[1400:], digits.target[1400:]]
    x, y, test_x, test_y = map(torch.as_tensor, arrays)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))[:count]
    x, test_x = (images.float().unsqueeze(1) / images.max() for images in (x[order], test_x))
    return TensorDataset(x, y[order].long()), TensorDataset(test_x, test_y.long())


def top1_accuracy(output, target):
    return (output.argmax(1) == target).float().mean().item()


def metrics_fn(output, target):
    return {"acc1": top1_accuracy(output, target)}


def trainer_of(name, model, dataset_train, dataset_valid, epochs):
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1.0e-4)
    common = {
        "num_epochs": epochs,
        "dataset_train": dataset_train,
        "dataset_valid": dataset_valid,
        "workers": 0,
        "log_frequency": 10,
    }
    if name == "DartsTrainer":
        return DartsTrainer(model, nn.CrossEntropyLoss(), metrics_fn, optimizer, arc_learning_rate=0.02, **common)
    return EnasTrainer(
        model, nn.CrossEntropyLoss(), metrics_fn, top1_accuracy, optimizer, mutator_lr=0.02, baseline_decay=0.95,
        child_steps=10 if FAST else 100, mutator_steps=2 if FAST else 20, mutator_steps_aggregate=5, **common,
    )  # fmt: skip


def retrain(file, dataset_train, dataset_test, epochs, seed):
    """Train one architecture from scratch and return its accuracy on the test images."""
    torch.manual_seed(seed)
    model = Net()
    apply_fixed_architecture(model, file)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=1.0e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        model.train()
        for images, labels in DataLoader(dataset_train, batch_size=64, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        right = [model(images).argmax(1) == labels for images, labels in DataLoader(dataset_test, batch_size=500)]
    return torch.cat(right).float().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300 if FAST else 6000)
    parser.add_argument("--epochs", type=int, default=1 if FAST else 6)
    parser.add_argument("--retrain-epochs", type=int, default=1 if FAST else 4)
    parser.add_argument("--seeds", type=int, default=1 if FAST else 3)
    options = parser.parse_args()
    dataset_train, dataset_test = load_data(options.images)
    dataset_valid = TensorDataset(*dataset_test[:1000])

    with tempfile.TemporaryDirectory() as name:
        folder, seconds = Path(name), {}
        for name in ("EnasTrainer", "DartsTrainer"):
            torch.manual_seed(0)
            trainer = trainer_of(name, Net(), dataset_train, dataset_valid, options.epochs)
            begin = time.time()
            trainer.train()
            seconds[name] = time.time() - begin
            trainer.export(file=folder / f"{name}.json")
        for number in range(5):
            architecture = RandomMutator(Net(), seed=number).export()
            (folder / f"random {number}.json").write_text(json.dumps(architecture, cls=TorchTensorEncoder))
            seconds[f"random {number}"] = 0.0

        results = {}
        for name, searched in seconds.items():
            scores = [
                retrain(folder / f"{name}.json", dataset_train, dataset_test, options.retrain_epochs, seed)
                for seed in range(options.seeds)
            ]
            results[name] = statistics.mean(scores)
            spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
            print(f"{name:<14}{searched:>7.1f} s{results[name]:>10.4f} ± {spread:.4f}", flush=True)
    randoms = [score for name, score in results.items() if name.startswith("random")]
    print(f"random, mean {statistics.mean(randoms):.4f} and best {max(randoms):.4f}")


if __name__ == "__main__":
    main()
