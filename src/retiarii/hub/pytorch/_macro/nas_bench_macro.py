"""`NasBenchMacro`: the space of the NAS-Bench-Macro table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii.hub.pytorch._foundation.ready_space import Paper, Publication, ReadySpace
from retiarii.hub.pytorch._macro.inverted_residual import InvertedResidual, conv_norm

CANDIDATES = ("identity", "mb3_k3", "mb6_k5")
"""The candidates of each layer; the table writes an architecture as the digits of their positions."""


def layer_values(digits: str) -> dict[str, str]:
    """Return the values of an architecture that is written as in the table, such as ``"21012021"``."""
    return {f"layer_{index}": CANDIDATES[int(digit)] for index, digit in enumerate(digits)}


@nn.model_wrapper
class NasBenchMacro(ReadySpace):
    """Eight layers, each of which is an identity or one of two MobileNetV2 blocks: 3^8 = 6,561 architectures.

    Labels are ``layer_0`` to ``layer_7``, candidates ``identity``, ``mb3_k3`` (expansion 3, kernel 3) and ``mb6_k5``
    (expansion 6, kernel 5). The first layer of each stage halves the resolution and doubles the channels; an identity
    there is a convolution of size 1. With the default arguments, parameters and multiply-adds of every architecture
    equal those of the table. Architectures that differ only in the place of an identity without a convolution
    compute the same: their results in the table are equal. Published is ``best-cifar10``.

    Args:
        num_labels: The number of classes.
        stages: The number of layers of each stage.
        width: Channels of the stem.
        head_width: Channels of the last convolution.

    Reference:
        Su et al. (2021), "Prioritized Architecture Sampling with Monto-Carlo Tree Search", arXiv:2103.11922
        (its benchmark NAS-Bench-Macro), and the public code of the table for the identities that change the shape; no
        deviation. Weights are initialised as torch does by default.
    """

    PAPER: ClassVar[Paper] = Paper(
        "Prioritized Architecture Sampling with Monto-Carlo Tree Search",
        "2103.11922",
        2021,
        "the benchmark NAS-Bench-Macro",
    )
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "best-cifar10": Publication(
                layer_values("22212220"), "the table: 93.13 % mean test accuracy on CIFAR-10, the best of all"
            )
        }
    )

    def __init__(
        self, num_labels: int = 10, stages: Sequence[int] = (2, 3, 3), width: int = 32, head_width: int = 1280
    ) -> None:
        super().__init__()
        self.stem = conv_norm(3, width, 3, activation=nn.ReLU)
        layers: list[nn.Module] = []
        for depth in stages:
            for index in range(depth):
                out_channels, stride = (width, 1) if index else (width * 2, 2)
                layers.append(_layer(width, out_channels, stride, label=f"layer_{len(layers)}"))
                width = out_channels
        self.layers = nn.Sequential(*layers)
        self.head = conv_norm(width, head_width, activation=nn.ReLU)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(head_width, num_labels)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits ``[N, num_labels]`` of images ``[N, 3, H, W]``; those of the table are 32 x 32."""
        features = self.head(self.layers(self.stem(images)))
        logits: Tensor = self.classifier(self.pool(features).flatten(1))
        return logits


def _layer(in_channels: int, out_channels: int, stride: int, label: str) -> nn.LayerChoice:
    keeps_shape = stride == 1 and in_channels == out_channels
    shortcut = nn.Identity() if keeps_shape else conv_norm(in_channels, out_channels, stride=stride, activation=None)
    return nn.LayerChoice(
        {
            "identity": shortcut,
            "mb3_k3": _block(in_channels, out_channels, 3, 3, stride),
            "mb6_k5": _block(in_channels, out_channels, 6, 5, stride),
        },
        label=label,
    )


def _block(in_channels: int, out_channels: int, expansion: int, kernel_size: int, stride: int) -> nn.Module:
    hidden = in_channels * expansion
    return InvertedResidual(in_channels, out_channels, hidden, kernel_size, stride=stride, activation=nn.ReLU)
