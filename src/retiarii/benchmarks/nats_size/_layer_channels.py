"""Architectures of NATS-Bench's size space: the channels of five layers, and a number for each of the 32,768."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from retiarii.benchmarks._tables._formats.restricted_pickle import shown
from retiarii.errors import ArchitectureError

CHANNELS = (8, 16, 24, 32, 40, 48, 56, 64)
"""The candidates of each layer."""

LAYERS = ("layer1", "layer2", "layer3", "layer4", "layer5")
"""The layers: the first convolution, and the five-layer skeleton's stages and reductions behind it."""

NUM_SIZES = len(CHANNELS) ** len(LAYERS)

_CODES = {channels: code for code, channels in enumerate(CHANNELS)}
_ARCH_STR = re.compile(r"(\d+):(\d+):(\d+):(\d+):(\d+)", re.ASCII)


def number_of_sizes(arch: Mapping[str, int]) -> int:
    """Return the number of an architecture, which has the positions of its channels as octal digits.

    Args:
        arch: The channels of each layer.

    Raises:
        ArchitectureError: Layers are missing or unknown, or a number of channels is not in the space.
    """
    number = 0
    try:
        for layer in LAYERS:
            number = number * len(CHANNELS) + _CODES[arch[layer]]
    except (KeyError, TypeError):
        raise _misfit(arch) from None
    if len(arch) != len(LAYERS):
        raise _misfit(arch)
    return number


def sizes_of_number(number: int) -> dict[str, int]:
    """Return the channels of each layer of the architecture with a number."""
    shifts = range(3 * (len(LAYERS) - 1), -1, -3)
    return {layer: CHANNELS[number >> shift & 7] for layer, shift in zip(LAYERS, shifts, strict=True)}


def number_of_published_sizes(text: object) -> int:
    """Return the number of an architecture as the published records write it: ``8:16:24:64:64``.

    Raises:
        ValueError: It is not such an architecture.
    """
    found = _ARCH_STR.fullmatch(text) if isinstance(text, str) else None
    if found is None or not {int(channels) for channels in found.groups()} <= {*CHANNELS}:
        raise ValueError(f"its architecture is {shown(text)}, expected channels such as '8:16:24:64:64'")
    return number_of_sizes(dict(zip(LAYERS, map(int, found.groups()), strict=True)))


def _misfit(arch: Any) -> ArchitectureError:
    """Return the error of an architecture that is not in the space."""
    layers = ", ".join(LAYERS)
    if not isinstance(arch, Mapping):
        return ArchitectureError(
            f"The architecture is {arch!r}, expected a dict with the channels of {layers}, or None for all.", got=arch
        )
    if {*arch} != {*LAYERS}:
        return ArchitectureError(
            f"The architecture has channels for {', '.join(map(str, arch)) or 'no layer'}, expected {layers}."
        )
    layer = next(layer for layer in LAYERS if not isinstance(arch[layer], int) or arch[layer] not in _CODES)
    return ArchitectureError(
        f"The channels of {layer} are {arch[layer]!r}, expected one of {list(CHANNELS)}.",
        label=layer,
        got=arch[layer],
        expected=list(CHANNELS),
    )
