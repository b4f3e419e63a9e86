"""PyTorch in the processes of trials: imports, threads and CUDA. Only `preload` imports it."""

from __future__ import annotations

import gc
import importlib
import mmap
import sys
from collections.abc import Iterable
from typing import Any

_SLOW_TO_IMPORT = ("torch",)
_IMPORTED_LATE = "torch._dynamo"  # by torch itself, when the first optimizer is made: 1.3 s with torch 2.13


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


class LateImport:
    """The part of PyTorch that PyTorch imports only when it is needed, imported once for all trials that need it.

    A trial that has imported it tells the template through one byte of shared memory. The template imports it before
    the next fork, so only the first trials wait for it, and searches without optimizers do not.
    """

    def __init__(self) -> None:
        self._needed = mmap.mmap(-1, 1)

    def tell(self) -> None:
        """Tell the template whether this forked process has imported it."""
        if _IMPORTED_LATE in sys.modules:
            self._needed[0] = 1

    def catch_up(self) -> None:
        """Import it in this process if a trial did."""
        if self._needed[0] and _IMPORTED_LATE not in sys.modules:
            importlib.import_module(_IMPORTED_LATE)
            gc.freeze()  # as the template does after loading the task


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
