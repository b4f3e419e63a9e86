"""`ShuffleNetSpace`: the search space of Single Path One-Shot, made of ShuffleNetV2 blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii.errors import DomainError
from retiarii.hub.pytorch._foundation.descending_choice import descending_choice
from retiarii.hub.pytorch._foundation.ready_space import Paper, Publication, ReadySpace
from retiarii.hub.pytorch._macro.inverted_residual import Layer, Size, conv_norm

_SPOS_WIDTHS = (16, 64, 160, 320, 640, 1024)
_SEQUENCES = {"k3": ("pdp", 3), "k5": ("pdp", 5), "k7": ("pdp", 7), "xcep": ("dpdpdp", 3)}


class ShuffleBlock(nn.Module):
    """Convolves one half of the channels, or with stride 2 all of them, and joins the result with the other branch.

    With stride 1, the other branch is the other half of the (shuffled) channels; with stride 2, it is a depthwise and a
    pointwise convolution.

    Args:
        in_channels: Channels of the input; even with stride 1.
        out_channels: Channels of the output.
        mid_channels: Channels between the convolutions; may be an expression.
        side_channels: Channels of the other branch with stride 2.
        sequence: The convolutions: ``"p"`` for pointwise, ``"d"`` for depthwise.
        kernel_size: Of depthwise convolutions.
        stride: 1 or 2.
        norm: Makes the normalisations.

    Reference:
        Ma et al. (2018), arXiv:1807.11164, figure 3 (c) and (d); the sequence of the Xception variant is that of Guo
        et al. (2020), arXiv:1904.00420, appendix. As in the public code of the latter, channels are shuffled at the
        start of a block with stride 1, by taking every second channel, and not at the end of a block.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        mid_channels: Size,
        side_channels: int,
        *,
        sequence: str,
        kernel_size: int,
        stride: int,
        norm: Layer,
    ) -> None:
        super().__init__()
        self.has_halves = stride == 1
        kept = in_channels // 2 if self.has_halves else side_channels
        taken = in_channels // 2 if self.has_halves else in_channels
        layer = partial(conv_norm, norm=norm, activation=nn.ReLU)
        layers: list[nn.Module] = []
        channels: Size = taken
        for position, kind in enumerate(sequence):
            if kind == "d":
                depthwise_stride = stride if "d" not in sequence[:position] else 1
                layers.append(
                    layer(channels, channels, kernel_size, stride=depthwise_stride, groups=channels, activation=None)
                )
            else:
                following = mid_channels if "p" in sequence[position + 1 :] else out_channels - kept
                layers.append(layer(channels, following))
                channels = following
        self.main = nn.Sequential(*layers)
        self.side = (
            nn.Identity()
            if self.has_halves
            else nn.Sequential(
                layer(in_channels, in_channels, kernel_size, stride=stride, groups=in_channels, activation=None),
                layer(in_channels, side_channels),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return both branches, side by side."""
        side, main = (x[:, ::2], x[:, 1::2]) if self.has_halves else (x, x)
        return torch.cat((self.side(side), self.main(main)), dim=1)


def _layers(*candidates: str) -> dict[str, str]:
    return {f"layer_{number}": candidate for number, candidate in enumerate(candidates, start=1)}


def _v2(source: str, *widths: int) -> Publication:
    """Return ShuffleNetV2 of some widths."""
    options = {"stage_repeats": (4, 8, 4), "widths": (24, *widths, 1024), "is_v2": True}
    return Publication(_layers(*["k3"] * 16), f"arXiv:1807.11164, table 5; {source} on ImageNet", options)


_SPOS = "k7 k5 k3 k5 k7 k3 k7 k3 k7 k3 k7 xcep k3 k3 k3 k3 xcep k7 xcep xcep"


@nn.model_wrapper
class ShuffleNetSpace(ReadySpace):
    """Twenty ShuffleNetV2 blocks with four candidates each; the inner width of each block may be a choice, too.

    Labels: ``layer_1`` to ``layer_20`` with the candidates ``k3``, ``k5``, ``k7`` (kernel size) and ``xcep`` (three
    depthwise convolutions); and, with ``channel_search``, ``channel_1`` to ``channel_20``, the inner channels of the
    blocks. Published are ``spos`` and, with repeats and widths of their own, ``shufflenetv2-x0.5`` and
    ``shufflenetv2-x1.0``.

    Args:
        num_labels: The number of classes.
        channel_search: Whether the inner width of each block is chosen from 0.2, 0.4, ... 1.6 times half of the
            block's output channels, rounded down; otherwise it is 1.0 times.
        affine: Whether batch normalisations have scales and shifts.
        stage_repeats: The number of blocks of each stage; the first of a stage halves the resolution.
        widths: Channels of the stem, of each stage, and of the last convolution.
        is_v2: Whether the parts that are not searched are those of ShuffleNetV2: max pooling after the stem, no
            dropout, a bias in the classifier, and two branches of the same width in blocks with stride 2. With its
            repeats and widths and the candidate ``k3`` everywhere, the network is ShuffleNetV2.

    Raises:
        DomainError: Widths and repeats do not fit each other, or a width is impossible.

    Reference:
        Guo et al. (2020), "Single path one-shot neural architecture search with uniform sampling", arXiv:1904.00420,
        table 1 (architecture) and section 4 (candidates, inner widths); Ma et al. (2018), "ShuffleNet V2",
        arXiv:1807.11164, table 5. Arguments up to ``affine`` are those of NNI's hub. Weights are initialised as in
        the public code of Guo et al.: normal with standard deviation 0.01 (stem, classifier) or one over the input
        channels per group, shifts of normalisations 0.0001.
    """

    PAPER: ClassVar[Paper] = Paper(
        "Single Path One-Shot Neural Architecture Search with Uniform Sampling",
        "1904.00420",
        2020,
        "section 4, table 1",
    )
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "shufflenetv2-x0.5": _v2("60.3 %, 1.4 M parameters (1,366,792 here and in torchvision)", 48, 96, 192),
            "shufflenetv2-x1.0": _v2("69.4 %, 2.3 M parameters (2,278,604 here and in torchvision)", 116, 232, 464),
            "spos": Publication(_layers(*_SPOS.split()), "public code of arXiv:1904.00420: 74.3 % on ImageNet"),
        }
    )

    def __init__(
        self,
        num_labels: int = 1000,
        channel_search: bool = False,
        affine: bool = True,
        *,
        stage_repeats: Sequence[int] = (4, 4, 8, 4),
        widths: Sequence[int] = _SPOS_WIDTHS,
        is_v2: bool = False,
    ) -> None:
        super().__init__()
        _check_stages(stage_repeats, widths, has_wider_stages=not is_v2, smallest=10 if channel_search else 2)
        norm = partial(nn.BatchNorm2d, affine=affine)
        self.stem = conv_norm(3, widths[0], 3, stride=2, norm=norm, activation=nn.ReLU)
        self.stem_pool = nn.MaxPool2d(3, 2, 1) if is_v2 else nn.Identity()
        blocks: list[nn.Module] = []
        for repeats, in_channels, out_channels in zip(stage_repeats, widths, widths[1:], strict=False):
            for index in range(repeats):
                inputs, stride = (out_channels, 1) if index else (in_channels, 2)
                side = out_channels // 2 if is_v2 else inputs
                number = len(blocks) + 1
                middle = _middle(out_channels // 2, channel_search, label=f"channel_{number}")
                blocks.append(_candidates(number, inputs, out_channels, middle, side, stride=stride, norm=norm))
        self.blocks = nn.Sequential(*blocks)
        self.features = conv_norm(widths[-2], widths[-1], norm=norm, activation=nn.ReLU)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.0 if is_v2 else 0.1)
        self.classifier = nn.Linear(widths[-1], num_labels, bias=is_v2)
        _initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits ``[N, num_labels]`` of images ``[N, 3, H, W]``."""
        features = self.features(self.blocks(self.stem_pool(self.stem(images))))
        logits: Tensor = self.classifier(self.dropout(self.pool(features)).flatten(1))
        return logits


def _check_stages(repeats: Sequence[int], widths: Sequence[int], *, has_wider_stages: bool, smallest: int) -> None:
    """Refuse stages without blocks, and widths whose halves or branches have no channels."""
    if len(widths) != len(repeats) + 2:
        raise DomainError(
            f"ShuffleNetSpace got {len(widths)} widths, expected {len(repeats) + 2}: stem, {len(repeats)} stages, "
            "last convolution."
        )
    if min(repeats, default=0) < 1:
        raise DomainError(f"ShuffleNetSpace got stage_repeats={repeats!r}, expected at least one block in each stage.")
    for before, width in pairwise(widths[:-1]):
        if width % 2 or width < smallest or (has_wider_stages and width <= before):
            raise DomainError(
                f"ShuffleNetSpace got widths={widths!r}, expected stages with an even number of channels, at least "
                f"{smallest}{', and more than before' if has_wider_stages else ''}; {width} is not."
            )


def _middle(channels: int, is_searched: bool, label: str) -> Size:
    if not is_searched:
        return channels
    return descending_choice([channels * tenths // 10 for tenths in range(2, 17, 2)], label)


def _candidates(number: int, *channels: Size, **options: Any) -> nn.LayerChoice:
    blocks = {
        name: ShuffleBlock(*channels, sequence=sequence, kernel_size=kernel_size, **options)
        for name, (sequence, kernel_size) in _SEQUENCES.items()
    }
    return nn.LayerChoice(blocks, label=f"layer_{number}")


def _initialise(model: ShuffleNetSpace) -> None:
    stem = model.stem[0]
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.01 if module is stem else 1 / module.weight.shape[1])
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
        elif isinstance(module, nn.BatchNorm2d) and module.bias is not None:
            nn.init.constant_(module.bias, 0.0001)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
