"""The model, with its choices."""

import retiarii.nn.pytorch as nn
from retiarii import model_wrapper

from .layers import Residual


@model_wrapper
class LineNet(nn.Module):
    """A stem, a few blocks, a classifier."""

    def __init__(self, classes: int = 2):
        super().__init__()
        width = nn.ValueChoice([2, 4, 8], label="width")
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.blocks = nn.Repeat(lambda index: Residual(width, f"block{index}"), (1, 2), label="depth")
        self.classify = nn.Linear(width * 16, classes)

    def forward(self, x):
        return self.classify(nn.functional.max_pool2d(self.blocks(self.stem(x)), 2).flatten(1))
