"""One seed for every generator that user code may draw from."""

from __future__ import annotations

import importlib.util
import random
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np


def load_generators() -> None:
    """Load what `seed_everything` seeds, which NumPy imports when it is first used.

    Called in the process that trials are forked from: in each trial it would take milliseconds.
    """
    import numpy.random  # noqa: F401 - loaded for what it brings


def seed_everything(seed: int) -> None:
    """Seed the generators of `random`, NumPy and torch, those of all devices included.

    Where torch was not imported yet, it is seeded when it is.

    Args:
        seed: 0 <= seed < 2**64.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is None:
        _LATER.seed(seed)
    else:
        _seed_torch(torch, seed)


def _seed_torch(torch: Any, seed: int) -> None:
    if not torch.accelerator.is_available():
        # What torch.manual_seed() does here, less the calls that it queues for every back end that this build lacks:
        # they take half a millisecond, and the queues grow without end.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


class _SeedsWhenImported(MetaPathFinder):
    """Seeds torch at the end of its import, which only a trial that needs torch has to wait for."""

    def __init__(self) -> None:
        self._seed = 0

    def seed(self, seed: int) -> None:
        """Keep the seed for the import of torch."""
        self._seed = seed
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return where torch is, with a loader that seeds it."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader

        def execute_and_seed(module: Any) -> None:
            del loader.exec_module  # from now on it is that of the loader's class again
            loader.exec_module(module)
            _seed_torch(module, self._seed)

        loader.exec_module = execute_and_seed
        return spec


_LATER = _SeedsWhenImported()
