"""The network of the classic guide, with a layer choice, two input choices and a choice by name."""

from collections import OrderedDict

from torch import nn
from torch.nn import functional as F

from retiarii.classic.pytorch.mutables import InputChoice, LayerChoice


class Net(nn.Module):
    """Takes images of one channel, of at least 8 x 8."""

    def __init__(self):
        super().__init__()
        self.conv1 = LayerChoice([nn.Conv2d(1, 4, 3, 1, 1), nn.Conv2d(1, 4, 5, 1, 2)])
        self.conv2 = LayerChoice(OrderedDict(conv=nn.Conv2d(4, 4, 3, 1, 1), skip=nn.Identity()), key="second")
        self.skipcon = InputChoice(n_candidates=1)
        self.pick = InputChoice(choose_from=["first", "second", "sum"], n_chosen=2, reduction="mean")
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        first = F.relu(self.conv1(x))
        second = self.conv2(first)
        skipped = self.skipcon([first])
        total = second if skipped is None else second + skipped
        x = self.pick({"sum": total, "first": first, "second": second})
        return self.fc(x.mean((2, 3)))


ARCHITECTURE = {"LayerChoice1": 1, "second": "skip", "InputChoice2": [0], "InputChoice3": ["first", "sum"]}
