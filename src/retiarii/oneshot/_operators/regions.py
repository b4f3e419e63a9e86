"""Slices: which part of a shared tensor a smaller layer uses, and the expectation of such parts.

A `Region` names, for each dimension of the full tensor, the range that is used. Regions are boxes, except for tensors
that stack several blocks (the query, key and value projections of attention): those give one list of positions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Range: TypeAlias = "tuple[int, int]"
Region: TypeAlias = "tuple[Range, ...]"


def leading(full: Sequence[int], part: Sequence[int]) -> Region:
    """Return the first ``part[d]`` positions of each dimension ``d``."""
    return tuple((0, size) for size in part)


def centred(full: Sequence[int], part: Sequence[int], *, skip: int) -> Region:
    """Return the leading positions of the first ``skip`` dimensions and the middle of the others."""
    middle = [
        ((whole - size) // 2, (whole - size) // 2 + size) for whole, size in zip(full[skip:], part[skip:], strict=True)
    ]
    return (*leading(full[:skip], part[:skip]), *middle)


def take(tensor: Tensor, region: Region) -> Tensor:
    """Return the region of a tensor as a view; the tensor itself where the region is all of it."""
    for dim, (start, stop) in enumerate(region):
        if stop - start != tensor.shape[dim]:
            tensor = tensor.narrow(dim, start, stop - start)
    return tensor


class RegionMask:
    """The expectation of a tensor that is cut to a random region and padded with zeros.

    Multiplying the full tensor by the mask gives ``sum_c p_c pad(tensor[region_c])``. Along each dimension the regions
    cut the positions into a few segments; the mask is computed per segment and then spread, so that it costs little
    beside the layer itself.

    Args:
        full: The shape of the full tensor.
        regions: The region of each of ``C`` configurations.
    """

    def __init__(self, full: Sequence[int], regions: Sequence[Region]) -> None:
        self._spread: list[tuple[int, Tensor]] = []
        inside = torch.ones(len(regions), *[1] * len(full))
        for dim, size in enumerate(full):
            cuts = sorted({0, size, *(edge for region in regions for edge in region[dim])})
            starts = torch.tensor(cuts[:-1])
            ranges = torch.tensor([region[dim] for region in regions])
            covered = (starts >= ranges[:, :1]) & (starts < ranges[:, 1:])
            inside = inside * covered.float().reshape(len(regions), *[1] * dim, -1, *[1] * (len(full) - dim - 1))
            if len(cuts) > 2:
                lengths = torch.tensor([stop - start for start, stop in itertools.pairwise(cuts)])
                self._spread.append((dim, torch.repeat_interleave(torch.arange(len(lengths)), lengths)))
        self._inside = inside

    def __call__(self, probabilities: Tensor) -> Tensor:
        """Return the mask, to be broadcast against the full tensor.

        Args:
            probabilities: ``[C]``, of the configurations; need not sum to 1.
        """
        if self._inside.device != probabilities.device or self._inside.dtype != probabilities.dtype:
            self._inside = self._inside.to(probabilities)
            self._spread = [(dim, positions.to(probabilities.device)) for dim, positions in self._spread]
        mask: Tensor = torch.tensordot(probabilities, self._inside, dims=1)
        for dim, positions in self._spread:
            mask = mask.index_select(dim, positions)
        return mask
