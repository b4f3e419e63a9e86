"""What processes of trials have to know about PyTorch; nothing here imports it where nobody else has."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from typing import Any

_SLOW_TO_IMPORT = ("torch",)


def imported_here() -> tuple[str, ...]:
    """Return the libraries that take long to import, of those that this process has imported."""
    return tuple(name for name in _SLOW_TO_IMPORT if name in sys.modules)


def preload(names: Iterable[str]) -> None:
    """Import libraries before trials are forked, so that each has them; in one thread.

    A child of a process with a pool of threads would wait for threads that it does not have.
    """
    for name in names:
        importlib.import_module(name)
    use_threads(1)


def use_threads(count: int) -> None:
    """Let torch compute with so many threads; one that is imported later looks at the environment."""
    torch = _torch()
    if torch is not None:
        torch.set_num_threads(count)


def has_started_cuda() -> bool:
    """Return whether this process uses CUDA, which a fork of it cannot use any more."""
    torch = _torch()
    return torch is not None and bool(torch.cuda.is_initialized())


def _torch() -> Any:
    return sys.modules.get("torch")
