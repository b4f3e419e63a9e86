"""One seed for every generator that user code may draw from."""

from __future__ import annotations

import random

import numpy as np
import torch


def load_generators() -> None:
    """Load what `seed_everything` seeds, which NumPy imports when it is first used.

    Called in the process that trials are forked from: in each trial it would take milliseconds.
    """
    import numpy.random  # noqa: F401 - loaded for what it brings


def seed_everything(seed: int) -> None:
    """Seed the generators of `random`, NumPy and torch, those of all devices included.

    Args:
        seed: 0 <= seed < 2**64.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if not torch.accelerator.is_available():
        # What torch.manual_seed() does here, less the calls that it queues for every back end that this build lacks:
        # they take half a millisecond, and the queues grow without end.
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
