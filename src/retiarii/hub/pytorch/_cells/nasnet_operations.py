"""The operations of the spaces of NASNet's family, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii.hub.pytorch._cells.conv_blocks import FactorizedReduce, relu_conv_bn

MakeOperation = Callable[[Any, int], nn.Module]
"""A function of the channels, which may be a choice, and the stride, 1 or 2."""


def separable_conv(channels: Any, stride: int, kernel_size: int, *, repeats: int = 2, dilation: int = 1) -> nn.Module:
    """Return ReLU, a depthwise and a pointwise convolution and batch normalisation, several times.

    Only the first depthwise convolution has the stride.
    """
    layers: list[nn.Module] = []
    for index in range(repeats):
        layers += [
            nn.ReLU(),
            nn.Conv2d(
                channels,
                channels,
                kernel_size,
                stride=stride if index == 0 else 1,
                padding=dilation * (kernel_size - 1) // 2,
                dilation=dilation,
                groups=channels,
                bias=False,
            ),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        ]
    return nn.Sequential(*layers)


def dilated_conv(channels: Any, stride: int, kernel_size: int) -> nn.Module:
    """Return one separable convolution with dilation 2."""
    return separable_conv(channels, stride, kernel_size, repeats=1, dilation=2)


def split_conv(channels: Any, stride: int, length: int) -> nn.Module:
    """Return ReLU, a 1 x ``length`` and a ``length`` x 1 convolution, and batch normalisation."""
    padding = length // 2
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, length), stride=(1, stride), padding=(0, padding), bias=False),
        nn.Conv2d(channels, channels, (length, 1), stride=(stride, 1), padding=(padding, 0), bias=False),
        nn.BatchNorm2d(channels),
    )


class StridedZeros(nn.Module):
    """Returns zeros: an operation that is not there.

    Args:
        stride: How many times smaller the output is in height and width.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros, ``[B, C, H / stride, W / stride]``."""
        return x[:, :, :: self.stride, :: self.stride] * 0.0


OPERATIONS: Mapping[str, MakeOperation] = MappingProxyType(
    {
        "none": lambda c, s: StridedZeros(s),
        "avg_pool_3x3": lambda c, s: nn.AvgPool2d(3, stride=s, padding=1, count_include_pad=False),
        "avg_pool_5x5": lambda c, s: nn.AvgPool2d(5, stride=s, padding=2, count_include_pad=False),
        "max_pool_3x3": lambda c, s: nn.MaxPool2d(3, stride=s, padding=1),
        "max_pool_5x5": lambda c, s: nn.MaxPool2d(5, stride=s, padding=2),
        "max_pool_7x7": lambda c, s: nn.MaxPool2d(7, stride=s, padding=3),
        "skip_connect": lambda c, s: nn.Identity() if s == 1 else FactorizedReduce(c, c),
        "conv_1x1": lambda c, s: relu_conv_bn(c, c, 1, s),
        "conv_3x3": lambda c, s: relu_conv_bn(c, c, 3, s, padding=1),
        "sep_conv_3x3": lambda c, s: separable_conv(c, s, 3),
        "sep_conv_5x5": lambda c, s: separable_conv(c, s, 5),
        "sep_conv_7x7": lambda c, s: separable_conv(c, s, 7),
        "dil_conv_3x3": lambda c, s: dilated_conv(c, s, 3),
        "dil_conv_5x5": lambda c, s: dilated_conv(c, s, 5),
        "dil_sep_conv_3x3": lambda c, s: separable_conv(c, s, 3, dilation=2),
        "conv_3x1_1x3": lambda c, s: split_conv(c, s, 3),
        "conv_7x1_1x7": lambda c, s: split_conv(c, s, 7),
    }
)
