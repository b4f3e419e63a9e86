"""`Clock`: where an experiment reads the time, so that a simulation can replace it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod


class Clock(ABC):
    """The time of the trials of one experiment; an executor brings its own, see `Executor.clock`."""

    @abstractmethod
    def now(self) -> float:
        """Return the date as Unix time, seconds: what is stored with trials."""

    @abstractmethod
    def elapsed(self) -> float:
        """Return seconds since some moment, never going back: what durations are measured with."""


class SystemClock(Clock):
    """The clock of this machine."""

    def now(self) -> float:
        """Return the date as Unix time, seconds."""
        return time.time()

    def elapsed(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()


SYSTEM_CLOCK = SystemClock()
