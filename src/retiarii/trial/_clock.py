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


class SimulatedClock(Clock):
    """A clock that stands still until it is advanced; it starts at 0, the Unix time of 1970-01-01 00:00 UTC.

    The times of simulated trials are therefore the seconds since the beginning of their search.
    """

    def __init__(self) -> None:
        self._seconds = 0.0

    def now(self) -> float:
        """Return the simulated seconds since the beginning of the search."""
        return self._seconds

    def elapsed(self) -> float:
        """Return the simulated seconds since the beginning of the search."""
        return self._seconds

    def advance_to(self, seconds: float) -> None:
        """Set the time, which never goes back.

        Args:
            seconds: Seconds since the beginning of the search; an earlier time than now has no effect.
        """
        self._seconds = max(self._seconds, seconds)


SYSTEM_CLOCK = SystemClock()
