"""Early stopping: ASHA against random search with as many networks, on the handwritten digits of scikit-learn.

Random search trains every network for 27 epochs. ASHA trains each for 3, goes on with the best third up to 9 epochs,
and with the best third of those up to 27, from where they stopped.

``python examples/digits_asha.py`` takes about a minute on two cores; ``python examples/digits_asha.py 10`` compares ten
searches of each kind.
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
from retiarii.strategy import ASHA, Random

NUM_NETWORKS, EPOCHS = (9, 9) if os.environ.get("RETIARII_EXAMPLE_FAST") else (27, 27)

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
    state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epochs": epochs}
    torch.save(state, context.folder / "saved.pt")
    return {"accuracy": accuracy(net, valid), "test": accuracy(net, test), "epochs": epochs - done, "seconds": seconds}


def search(name, strategy, seed, max_trials=None):
    evaluator = FunctionalEvaluator(evaluate, learning_rate=nn.FloatRange(1e-3, 1e-1, log=True, label="lr"))
    experiment = RetiariiExperiment(model, evaluator, strategy=strategy)
    config = RetiariiExeConfig("local", trial_concurrency=2, max_trial_number=max_trials, seed=seed, progress=False)
    config.objectives = {"accuracy": "maximize"}
    experiment.run(config)
    measured = [trial.metrics for trial in experiment.trials() if trial.metrics]
    best = experiment.top_trials(1)[0].metrics
    epochs, seconds = (sum(metrics[key] for metrics in measured) for key in ("epochs", "seconds"))
    found = best["accuracy"], best["test"]
    print(f"{name:6} {len(measured):3} trials {epochs:6.0f} {seconds:8.1f} {found[0]:9.4f} {found[1]:7.4f}", flush=True)
    return epochs, seconds, *found


print("                  epochs  seconds  accuracy  on digits not used so far")
results = {"random": [], "ASHA": []}
for seed in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
    results["random"].append(search("random", Random(), seed, NUM_NETWORKS))
    halving = ASHA("epochs", min_fidelity=3, max_fidelity=EPOCHS, max_architectures=NUM_NETWORKS)
    results["ASHA"].append(search("ASHA", halving, seed))
for name, rows in results.items():
    epochs, seconds, found, unseen = (statistics.mean(column) for column in zip(*rows, strict=True))
    print(f"{name:6} on average {epochs:6.0f} {seconds:8.1f} {found:9.4f} {unseen:7.4f}")
