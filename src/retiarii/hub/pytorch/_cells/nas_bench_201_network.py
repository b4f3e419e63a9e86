"""`NasBench201`: the space and the network of NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii.hub.pytorch._cells.conv_blocks import relu_conv_bn
from retiarii.hub.pytorch._foundation.ready_space import Paper, Publication, ReadySpace


class NoConnection(nn.Module):
    """Returns zeros: an edge that is not there."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros of the same shape."""
        return x * 0.0


OPERATIONS: Mapping[str, Callable[[Any, Any], nn.Module]] = MappingProxyType(
    {
        "none": lambda i, o: NoConnection(),
        "skip_connect": lambda i, o: nn.Identity(),
        "conv_1x1": lambda i, o: relu_conv_bn(i, o, 1),
        "conv_3x3": lambda i, o: relu_conv_bn(i, o, 3, padding=1),
        "avg_pool_3x3": lambda i, o: nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False),
    }
)
"""The operations of an edge, by name, as functions of the channels of input and output, which are equal."""

EDGES = ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")


class ResidualReduction(nn.Module):
    """The residual block between two stages: halves height and width, and doubles the channels.

    Reference:
        Dong and Yang (2020), arXiv:2001.00326, section 2.1; the shortcut is an average pooling and a 1x1 convolution.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv_a = relu_conv_bn(in_channels, out_channels, 3, stride=2, padding=1)
        self.conv_b = relu_conv_bn(out_channels, out_channels, 3, padding=1)
        self.downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the block and the shortcut, ``[B, out_channels, H / 2, W / 2]``."""
        output: Tensor = self.downsample(x) + self.conv_b(self.conv_a(x))
        return output


def _best(*operations: str, source: str, num_labels: int) -> Publication:
    values = {f"cell/{edge}": operation for edge, operation in zip(EDGES, operations, strict=True)}
    return Publication(values, source, {"num_labels": num_labels})


@nn.model_wrapper
class NasBench201(ReadySpace):
    """The space of NAS-Bench-201: 5 operations on each of the 6 edges of one cell, 15,625 architectures.

    All cells of the network are the same. The labels are ``cell/0_1``, ``cell/0_2``, ``cell/1_2``, ``cell/0_3``,
    ``cell/1_3`` and ``cell/2_3``, of which the first number is the earlier tensor; the candidates ``none``,
    ``skip_connect``, ``conv_1x1``, ``conv_3x3`` and ``avg_pool_3x3``. An architecture found in the table is one of this
    space: ``freeze(NasBench201(), architecture)``. Parameters of the networks equal those of the table. Published are
    the cells with the best mean test accuracy after 200 epochs: ``best-cifar10``, ``best-cifar100``,
    ``best-imagenet16-120``.

    Args:
        stem_out_channels: The channels of the first stage; each later stage has twice as many.
        num_modules_per_stack: The cells of each of the three stages.
        num_labels: The number of classes: 10, 100 and 120 in the benchmark.

    Reference:
        Dong and Yang (2020), arXiv:2001.00326, section 2.1, figure 1. The weights are initialised as PyTorch does.
    """

    PAPER: ClassVar[Paper] = Paper(
        "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search",
        "2001.00326",
        2020,
        "section 2.1, figure 1",
    )
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "best-cifar10": _best(
                *("conv_3x3", "conv_3x3", "conv_3x3", "skip_connect", "conv_3x3", "conv_1x1"),
                source="cell 6111 of the table, 94.37 % test accuracy on CIFAR-10",
                num_labels=10,
            ),
            "best-cifar100": _best(
                *("conv_3x3", "conv_3x3", "conv_3x3", "skip_connect", "conv_3x3", "conv_3x3"),
                source="cell 9930 of the table, 73.51 % test accuracy on CIFAR-100",
                num_labels=100,
            ),
            "best-imagenet16-120": _best(
                *("conv_1x1", "conv_1x1", "conv_3x3", "skip_connect", "conv_3x3", "conv_3x3"),
                source="cell 857 of the table, 47.31 % test accuracy on ImageNet16-120",
                num_labels=120,
            ),
        }
    )

    def __init__(self, stem_out_channels: int = 16, num_modules_per_stack: int = 5, num_labels: int = 10) -> None:
        super().__init__()
        channels = stem_out_channels
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.cells = nn.Sequential()
        for stage in range(3):
            if stage:
                self.cells.append(ResidualReduction(channels, 2 * channels))
                channels *= 2
            for _ in range(num_modules_per_stack):
                self.cells.append(nn.NasBench201Cell(OPERATIONS, channels, channels, label="cell"))
        self.last_activation = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_labels)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of the classes, ``[B, num_labels]``, of images, ``[B, 3, H, W]``; 4 divides H and W."""
        features = self.last_activation(self.cells(self.stem(images)))
        logits: Tensor = self.classifier(self.global_pooling(features).flatten(1))
        return logits
