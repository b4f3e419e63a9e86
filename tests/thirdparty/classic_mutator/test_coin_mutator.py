import json

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from coin_mutator import CoinMutator

from retiarii.classic.pytorch import mutables
from retiarii.classic.pytorch.fixed import apply_fixed_architecture


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = mutables.LayerChoice([nn.Conv2d(1, 8, 3, 1), nn.Conv2d(1, 8, 5, 3)])
        self.conv2 = nn.Conv2d(8, 8, 3, 1)
        self.conv3 = nn.Conv2d(8, 8, 1, 1)
        self.skipcon = mutables.InputChoice(n_candidates=1)
        self.mix = mutables.InputChoice(choose_from=["conv2", "conv3", "relu"], n_chosen=2, reduction="mean")
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        x = self.conv2(F.relu(self.conv1(x)))
        before, x0 = x, self.skipcon([x])
        x = self.conv3(x)
        if x0 is not None:
            x = x + x0
        x = self.mix([before, x, F.relu(x)])
        return self.fc(x.mean((2, 3)))


def data(count=64):
    images = torch.randn(count, 1, 14, 14)
    labels = torch.arange(count) % 2
    return images + labels.view(-1, 1, 1, 1), labels


def trained_epochs(model, number, mutator=None):
    optimizer = torch.optim.SGD(model.parameters(), 0.2, momentum=0.9)
    images, labels = data()
    losses = []
    for _ in range(number):
        if mutator is not None:
            mutator.reset()
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_a_search_by_a_mutator_of_the_guide_ends_in_a_network_that_learns(tmp_path):
    torch.manual_seed(0)
    np.random.seed(0)
    model = Net()
    mutator = CoinMutator(model)
    trained_epochs(model, 10, mutator)
    file = tmp_path / "final_architecture.json"
    masks = mutator.export()
    file.write_text(json.dumps({key: mask.tolist() for key, mask in masks.items()}))

    network = Net()
    apply_fixed_architecture(network, str(file))
    chosen = masks["LayerChoice1"].tolist().index(True)
    assert network.conv1.kernel_size == ((3, 3), (5, 5))[chosen]
    assert sum(masks["InputChoice3"].tolist()) == 2
    names = [f"{layer}.{kind}" for layer in ("conv1", "conv2", "conv3", "fc") for kind in ("weight", "bias")]
    assert sorted(network.state_dict()) == sorted(names)
    losses = trained_epochs(network, 40)
    assert losses[-1] < 0.5 < losses[0]
