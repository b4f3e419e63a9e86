"""Search with shared weights: DARTS on the handwritten digits of scikit-learn.

The network that it finds is tested with its weights from the supernet, and after a training from scratch.

Needs ``pip install "retiarii[lightning,demo]"``. The supernet is trained in this process; Ctrl-C stops after the epoch,
and ``retiarii resume ID`` continues.
"""

import os

import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import retiarii.evaluator.pytorch.lightning as pl
import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig, RetiariiExperiment, freeze, strategy
from retiarii.oneshot import recalibrate_batch_norm, subnet

EPOCHS = 2 if os.environ.get("RETIARII_EXAMPLE_FAST") else 25

digits = load_digits()
images = torch.tensor(digits.images).float().unsqueeze(1) / 16
labels = torch.tensor(digits.target)


class Net(nn.Module):
    """Three blocks, each a choice of operations with a choice of skipping it, and a width that all share."""

    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([8, 16], label="width")
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(3))
        self.blocks = nn.ModuleList(self.block(width, number) for number in range(3))
        self.skips = nn.ModuleList(nn.InputChoice(2, 1, label=f"skip{number}") for number in range(3))
        self.head = nn.Linear(4 * width, 10)

    @staticmethod
    def block(width, number):
        operations = {
            "conv3x3": nn.Conv2d(width, width, 3, padding=1),
            "conv1x1": nn.Conv2d(width, width, 1),
            "pool": nn.AvgPool2d(3, 1, 1),
        }
        return nn.LayerChoice(operations, label=f"op{number}")

    def forward(self, x):
        x = F.max_pool2d(self.stem(x), 2)
        for norm, block, skip in zip(self.norms, self.blocks, self.skips, strict=True):
            y = block(F.relu(norm(x)))
            x = skip([y, x + y])
        return self.head(F.max_pool2d(F.relu(x), 2).flatten(1))


def loader(begin, end, shuffle):
    return pl.DataLoader(TensorDataset(images[begin:end], labels[begin:end]), batch_size=50, shuffle=shuffle)


def accuracy(network):
    """Return the accuracy on images that neither search nor training has seen."""
    network.eval()
    with torch.no_grad():
        return (network(images[1400:]).argmax(1) == labels[1400:]).float().mean().item()


evaluator = pl.Classification(
    learning_rate=0.003,
    train_dataloaders=loader(0, 700, shuffle=True),  # for the weights
    val_dataloaders=loader(700, 1400, shuffle=True),  # for the architecture
    max_epochs=EPOCHS,
)
experiment = RetiariiExperiment(Net(), evaluator, [], strategy.DARTS(arc_learning_rate=0.01))
experiment.run(RetiariiExeConfig(seed=0))

for record in experiment.search_history()[:: max(1, EPOCHS // 5)]:
    shares = {label: f"{max(values.values()):.2f}" for label, values in record.probabilities.items()}
    print(f"epoch {record.epoch:2}: probability of the best value of each choice", shares)
architecture = experiment.export_top_models()[0]
print("found:", architecture)

inherited = subnet(experiment.supernet(), architecture)
recalibrate_batch_norm(inherited, loader(0, 700, shuffle=False))  # those of the supernet mix all of its paths
print(f"with the weights of the supernet: {accuracy(inherited):.3f}, a ranking figure only")

torch.manual_seed(0)
trained = freeze(Net(), architecture)
pl.Classification(
    learning_rate=0.003,
    train_dataloaders=loader(0, 1400, shuffle=True),
    val_dataloaders=loader(1400, 1797, shuffle=False),
    max_epochs=EPOCHS,
).evaluate(trained)
print(f"trained from scratch on all 1,400 training images: {accuracy(trained):.3f}")
