"""Blocks of convolutions that several spaces of cells use."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import retiarii.nn.pytorch as nn


def relu_conv_bn(in_channels: Any, out_channels: Any, kernel_size: int, stride: int = 1, padding: int = 0) -> nn.Module:
    """Return ReLU, a convolution without bias, and batch normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel_size, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class FactorizedReduce(nn.Module):
    """Halves height and width: two 1x1 convolutions with stride 2, the second one shifted by one pixel.

    An input of odd height or width is padded with a zero, so that both halves fit.

    Args:
        in_channels: The channels of the input; may be a choice.
        out_channels: The channels of the output, an even number; may be a choice.

    Reference:
        NASNet (Zoph et al., 2018), arXiv:1707.07012, appendix A, and its code.
    """

    def __init__(self, in_channels: Any, out_channels: Any) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(in_channels, out_channels // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(in_channels, out_channels // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of half the height and width, ``[B, out_channels, H / 2, W / 2]``, rounded up."""
        x = F.relu(x)
        shifted = F.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        output: Tensor = self.bn(torch.cat([self.conv_1(x), self.conv_2(shifted)], dim=1))
        return output
