"""`seed_everything`: seed all random generators that user code may use."""

from __future__ import annotations

import importlib.util
import random
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np


def load_generators() -> None:
    """Import the generators that `seed_everything` seeds, which NumPy imports late.

    It is called in the process from which trials are forked, because it would take milliseconds in each trial.
    """
    import numpy.random  # noqa: F401 - imported for its generators


def seed_everything(seed: int) -> None:
    """Seed the generators of `random`, NumPy, torch (on all devices) and Keras.

    If torch is not imported yet, it is seeded at the end of its import. Keras takes its seeds from `random` when it is.

    Args:
        seed: 0 <= seed < 2**64.
    """
    keras = sys.modules.get("keras")
    if keras is not None:
        keras.utils.set_random_seed(seed % 2**32)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is None:
        _LATER.seed(seed)
    else:
        _seed_torch(torch, seed)


def _seed_torch(torch: Any, seed: int) -> None:
    if not torch.accelerator.is_available():
        # The same as torch.manual_seed(), without the calls that it queues for back ends that this build lacks: they
        # take half a millisecond, and the queues grow without limit.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


class _SeedsWhenImported(MetaPathFinder):
    """An import hook that seeds torch at the end of its import, so that trials without torch need not import it."""

    def __init__(self) -> None:
        self._seed = 0

    def seed(self, seed: int) -> None:
        """Store the seed for the import of torch."""
        self._seed = seed
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return the module spec of torch, with a loader that seeds it."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader

        def execute_and_seed(module: Any) -> None:
            del loader.exec_module  # restores the method of the loader's class
            loader.exec_module(module)
            _seed_torch(module, self._seed)

        loader.exec_module = execute_and_seed
        return spec


_LATER = _SeedsWhenImported()
