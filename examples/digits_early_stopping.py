"""Early stopping against random search with as many networks, on the handwritten digits of scikit-learn.

Random search trains 27 networks for 27 epochs each. MedianStop ends those that fall behind. ASHA trains each for 3
epochs, continues the best third up to 9, and the best third of those up to 27. Hyperband does so in three rounds, which
start with 3, 9 and 27 epochs, and takes 17 networks.

``python examples/digits_early_stopping.py`` takes three minutes on two cores;
``python examples/digits_early_stopping.py 10 random ASHA`` compares ten searches of each of these two.
"""

import os
import statistics
import sys
import time

import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import ASHA, Hyperband, MedianStop, Random

NUM_NETWORKS, FIRST, EPOCHS = (4, 1, 3) if os.environ.get("RETIARII_EXAMPLE_FAST") else (27, 3, 27)

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
labels = torch.tensor(digits.target)
train, valid, test = slice(0, 600), slice(600, 1300), slice(1300, 1797)


def activation(label):
    return nn.LayerChoice([nn.ReLU(), nn.Tanh(), nn.Sigmoid()], label=label)


width = nn.ValueChoice([2, 4, 8, 16], label="width")
kernel = nn.ValueChoice([1, 3, 5], label="kernel")
model = nn.Sequential(
    nn.Conv2d(1, width, kernel, padding=kernel // 2),
    activation("act"),
    nn.Repeat(
        lambda i: nn.Sequential(nn.Conv2d(width, width, kernel, padding=kernel // 2), activation(f"act{i}")),
        (0, 2),
        label="depth",
    ),
    nn.LayerChoice([nn.MaxPool2d(2), nn.AvgPool2d(2)], label="pool"),
    nn.Flatten(),
    nn.Linear(width * 16, 10),
)


def accuracy(net, part):
    with torch.no_grad():
        return (net(images[part]).argmax(1) == labels[part]).float().mean().item()


def evaluate(net, learning_rate, context):
    optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate)
    done = 0
    if context.parent_folder is not None:  # this trial continues another one
        saved = torch.load(context.parent_folder / "saved.pt")
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        done = saved["epochs"]
    epochs, begin = int(context.fidelity.get("epochs", EPOCHS)), time.perf_counter()
    for _ in range(epochs - done):
        for batch in torch.randperm(600).split(30):
            optimizer.zero_grad()
            F.cross_entropy(net(images[train][batch]), labels[train][batch]).backward()
            optimizer.step()
        seconds = time.perf_counter() - begin
        metrics = {"accuracy": accuracy(net, valid), "test": accuracy(net, test), "seconds": seconds}
        context.report(metrics)
    state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epochs": epochs}
    torch.save(state, context.folder / "saved.pt")
    return metrics


STRATEGIES = {
    "random": Random(),
    "MedianStop": MedianStop(Random(), warmup_steps=2),
    "ASHA": ASHA("epochs", FIRST, EPOCHS, max_architectures=NUM_NETWORKS),
    "Hyperband": Hyperband("epochs", FIRST, EPOCHS, cycles=1),
}


def search(name, seed):
    """Return the epochs, seconds of training and best accuracy of a search, and that on digits not used so far."""
    evaluator = FunctionalEvaluator(evaluate, learning_rate=nn.FloatRange(1e-3, 1e-1, log=True, label="lr"))
    experiment = RetiariiExperiment(model, evaluator, strategy=STRATEGIES[name])
    limit = NUM_NETWORKS if name in ("random", "MedianStop") else None  # the others end by themselves
    config = RetiariiExeConfig("local", trial_concurrency=2, max_trial_number=limit, seed=seed, progress=False)
    config.objectives = {"accuracy": "maximize"}
    experiment.run(config)
    trials = experiment.trials()
    epochs = sum(len(trial.intermediates) for trial in trials)
    seconds = sum(trial.metrics["seconds"] for trial in trials if trial.metrics)
    best = experiment.top_trials(1)[0].metrics or {}
    return epochs, seconds, best["accuracy"], best["test"]


num_seeds, names = int(sys.argv[1]) if len(sys.argv) > 1 else 1, sys.argv[2:] or list(STRATEGIES)
print("mean of", num_seeds, "    epochs  seconds  accuracy  on digits not used so far")
for name in names:
    rows = [search(name, seed) for seed in range(num_seeds)]
    epochs, seconds, found, unseen = (statistics.mean(column) for column in zip(*rows, strict=True))
    print(f"{name:12} {epochs:9.0f} {seconds:8.1f} {found:9.4f} {unseen:7.4f}", flush=True)
