"""`Binding`: the part of the largest layer's weights that a tensor of a smaller layer uses."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from retiarii.oneshot._operators.slice_rule import Region, SliceRule, take


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
            return take(full, self.region)
        stacked = full.reshape(self.blocks, -1, *full.shape[1:])
        if self.block is not None:
            return take(stacked[self.block], self.region)
        return take(stacked, self.region).flatten(0, 1)


@dataclass(frozen=True)
class Binding:
    """One tensor of a smaller layer, and the parts of the largest layer's tensors that it consists of.

    Attributes:
        name: The tensor's name in the layer, with dots for layers within.
        target: The dict that the part is written into.
        key: The tensor's name in that dict.
        pieces: One, or several that are stacked along the first dimension.
        is_buffer: Whether it is a buffer, not a parameter.
    """

    name: str
    target: MutableMapping[str, Any]
    key: str
    pieces: tuple[Piece, ...]
    is_buffer: bool

    def part(self) -> Tensor:
        """Return the tensor, differentiable with respect to the full ones; a view where it is one box of one tensor."""
        if len(self.pieces) == 1:
            return self.pieces[0].part()
        return torch.cat([piece.part() for piece in self.pieces])


def pieces_of(name: str, shape: Sequence[int], source: MutableMapping[str, Any], rule: SliceRule) -> tuple[Piece, ...]:
    """Return the pieces of a tensor of a smaller layer; none if the largest layer does not contain it.

    Args:
        name: The name of the tensor in the layer, with dots for layers within.
        shape: The shape of the tensor.
        source: The tensors of the same module within the largest layer.
        rule: How sizes share weights.
    """
    key = name.rpartition(".")[2]
    if source.get(key) is not None:
        return _whole(name, shape, source, key, rule)
    if key in rule.stacks:  # one tensor here, several in the largest layer
        apart = rule.stacks[key]
        part = (shape[0] // len(apart), *shape[1:])
        found = [_whole(other, part, source, other, rule) for other in apart if source.get(other) is not None]
        return tuple(pieces[0] for pieces in found) if len(found) == len(apart) and all(found) else ()
    for stack, apart in rule.stacks.items():  # several tensors here, one in the largest layer
        if key in apart and source.get(stack) is not None:
            rows, *others = source[stack].shape
            full = (rows // len(apart), *others)
            if _contains(full, shape):
                return (Piece(source, stack, len(apart), rule.region(name, full, shape), apart.index(key)),)
    return ()


def _whole(
    name: str, shape: Sequence[int], source: MutableMapping[str, Any], key: str, rule: SliceRule
) -> tuple[Piece, ...]:
    """Return the piece of the tensor with the same role, or nothing if that does not contain the tensor."""
    full = source[key].shape
    if not _contains(full, shape):
        return ()
    blocks = rule.blocks.get(name, 1)
    if blocks == 1:
        return (Piece(source, key, 1, rule.region(name, full, shape)),)
    split = [(blocks, size[0] // blocks, *size[1:]) for size in (full, shape)]
    return (Piece(source, key, blocks, rule.region(name, *split)),)


def _contains(full: Sequence[int], part: Sequence[int]) -> bool:
    return len(full) == len(part) and all(small <= large for small, large in zip(part, full, strict=True))
