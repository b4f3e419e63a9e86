"""Search a small convolutional network on the handwritten digits that ship with scikit-learn.

Run it with ``python examples/digits.py``; it takes about half a minute on two cores.
"""

import os

import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

import retiarii.nn.pytorch as nn
from retiarii import FunctionalEvaluator, fixed_arch, model_wrapper, report_intermediate_result, strategy
from retiarii.experiment.pytorch import RetiariiExeConfig, RetiariiExperiment

FINAL_EPOCHS = 2 if os.environ.get("RETIARII_EXAMPLE_FAST") else 20

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
labels = torch.tensor(digits.target)
train, valid, test = slice(0, 1000), slice(1000, 1400), slice(1400, 1797)


@model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([8, 16, 32], label="width")
        kernel = nn.ValueChoice([3, 5], label="kernel")
        self.stem = nn.Conv2d(1, width, kernel, padding=kernel // 2)
        self.op = nn.LayerChoice({"conv": nn.Conv2d(width, width, 3, padding=1), "skip": nn.Identity()}, label="op")
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = F.relu(self.op(F.relu(self.stem(x))))
        return self.head(x.mean(dim=(2, 3)))


def accuracy(model, part):
    with torch.no_grad():
        return (model(images[part]).argmax(1) == labels[part]).float().mean().item()


def evaluate(model, epochs=3):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(epochs):
        for batch in torch.randperm(1000).split(64):
            loss = F.cross_entropy(model(images[train][batch]), labels[train][batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        report_intermediate_result(accuracy(model, valid))
    return accuracy(model, valid)


experiment = RetiariiExperiment(Net(), FunctionalEvaluator(evaluate), [], strategy.Random())
config = RetiariiExeConfig("local", trial_concurrency=2, max_trial_number=6, seed=0)
experiment.run(config)
best = experiment.export_top_models(formatter="dict")[0]
print("best architecture:", best)
with fixed_arch(best):
    model = Net()
evaluate(model, FINAL_EPOCHS)
print(f"trained from scratch for {FINAL_EPOCHS} epochs, accuracy on unseen digits: {accuracy(model, test):.3f}")
