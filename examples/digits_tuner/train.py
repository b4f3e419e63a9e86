"""One trial of a tuner-driven search: a training script with choices in its model.

Run in this folder:

    python train.py                             # on its own: the first candidates
    retiarii ss-gen -t "python train.py"        # writes search_space.json
    retiarii create --config config.yml         # 10 trials, each of which runs this script
    retiarii export digits_tuner -o best.json
    python train.py best.json                   # trains the best architecture for longer
"""

import os
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from retiarii import report_final_result, report_intermediate_result
from retiarii.classic.pytorch.classic_nas import get_and_apply_next_architecture
from retiarii.classic.pytorch.fixed import apply_fixed_architecture
from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice

EPOCHS, FINAL_EPOCHS = (1, 2) if os.environ.get("RETIARII_EXAMPLE_FAST") else (3, 20)

torch.set_num_threads(1)  # trials run side by side
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
labels = torch.tensor(digits.target)
train, valid, test = slice(0, 1000), slice(1000, 1400), slice(1400, 1797)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = LayerChoice([nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(1, 16, 5, padding=2)], key="conv1")
        self.conv2 = LayerChoice(
            {"conv": nn.Conv2d(16, 16, 3, padding=1), "pool": nn.AvgPool2d(3, 1, 1), "none": nn.Identity()}, key="conv2"
        )
        self.skip = InputChoice(n_candidates=1, key="skip")  # one or none
        self.head = nn.Linear(16 * 16, 10)

    def forward(self, x):
        before = F.relu(self.conv1(x))
        x = F.relu(self.conv2(before))
        skipped = self.skip([before])
        if skipped is not None:
            x = x + skipped
        return self.head(F.max_pool2d(x, 2).flatten(1))


def accuracy(model, part):
    with torch.no_grad():
        return (model(images[part]).argmax(1) == labels[part]).float().mean().item()


def fit(model, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(epochs):
        for batch in torch.randperm(1000).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
        report_intermediate_result(accuracy(model, valid))


torch.manual_seed(int(os.environ.get("RETIARII_SEED", "0")))
net = Net()
if len(sys.argv) > 1:
    apply_fixed_architecture(net, sys.argv[1])
    fit(net, FINAL_EPOCHS)
    print(f"{net.conv1}, {net.conv2}: accuracy on unseen digits {accuracy(net, test):.3f}")
else:
    get_and_apply_next_architecture(net)
    fit(net, EPOCHS)
    print(f"{net.conv1}, {net.conv2}: accuracy {accuracy(net, valid):.3f}")
    report_final_result(accuracy(net, valid))
