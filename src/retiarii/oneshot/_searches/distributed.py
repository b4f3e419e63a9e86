"""Several processes that search together: gradients and rewards are averaged, so that all learn the same."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, distributed


def average(tensors: Sequence[Tensor | None]) -> None:
    """Replace tensors, in place, by their mean over all processes; do nothing without a process group."""
    if not is_distributed():
        return
    present = [tensor for tensor in tensors if tensor is not None]
    if not present:
        return
    flat = torch.cat([tensor.detach().reshape(-1) for tensor in present])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    start = 0
    for tensor in present:
        tensor.copy_(flat[start : start + tensor.numel()].reshape(tensor.shape))
        start += tensor.numel()


def average_number(number: float, device: torch.device) -> float:
    """Return the mean of a number over all processes."""
    if not is_distributed():
        return number
    tensor = torch.tensor(number, dtype=torch.float64, device="cpu" if device.type == "cpu" else device)
    distributed.all_reduce(tensor)
    return float(tensor) / distributed.get_world_size()


def is_distributed() -> bool:
    """Return whether several processes search together."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
