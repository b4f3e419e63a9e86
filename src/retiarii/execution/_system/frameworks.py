"""PyTorch in the processes of trials: imports, threads and CUDA. Only `preload` imports it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from typing import Any

_SLOW_TO_IMPORT = ("torch",)


def imported_here() -> tuple[str, ...]:
    """Return the slow-to-import libraries that this process has imported."""
    return tuple(name for name in _SLOW_TO_IMPORT if name in sys.modules)


def preload(names: Iterable[str]) -> None:
    """Import libraries, with one thread, before trials are forked.

    A fork of a process with a thread pool would wait forever for threads that do not exist in it.
    """
    for name in names:
        importlib.import_module(name)
    use_threads(1)


def use_threads(count: int) -> None:
    """Set the number of threads of torch; if torch is imported later, it reads the number from the environment."""
    torch = _torch()
    if torch is not None:
        torch.set_num_threads(count)


def has_started_cuda() -> bool:
    """Return whether this process has initialised CUDA, which makes CUDA unusable in its forks."""
    torch = _torch()
    return torch is not None and bool(torch.cuda.is_initialized())


def _torch() -> Any:
    return sys.modules.get("torch")
