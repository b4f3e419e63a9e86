"""Memory of parameters and buffers: a graph copies each of them, so none may be a view of another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from retiarii.errors import GraphError


def owners(model: nn.Module) -> Mapping[int, str]:
    """Return the storage of each parameter and buffer, with the name of the first one in it."""
    found: dict[int, str] = {}
    for name, tensor in _named(model):
        found.setdefault(storage_of(tensor), name)
    found.pop(0, None)
    return found


def check_memory(model: nn.Module) -> None:
    """Check that no parameter or buffer is a view of another one.

    One tensor may have several names.

    Raises:
        GraphError: Two of them overlap.
    """
    ranges = sorted(
        (storage_of(tensor), *_extent(tensor), name)
        for name, tensor in _named(model)
        if storage_of(tensor) and tensor.numel()
    )
    for (storage, _, end, name), (other, start, _, second) in pairwise(ranges):
        if storage == other and start < end:
            raise GraphError(
                f"{second!r} and {name!r} are two tensors in the same memory, so that a change of one changes the "
                "other, which a graph does not hold. Register the same tensor twice, or a clone() of it."
            )


def storage_of(tensor: torch.Tensor) -> int:
    """Return the id of the memory of a tensor; 0 for tensors without memory."""
    if is_lazy(tensor) or tensor.is_meta or tensor.layout is not torch.strided:
        return 0
    return int(tensor.untyped_storage()._cdata)


def _named(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every parameter and buffer once."""
    seen: set[int] = set()
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if id(tensor) not in seen:
            seen.add(id(tensor))
            yield name, tensor


def _extent(tensor: torch.Tensor) -> tuple[int, int]:
    """Return the first byte of a tensor in its storage, and the one after the last."""
    steps = sum((int(size) - 1) * int(stride) for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    start = int(tensor.storage_offset()) * tensor.element_size()
    return start, start + (steps + 1) * tensor.element_size()
