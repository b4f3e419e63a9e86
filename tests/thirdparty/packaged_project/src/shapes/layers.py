"""Blocks."""

import retiarii.nn.pytorch as nn


class Residual(nn.Module):
    """A layer with a shortcut."""

    def __init__(self, width, label):
        super().__init__()
        self.op = nn.LayerChoice({"conv": nn.Conv2d(width, width, 3, padding=1), "skip": nn.Identity()}, label=label)
        self.act = nn.ReLU()

    def forward(self, x):
        return x + self.act(self.op(x))
