"""`MobileNetV3Space`: the search space of TuNAS around MobileNetV3."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii.errors import DomainError
from retiarii.hub.pytorch._foundation.descending_choice import descending_choice
from retiarii.hub.pytorch._foundation.ready_space import Paper, Publication, ReadySpace
from retiarii.hub.pytorch._macro.inverted_residual import (
    InvertedResidual,
    Layer,
    Size,
    SqueezeExcite,
    conv_norm,
    initialise_mobile,
    rounded_channels,
)

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"hswish": nn.Hardswish, "relu": nn.ReLU, "swish": nn.SiLU}
_SQUEEZE = ("force", "none", "optional")


def _values(*stages: str) -> dict[str, Any]:
    """Return the values of a network from its stages: kernel size and expansion of each block, as in ``"3x4 5x2"``."""
    values: dict[str, Any] = {"stem_ks": 3, "s0_i0_ks": 3}
    for stage, text in enumerate(stages, start=1):
        blocks = text.split()
        values[f"s{stage}_depth"] = len(blocks)
        for index, block in enumerate(blocks):
            kernel_size, ratio = block.split("x")
            values |= {f"s{stage}_i{index}_ks": int(kernel_size), f"s{stage}_i{index}_exp": float(ratio)}
    return values


_LARGE = Publication(
    _values("3x4 3x3", "5x3 5x3 5x3", "3x6 3x2.5 3x2.3 3x2.3", "3x6 3x6", "5x6 5x6 5x6"),
    "arXiv:1905.02244, table 1: 75.2 % on ImageNet, 5.4 M parameters (5,483,032 here and in torchvision)",
    {
        "base_widths": (16, 16, 24, 40, 80, 112, 160, 960, 1280),
        "width_multipliers": 1.0,
        "expand_ratios": (2.3, 2.5, 3.0, 4.0, 6.0),
        "squeeze_excite": ("none", "none", "force", "none", "force", "force"),
        "bn_momentum": 0.01,
    },
)
_SMALL = Publication(
    _values("3x4.5 3x3.67", "5x4 5x6 5x6", "5x3 5x3", "5x6 5x6 5x6"),
    "arXiv:1905.02244, table 2: 67.4 % on ImageNet, 2.5 M parameters (2,542,856 here and in torchvision)",
    {
        "base_widths": (16, 16, 24, 40, 48, 96, 576, 1024),
        "width_multipliers": 1.0,
        "expand_ratios": (3.0, 3.67, 4.0, 4.5, 6.0),
        "squeeze_excite": ("force", "none", "force", "force", "force"),
        "depth_range": (1, 3),
        "stride": (2, 2, 2, 2, 1, 2, 1, 1),
        "activation": ("hswish", "relu", "relu", "hswish", "hswish", "hswish", "hswish", "hswish"),
        "bn_momentum": 0.01,
    },
)


@nn.model_wrapper
class MobileNetV3Space(ReadySpace):
    """Inverted residuals in stages: widths, depths, expansions, kernel sizes and squeeze-and-excitation are chosen.

    Labels: ``stem_ks``; ``s0_width_mult`` to ``s7_width_mult``; ``s{stage}_depth``; and ``s{stage}_i{block}_ks``,
    ``_exp`` and ``_se`` for each block. ``num_blocks``, the number of parts behind the stem, is
    ``len(base_widths) - 1``: a first block without expansion, the stages, and two parts of the head. Published, with
    widths of their own, are ``mobilenetv3-large-100`` and ``mobilenetv3-small-100``. Widths, ratios and kernel sizes
    are sorted, the largest first: the default architecture has the largest blocks, whose initial weights a supernet
    keeps.

    Args:
        num_labels: The number of classes.
        base_widths: Channels of the stem and of each part; 9 numbers by default.
        width_multipliers: Factors of the widths to choose from; stem and first block share one. A number fixes it.
        expand_ratios: Ratios of hidden to input channels to choose from, for each block.
        squeeze_excite: For the first block and each stage: ``"force"``, ``"optional"`` (chosen for each block) or
            ``"none"``.
        depth_range: The smallest and largest number of blocks of each stage; one pair, or a list of them.
        stride: Of the stem and each part.
        activation: Of the stem and each part: ``"hswish"``, ``"relu"`` or ``"swish"``.
        se_from_exp: Whether squeeze-and-excitation reduces the hidden channels to a quarter of them; otherwise to a
            quarter of the block's input channels.
        dropout_rate: Before the classifier.
        bn_eps: Added to the variances of batch normalisations.
        bn_momentum: Weight of a new batch in running statistics.

    Raises:
        DomainError: Sequences differ in length, or an argument has an unknown value.

    Reference:
        Bender et al. (2020), "Can weight sharing outperform random architecture search? An investigation with TuNAS",
        arXiv:2008.06120, the MobileNetV3-like space; Howard et al. (2019), "Searching for
        MobileNetV3", arXiv:1905.02244, tables 1 and 2. Arguments and labels are those of NNI's hub, whose space is
        smaller than the paper's: no stage may be empty, and squeeze-and-excitation is optional in three stages.
        A block's shortcut needs the same width on both sides, so the first block of a stage has one only where stem and
        first block have the same base width. Weights are initialised as MobileNetV3's public code does: see
        `initialise_mobile`.
    """

    PAPER: ClassVar[Paper] = Paper(
        "Can Weight Sharing Outperform Random Architecture Search? An Investigation With TuNAS",
        "2008.06120",
        2020,
        "the MobileNetV3-like space",
    )
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {"mobilenetv3-large-100": _LARGE, "mobilenetv3-small-100": _SMALL}
    )

    def __init__(
        self,
        num_labels: int = 1000,
        base_widths: Sequence[int] = (16, 16, 16, 32, 64, 128, 256, 512, 1024),
        width_multipliers: Sequence[float] | float = (0.5, 0.625, 0.75, 1.0, 1.25, 1.5, 2.0),
        expand_ratios: Sequence[float] = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
        squeeze_excite: Sequence[Literal["force", "optional", "none"]] = (
            "none", "none", "optional", "none", "optional", "optional",
        ),
        depth_range: Sequence[tuple[int, int]] | tuple[int, int] = (1, 4),
        stride: Sequence[int] = (2, 1, 2, 2, 2, 1, 2, 1, 1),
        activation: Sequence[Literal["hswish", "swish", "relu"]] = (
            "hswish", "relu", "relu", "relu", "hswish", "hswish", "hswish", "hswish", "hswish",
        ),
        se_from_exp: bool = True,
        dropout_rate: float = 0.2,
        bn_eps: float = 1e-3,
        bn_momentum: float = 0.1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_blocks = len(base_widths) - 1
        num_stages = self.num_blocks - 3
        depths = _depths(depth_range, num_stages)
        _check_lengths(base_widths, squeeze_excite, stride, activation)
        self._expand_ratios = list(expand_ratios)
        self._se_from_exp = se_from_exp
        widths = _widths(base_widths, width_multipliers)
        norm = partial(nn.BatchNorm2d, eps=bn_eps, momentum=bn_momentum)
        act = [_activation(name) for name in activation]

        stem_size = descending_choice([3, 5], "stem_ks")
        self.stem = conv_norm(3, widths[0], stem_size, stride=stride[0], norm=norm, activation=act[0])
        squeeze = self._squeeze(squeeze_excite[0], widths[0], label="s0_i0_se")
        size = descending_choice([3, 5, 7], "s0_i0_ks")
        parts: list[nn.Module] = [
            InvertedResidual(
                widths[0], widths[1], None, size,
                stride=stride[1], squeeze_excite=squeeze, norm=norm, activation=act[1],
            )
        ]  # fmt: skip
        for stage in range(1, num_stages + 1):
            block = partial(
                self._block, stage, widths[stage : stage + 2], squeeze_excite[stage], stride[stage + 1],
                norm=norm, activation=act[stage + 1],
            )  # fmt: skip
            parts.append(nn.Repeat(block, depths[stage - 1], label=f"s{stage}_depth"))
        self.blocks = nn.Sequential(*parts)
        self.features = conv_norm(widths[-3], widths[-2], stride=stride[-2], norm=norm, activation=act[-2])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.mix = nn.Sequential(nn.Conv2d(widths[-2], widths[-1], 1, stride[-1]), act[-1]())
        self.dropout = nn.Dropout(dropout_rate)
        self.classifier = nn.Linear(widths[-1], num_labels)
        initialise_mobile(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits ``[N, num_labels]`` of images ``[N, 3, H, W]``."""
        features = self.features(self.blocks(self.stem(images)))
        mixed = self.mix(self.pool(features)).flatten(1)
        logits: Tensor = self.classifier(self.dropout(mixed))
        return logits

    def _block(
        self, stage: int, widths: Sequence[Size], squeeze: str, stride: int, index: int, **layers: Layer
    ) -> nn.Module:
        in_channels = widths[0] if index == 0 else widths[1]
        ratio = descending_choice(self._expand_ratios, f"s{stage}_i{index}_exp")
        return InvertedResidual(
            in_channels,
            widths[1],
            rounded_channels(in_channels * ratio),
            descending_choice([3, 5, 7], f"s{stage}_i{index}_ks"),
            stride=stride if index == 0 else 1,
            squeeze_excite=self._squeeze(squeeze, in_channels, label=f"s{stage}_i{index}_se"),
            **layers,
        )

    def _squeeze(self, mode: str, in_channels: Size, label: str) -> Layer | None:
        """Return what makes the squeeze-and-excitation of a block from its hidden channels; None for no such layer."""
        if mode == "none":
            return None

        def make(hidden: Size) -> nn.Module:
            squeezed = rounded_channels((hidden if self._se_from_exp else in_channels) * 0.25)
            if mode == "force":
                return SqueezeExcite(hidden, squeezed)
            candidates = {"identity": nn.Identity(), "se": SqueezeExcite(hidden, squeezed)}
            return nn.LayerChoice(candidates, label=label)

        return make


