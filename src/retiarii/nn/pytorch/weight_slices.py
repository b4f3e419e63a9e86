"""`WeightSlices`: the part of a larger layer's tensors that a layer of the same type with smaller arguments takes.

Supernets and ``freeze(..., weights="keep")`` both cut weights in this way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

Range: TypeAlias = "tuple[int, int]"
Region: TypeAlias = "tuple[Range, ...]"


@dataclass(frozen=True)
class Piece:
    """A part of one tensor of the largest layer.

    Attributes:
        source: The dict with the full tensor (``_parameters`` or ``_buffers`` of its module).
        key: The full tensor's name in that dict.
        blocks: How many blocks the full tensor stacks along its first dimension.
        region: The part of each block; with more than one block, of the tensor of shape ``[blocks, ...]``.
        block: The only block that is used; None for all.
    """

    source: MutableMapping[str, Any]
    key: str
    blocks: int
    region: Region
    block: int | None = None

    def part(self) -> Tensor:
        """Return the part, differentiable with respect to the full tensor; a view unless blocks were cut."""
        full: Tensor = self.source[self.key]
        if self.blocks == 1:
            return _take(full, self.region)
        stacked = full.reshape(self.blocks, -1, *full.shape[1:])
        if self.block is not None:
            return _take(stacked[self.block], self.region)
        return _take(stacked, self.region).flatten(0, 1)


def join(pieces: Sequence[Piece]) -> Tensor:
    """Return the tensor that consists of pieces, stacked along the first dimension; a view of a single one."""
    return pieces[0].part() if len(pieces) == 1 else torch.cat([piece.part() for piece in pieces])


def leading_region(name: str, full: Sequence[int], part: Sequence[int]) -> Region:
    """Cut the first positions of every dimension."""
    return tuple((0, size) for size in part)


def centred_kernel(name: str, full: Sequence[int], part: Sequence[int]) -> Region:
    """Cut leading channels and the middle of the kernel, as Once-for-all (Cai et al., 2020) without its transform."""
    if name != "weight":
        return leading_region(name, full, part)
    starts = [(whole - size) // 2 for whole, size in zip(full[2:], part[2:], strict=True)]
    middle = [(start, start + size) for start, size in zip(starts, part[2:], strict=True)]
    return (*leading_region(name, full[:2], part[:2]), *middle)


@dataclass(frozen=True)
class WeightSlices:
    """Where the tensors of smaller layers of one type are in those of a larger layer.

    Args:
        region: From the name of a tensor and the shapes of the full tensor and the part, the part's place.
        blocks: Tensors that stack blocks along the first dimension, each of which is cut by itself; name to number. A
            name can be a pattern (``"bias_*"``).
        stacks: Tensors that some layers have as one and others as several, which the one stacks along the first
            dimension; the name of the one to those of the others.
    """

    region: Callable[[str, Sequence[int], Sequence[int]], Region] = leading_region
    blocks: Mapping[str, int] = field(default_factory=dict)
    stacks: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def pieces(self, name: str, shape: Sequence[int], source: MutableMapping[str, Any]) -> tuple[Piece, ...]:
        """Return the pieces of a tensor of a smaller layer; none if the largest layer does not contain it.

        Args:
            name: The name of the tensor in the layer, with dots for layers within.
            shape: The shape of the tensor.
            source: The tensors of the same module within the largest layer.
        """
        key = name.rpartition(".")[2]
        if source.get(key) is not None:
            return self._whole(name, shape, source, key)
        if key in self.stacks:  # one tensor here, several in the largest layer
            apart = self.stacks[key]
            part = (shape[0] // len(apart), *shape[1:])
            found = [self._whole(other, part, source, other) for other in apart if source.get(other) is not None]
            return tuple(pieces[0] for pieces in found) if len(found) == len(apart) and all(found) else ()
        for stack, apart in self.stacks.items():  # several tensors here, one in the largest layer
            if key in apart and source.get(stack) is not None:
                rows, *others = source[stack].shape
                full = (rows // len(apart), *others)
                if _contains(full, shape):
                    return (Piece(source, stack, len(apart), self.region(name, full, shape), apart.index(key)),)
        return ()

    def related(self, name: str) -> tuple[str, ...]:
        """Return the names of the tensors that stand for a tensor in layers that stack it, or do not."""
        return (*self.stacks.get(name, ()), *(stack for stack, apart in self.stacks.items() if name in apart))

    def _whole(self, name: str, shape: Sequence[int], source: MutableMapping[str, Any], key: str) -> tuple[Piece, ...]:
        """Return the piece of the tensor with the same role, or nothing if that does not contain the tensor."""
        full = source[key].shape
        if not _contains(full, shape):
            return ()
        blocks = next((number for pattern, number in self.blocks.items() if fnmatchcase(name, pattern)), 1)
        if blocks == 1:
            return (Piece(source, key, 1, self.region(name, full, shape)),)
        split = [(blocks, size[0] // blocks, *size[1:]) for size in (full, shape)]
        return (Piece(source, key, blocks, self.region(name, *split)),)


def _contains(full: Sequence[int], part: Sequence[int]) -> bool:
    return len(full) == len(part) and all(small <= large for small, large in zip(part, full, strict=True))


def _take(tensor: Tensor, region: Region) -> Tensor:
    """Return the region of a tensor as a view; the tensor itself where the region is all of it."""
    for dim, (start, stop) in enumerate(region):
        if stop - start != tensor.shape[dim]:
            tensor = tensor.narrow(dim, start, stop - start)
    return tensor


def _recurrent(gates: int) -> WeightSlices:
    return WeightSlices(blocks={"weight_[ih]h*": gates, "bias_*": gates})


_CONVOLUTION = WeightSlices(centred_kernel)
_ATTENTION = WeightSlices(
    blocks={"*in_proj_*": 3}, stacks={"in_proj_weight": ("q_proj_weight", "k_proj_weight", "v_proj_weight")}
)

WEIGHT_SLICES: Mapping[type[nn.Module], WeightSlices] = {
    nn.Conv1d: _CONVOLUTION,
    nn.Conv2d: _CONVOLUTION,
    nn.Conv3d: _CONVOLUTION,
    nn.ConvTranspose1d: _CONVOLUTION,
    nn.ConvTranspose2d: _CONVOLUTION,
    nn.ConvTranspose3d: _CONVOLUTION,
    nn.MultiheadAttention: _ATTENTION,
    nn.TransformerEncoderLayer: _ATTENTION,
    nn.TransformerDecoderLayer: _ATTENTION,
    nn.GRU: _recurrent(3),
    nn.GRUCell: _recurrent(3),
    nn.LSTM: _recurrent(4),
    nn.LSTMCell: _recurrent(4),
}
"""The layers of torch whose smaller ones do not take the first positions of every dimension."""


def slices_of(layer: nn.Module) -> WeightSlices:
    """Return how a layer is cut: as its class or its nearest base class in `WEIGHT_SLICES`, else leading positions."""
    return next((WEIGHT_SLICES[cls] for cls in type(layer).__mro__ if cls in WEIGHT_SLICES), WeightSlices())
