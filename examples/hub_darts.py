"""A ready space: the cell of NAS-Bench-201, searched by DARTS on the handwritten digits of scikit-learn.

Needs ``pip install "retiarii[lightning,demo]"``.
"""

import os

import torch
from sklearn.datasets import load_digits
from torch.utils.data import TensorDataset

import retiarii.evaluator.pytorch.lightning as pl
from retiarii import RetiariiExeConfig, RetiariiExperiment, fixed_arch, strategy
from retiarii.hub.pytorch import NasBench201

EPOCHS, HALF = (1, 100) if os.environ.get("RETIARII_EXAMPLE_FAST") else (20, 700)

digits = load_digits()
images = (torch.tensor(digits.images).float() / 16).unsqueeze(1).expand(-1, 3, -1, -1)  # the networks take colours
labels = torch.tensor(digits.target)


def loader(begin, end, shuffle=True):
    return pl.DataLoader(TensorDataset(images[begin:end], labels[begin:end]), batch_size=50, shuffle=shuffle)


def training(begin, middle, end, shuffle=True):
    return pl.Classification(
        learning_rate=0.003,
        train_dataloaders=loader(begin, middle),
        val_dataloaders=loader(middle, end, shuffle),
        max_epochs=EPOCHS,
    )


space = NasBench201(stem_out_channels=8, num_modules_per_stack=1)
print(f"{space.PAPER.title}: {space.size:,} architectures")
experiment = RetiariiExperiment(space, training(0, HALF, 2 * HALF), [], strategy.DARTS(arc_learning_rate=0.01))
experiment.run(RetiariiExeConfig(seed=0))

torch.manual_seed(0)
for name, architecture in {
    "found by DARTS": experiment.export_top_models()[0],
    "best in the paper's table": NasBench201.published("best-cifar10"),
}.items():
    with fixed_arch(architecture):
        network = NasBench201(stem_out_channels=8, num_modules_per_stack=1)
    training(0, 2 * HALF, 3 * HALF, shuffle=False).evaluate(network)
    network.eval()
    with torch.no_grad():
        accuracy = (network(images[1400:]).argmax(1) == labels[1400:]).float().mean().item()
    params = sum(weight.numel() for weight in network.parameters())
    print(f"{name}: {params:,} parameters, accuracy on unseen digits {accuracy:.3f}\n  {dict(architecture)}")