def _widths(base_widths: Sequence[int], multipliers: Sequence[float] | float) -> list[Size]:
    """Return the widths of all parts; one object for those that are always equal, which makes shortcuts possible."""
    if isinstance(multipliers, (int, float)):
        return [rounded_channels(width * multipliers) for width in base_widths]
    widths: list[Size] = []
    for part, width in enumerate(base_widths):
        if part == 1 and width == base_widths[0]:
            widths.append(widths[0])
            continue
        factor = descending_choice(multipliers, f"s{max(part - 1, 0)}_width_mult")
        widths.append(rounded_channels(factor * width))
    return widths


def _depths(depth_range: Any, num_stages: int) -> list[tuple[int, int]]:
    ranges = [depth_range] * num_stages if isinstance(depth_range[0], int) else list(depth_range)
    pairs = [tuple(pair) for pair in ranges]
    if len(pairs) != num_stages or any(len(pair) != 2 or not 1 <= pair[0] <= pair[1] for pair in pairs):
        raise DomainError(
            f"MobileNetV3Space got depth_range={depth_range!r}, expected (min, max) with 1 <= min <= max, or a list of "
            f"{num_stages} of them: len(base_widths) - 4."
        )
    return [(low, high) for low, high in pairs]


def _check_lengths(base_widths: Sequence[int], squeeze: Sequence[str], stride: Any, activation: Any) -> None:
    parts = len(base_widths)
    expected = {"squeeze_excite": parts - 3, "stride": parts, "activation": parts}
    given = {"squeeze_excite": squeeze, "stride": stride, "activation": activation}
    for name, length in expected.items():
        if len(given[name]) != length:
            raise DomainError(
                f"MobileNetV3Space got {len(given[name])} values of {name}, expected {length} for the {parts} "
                "base_widths."
            )
    unknown = sorted({*squeeze} - {*_SQUEEZE})
    if unknown:
        raise DomainError(f"MobileNetV3Space got squeeze_excite={unknown[0]!r}, expected one of {list(_SQUEEZE)}.")


def _activation(name: str) -> Callable[[], nn.Module]:
    if name not in _ACTIVATIONS:
        raise DomainError(f"MobileNetV3Space got activation={name!r}, expected one of {sorted(_ACTIVATIONS)}.")
    return _ACTIVATIONS[name]
