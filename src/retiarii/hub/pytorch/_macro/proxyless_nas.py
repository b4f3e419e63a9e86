"""`ProxylessNAS`: the search space of ProxylessNAS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

from torch import Tensor

import retiarii.nn.pytorch as nn
from retiarii.errors import DomainError
from retiarii.hub.pytorch._foundation.ready_space import Paper, Publication, ReadySpace
from retiarii.hub.pytorch._macro.inverted_residual import (
    InvertedResidual,
    Layer,
    conv_norm,
    initialise_mobile,
    rounded_channels,
)

_STRIDES = (2, 2, 2, 1, 2)
_WIDTHS = (32, 16, 32, 40, 80, 96, 192, 320, 1280)


def _published(source: str, *stages: str, widths: Sequence[int] = _WIDTHS) -> Publication:
    """Return an architecture from the blocks of its stages: kernel size and expansion, as in ``"53 33"``."""
    values: dict[str, Any] = {}
    for stage, text in enumerate(stages, start=2):
        blocks = text.split()
        if stage <= 6:
            values[f"s{stage}_depth"] = len(blocks)
        values |= {f"s{stage}_i{index}": f"k{block[0]}e{block[1]}" for index, block in enumerate(blocks)}
    return Publication(values, f"figure 4 and public code; {source} on ImageNet", {"base_widths": widths})


@nn.model_wrapper
class ProxylessNAS(ReadySpace):
    """Inverted residuals in stages; depths are chosen, and for each block one of six candidates.

    Labels: ``s2_depth`` to ``s6_depth``, and ``s{stage}_i{block}`` with the candidates ``k3e3``,
    ``k5e3``, ``k7e3``, ``k3e6``, ``k5e6``, ``k7e6``: kernel size and expansion. Each candidate has its own weights in a
    supernet, as in the paper; `MobileNetV3Space` shares weights among them. Published, with widths of their own, are
    ``proxyless-cpu``, ``proxyless-gpu`` and ``proxyless-mobile``.

    Args:
        num_labels: The number of classes.
        base_widths: Channels of the stem, of the first block, of the six stages, and of the last convolution.
        dropout_rate: Before the classifier.
        width_mult: Factor of all widths.
        bn_eps: Added to the variances of batch normalisations.
        bn_momentum: Weight of a new batch in running statistics.
        depth_range: The smallest and largest number of blocks of each stage but the last, which has one.

    Raises:
        DomainError: There are not nine base widths, or a stage may have no block.

    Reference:
        Cai et al. (2019), "ProxylessNAS: Direct neural architecture search on target task and hardware",
        arXiv:1812.00332, section 4.2. The paper chooses a depth by a seventh candidate, which skips the block, in each
        block but the first of a stage; here, as in NNI's hub, the depth is a choice of its own, so that no network is
        written in several ways. Weights are initialised as in the paper's public code: see `initialise_mobile`.
    """

    PAPER: ClassVar[Paper] = Paper(
        "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware", "1812.00332", 2019, "section 4.2"
    )
    PUBLISHED: ClassVar[Mapping[str, Publication]] = MappingProxyType(
        {
            "proxyless-cpu": _published(
                "75.3 %", "36 33 33 33", "36 33 33 53", "36 33", "56 33 33 33", "56 53 53 33", "56",
                widths=(40, 24, 32, 48, 88, 104, 216, 360, 1432),
            ),
            "proxyless-gpu": _published(
                "75.1 %", "53", "73 33", "76 53", "56 33 53", "76 76 76 56", "76",
                widths=(40, 24, 32, 56, 112, 128, 256, 432, 1728),
            ),
            "proxyless-mobile": _published(
                "74.6 %", "53 33", "73 33 53 53", "76 53 53 53", "56 53 53 53", "76 76 73 73", "76",
            ),
        }
    )  # fmt: skip

    def __init__(
        self,
        num_labels: int = 1000,
        base_widths: Sequence[int] = _WIDTHS,
        dropout_rate: float = 0.0,
        width_mult: float = 1.0,
        bn_eps: float = 1e-3,
        bn_momentum: float = 0.1,
        *,
        depth_range: tuple[int, int] = (1, 4),
    ) -> None:
        super().__init__()
        if len(base_widths) != 9:
            raise DomainError(f"ProxylessNAS got {len(base_widths)} base_widths, expected 9: {tuple(base_widths)!r}.")
        if not isinstance(depth_range, Sequence) or len(depth_range) != 2 or depth_range[0] < 1:
            raise DomainError(
                f"ProxylessNAS got depth_range={depth_range!r}, expected (min, max) with 1 <= min <= max."
            )
        widths = [rounded_channels(width * width_mult) for width in base_widths]
        norm = partial(nn.BatchNorm2d, eps=bn_eps, momentum=bn_momentum)
        self.stem = conv_norm(3, widths[0], 3, stride=2, norm=norm)
        parts: list[nn.Module] = [InvertedResidual(widths[0], widths[1], None, norm=norm)]
        for stage, stride in enumerate(_STRIDES, start=2):
            block = partial(_block, stage, widths[stage - 1 : stage + 1], stride, norm)
            parts.append(nn.Repeat(block, depth_range, label=f"s{stage}_depth"))
        parts.append(_block(7, widths[6:8], 1, norm, 0))
        self.blocks = nn.Sequential(*parts)
        self.features = conv_norm(widths[7], widths[8], norm=norm)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout_rate)
        self.classifier = nn.Linear(widths[8], num_labels)
        initialise_mobile(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits ``[N, num_labels]`` of images ``[N, 3, H, W]``."""
        features = self.pool(self.features(self.blocks(self.stem(images)))).flatten(1)
        logits: Tensor = self.classifier(self.dropout(features))
        return logits


def _block(stage: int, widths: Sequence[int], stride: int, norm: Layer, index: int) -> nn.LayerChoice:
    in_channels, stride = (widths[0], stride) if index == 0 else (widths[1], 1)
    candidates = {
        f"k{kernel_size}e{ratio}": InvertedResidual(
            in_channels, widths[1], in_channels * ratio, kernel_size, stride=stride, norm=norm
        )
        for ratio in (3, 6)
        for kernel_size in (3, 5, 7)
    }
    return nn.LayerChoice(candidates, label=f"s{stage}_i{index}")
