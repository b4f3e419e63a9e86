"""Search with seven one-shot strategies on one budget, and compare what they find with random architectures.

Every strategy trains a supernet for the same number of epochs. The architecture that it finds, and five random ones,
are then trained from scratch by one recipe, with several seeds. The table shows their accuracies.

Images are MNIST through torchvision where it is installed, else the small digits of scikit-learn; or those of the file
in the environment variable ``IMAGES_NPZ`` (arrays ``x_train``, ``y_train``, ``x_test`` and ``y_test`` of any images,
colour last). ``--cells`` searches a cell, as DARTS does, instead of a chain of layers.
"""

import argparse
import functools
import os
import random
import statistics
import time

import numpy as np
import torch
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii.oneshot import (
    DARTS,
    ENAS,
    PCDARTS,
    DrNAS,
    GumbelDARTS,
    Proxyless,
    RandomOneShot,
    SearchLoop,
    SubnetEvaluator,
    search_subnets,
)
from retiarii.strategy import RegularizedEvolution

FAST = bool(os.environ.get("RETIARII_EXAMPLE_FAST"))

STRATEGIES = {
    "RandomOneShot + evolution": RandomOneShot(),
    "ENAS": ENAS(arc_learning_rate=0.005, ctrl_steps_aggregate=5, baseline_decay=0.95),
    "DARTS": DARTS(arc_learning_rate=0.003),
    "DARTS, second order": DARTS(arc_learning_rate=0.003, unrolled=True),
    "GumbelDARTS": GumbelDARTS(arc_learning_rate=0.003, use_temp_anneal=True),
    "Proxyless": Proxyless(arc_learning_rate=0.003),
    "DrNAS": DrNAS(arc_learning_rate=0.003),
    "PCDARTS": PCDARTS(arc_learning_rate=0.003),
}


class Net(nn.Module):
    """Three stages of one or two blocks, each a choice of operations."""

    def __init__(self, colours=1, channels=16):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(colours, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.stages = nn.ModuleList(self.stage(number, channels) for number in range(3))
        self.skip = nn.InputChoice(2, 1, label="skip")
        self.head = nn.Linear(channels, 10)

    @staticmethod
    def stage(number, channels):
        def block(index):
            return nn.LayerChoice(
                {
                    "conv3x3": conv(channels, 3),
                    "conv1x1": conv(channels, 1),
                    "separable": nn.Sequential(
                        nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False), conv(channels, 1)
                    ),
                    "pool": nn.MaxPool2d(3, 1, 1),
                    "identity": nn.Identity(),
                },
                label=f"stage{number}/op{index}",
            )

        return nn.Repeat(block, (1, 2), label=f"stage{number}/depth")

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            y = stage(F.relu(x))
            x = F.max_pool2d(self.skip([y, x + y]), 2, ceil_mode=True)
        return self.head(x.mean((2, 3)))


class CellNet(nn.Module):
    """Three cells of one kind: three nodes, each of which sums up two operations on earlier nodes."""

    def __init__(self, colours=1, channels=12):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(colours, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.cells = nn.ModuleList(self.cell(channels) for _ in range(3))
        self.shrink = nn.ModuleList(conv(channels, 1, 3 * channels) for _ in range(3))
        self.head = nn.Linear(channels, 10)

    @staticmethod
    def cell(channels):
        operations = {
            "conv3x3": lambda node, op, source: conv(channels, 3),
            "separable": lambda node, op, source: nn.Sequential(
                nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False), conv(channels, 1)
            ),
            "max_pool": lambda node, op, source: nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.BatchNorm2d(channels)),
            "avg_pool": lambda node, op, source: nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.BatchNorm2d(channels)),
            "identity": lambda node, op, source: nn.Identity(),
        }
        return nn.Cell(operations, 3, 2, 2, label="cell")

    def forward(self, x):
        before = x = self.stem(x)
        for cell, shrink in zip(self.cells, self.shrink, strict=True):
            before, x = x, shrink(cell([before, x]))
            before, x = (F.max_pool2d(y, 2, ceil_mode=True) for y in (before, x))
        return self.head(x.mean((2, 3)))


