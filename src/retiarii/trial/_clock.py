"""`Clock`: the time source of an experiment, which a simulation can replace."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod


class Clock(ABC):
    """The time source of one experiment's trials. Each executor has one, see `Executor.clock`."""

    @abstractmethod
    def now(self) -> float:
        """Return the current Unix time in seconds, which is stored with trials."""

    @abstractmethod
    def elapsed(self) -> float:
        """Return monotonic seconds since an arbitrary start, for measuring durations."""


class SystemClock(Clock):
    """The real time of this machine."""

    def now(self) -> float:
        """Return the current Unix time in seconds."""
        return time.time()

    def elapsed(self) -> float:
        """Return monotonic seconds since an arbitrary start."""
        return time.monotonic()


SYSTEM_CLOCK = SystemClock()
