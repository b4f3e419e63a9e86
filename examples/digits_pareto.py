"""Accuracy against size: NSGA2 searches for the Pareto front of networks for the handwritten digits of scikit-learn.

Run it with ``python examples/digits_pareto.py``; it takes about half a minute on two cores.
"""

import os

import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig, RetiariiExperiment, at_most
from retiarii.strategy import NSGA2

NUM_TRIALS = 8 if os.environ.get("RETIARII_EXAMPLE_FAST") else 40

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
labels = torch.tensor(digits.target)
train, valid = slice(0, 1000), slice(1000, 1797)

width = nn.ValueChoice([2, 4, 8, 16, 32], label="width")
hidden = nn.ValueChoice([8, 16, 32, 64], label="hidden")
model = nn.Sequential(
    nn.LayerChoice([nn.Conv2d(1, width, 3, padding=1), nn.Conv2d(1, width, 5, padding=2)], label="stem"),
    nn.ReLU(),
    nn.Repeat(lambda i: nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU()), (0, 2), label="depth"),
    nn.LayerChoice([nn.MaxPool2d(2), nn.AvgPool2d(2)], label="pool"),
    nn.Flatten(),
    nn.Linear(width * 16, hidden),
    nn.ReLU(),
    nn.Linear(hidden, 10),
)


def evaluate(net):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(6):
        for batch in torch.randperm(1000).split(50):
            optimizer.zero_grad()
            F.cross_entropy(net(images[train][batch]), labels[train][batch]).backward()
            optimizer.step()
    with torch.no_grad():
        return {"accuracy": (net(images[valid]).argmax(1) == labels[valid]).float().mean().item()}


experiment = RetiariiExperiment(model, evaluate, strategy=NSGA2(population_size=10))
config = RetiariiExeConfig("local", trial_concurrency=2, max_trial_number=NUM_TRIALS, seed=0)
config.objectives = {"accuracy": "maximize", "params": "minimize"}  # parameters are counted, not reported
config.constraints = [at_most("params", 50_000)]  # larger networks are never trained
experiment.run(config)

print("\nNo network of this search is both more accurate and smaller than one of these:")
for trial in experiment.pareto_front():
    found = trial.metrics or {}
    print(f"{found['accuracy']:.1%} {found['params']:8,.0f} parameters  {dict(trial.architecture)}")
print("hypervolume:", round(experiment.hypervolume({"accuracy": 0.5, "params": 50_000})))