def conv(channels, size, inputs=None):
    return nn.Sequential(
        nn.Conv2d(inputs or channels, channels, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


def load_images(count):
    """Return training images and labels for search, and test images and labels, as tensors."""
    path = os.environ.get("IMAGES_NPZ")
    if path:
        with np.load(path) as file:
            arrays = [file[name] for name in ("x_train", "y_train", "x_test", "y_test")]
    else:
        arrays = from_torchvision() or from_scikit_learn()
    x, y, test_x, test_y = (torch.as_tensor(np.asarray(array)) for array in arrays)
    coloured = [images.unsqueeze(-1) if images.dim() == 3 else images for images in (x, test_x)]
    scaled = [images.permute(0, 3, 1, 2).float() / images.max() for images in coloured]
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))[:count]
    return scaled[0][order], y[order].long(), scaled[1], test_y.long()


def from_torchvision():
    try:
        from torchvision.datasets import MNIST
    except ImportError:
        return None
    parts = [MNIST("data", train=train, download=True) for train in (True, False)]
    return [array for part in parts for array in (part.data.numpy(), part.targets.numpy())]


def from_scikit_learn():
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images[:1400], digits.target[:1400], digits.images[1400:], digits.target[1400:]


def batches(x, y, size=64):
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=size, shuffle=True)


def loss(network, batch):
    return F.cross_entropy(network(batch[0]), batch[1])


def accuracy(network, x, y):
    network.eval()
    with torch.no_grad():
        parts = [network(part).argmax(1) for part in x.split(500)]
    return (torch.cat(parts) == y).float().mean().item()


def search(make, strategy, x, y, epochs):
    """Search on two halves of the training images: one for the weights, one for the architecture."""
    torch.manual_seed(0)
    half = len(y) // 2
    running = strategy.search(make(), seed=0)
    optimizer = torch.optim.SGD(running.supernet.parameters(), lr=0.05, momentum=0.9, weight_decay=3e-4)
    validation = batches(x[half:], y[half:])
    SearchLoop(running, loss, optimizer).run(batches(x[:half], y[:half]), validation, epochs)
    if not isinstance(strategy, RandomOneShot):
        return running.export()
    second = RegularizedEvolution(population_size=10, sample_size=3).search(running.supernet.space, seed=0)
    evaluate = SubnetEvaluator(
        running,
        lambda network: accuracy(network, x[half:], y[half:]),
        calibration=batches(x[:half], y[:half]),
        num_batches=10,
    )
    search_subnets(second, evaluate, 10 if FAST else 60)
    assert second.best is not None  # it has evaluated some
    return second.best.architecture


def retrain(make, architecture, data, epochs, seed):
    """Train one architecture from scratch and return its accuracy on the test images."""
    x, y, test_x, test_y = data
    torch.manual_seed(seed)
    network = nn.freeze(make(), architecture)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=3e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        network.train()
        for batch in batches(x, y):
            optimizer.zero_grad()
            loss(network, batch).backward()
            optimizer.step()
        schedule.step()
    return accuracy(network, test_x, test_y)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300 if FAST else 6000)
    parser.add_argument("--epochs", type=int, default=1 if FAST else 6)
    parser.add_argument("--retrain-epochs", type=int, default=1 if FAST else 4)
    parser.add_argument("--seeds", type=int, default=1 if FAST else 3)
    parser.add_argument("--cells", action="store_true")
    parser.add_argument("--strategies", nargs="*", default=list(STRATEGIES), choices=list(STRATEGIES), metavar="NAME")
    options = parser.parse_args()
    data = load_images(options.images)
    make = functools.partial(CellNet if options.cells else Net, data[0].shape[1])
    space = nn.extract_space(make())
    print(space)

    found = {}
    for name in options.strategies:
        begin = time.time()
        found[name] = (search(make, STRATEGIES[name], data[0], data[1], options.epochs), time.time() - begin)
        print(f"{name}: searched in {found[name][1]:.0f} s", flush=True)
    for number in range(5):
        found[f"random {number}"] = (space.sample(random.Random(number)), 0.0)

    print(f"{'strategy':<28}{'search':>9}{'test accuracy':>18}   architecture")
    for name, (architecture, seconds) in found.items():
        scores = [retrain(make, architecture, data, options.retrain_epochs, seed) for seed in range(options.seeds)]
        spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
        print(
            f"{name:<28}{seconds:>7.1f} s{statistics.mean(scores):>10.4f} ± {spread:.4f}   {dict(architecture)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
