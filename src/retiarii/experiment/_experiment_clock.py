"""`ExperimentClock`: how long an experiment has been running, over all its runs, and whether its time is up."""

from __future__ import annotations

import math
import time

from retiarii.storage import SPENT, ExperimentRecord, Store
from retiarii.trial import SYSTEM_CLOCK, Clock

_ROUNDING_S = 1e-6  # in a simulation, time jumps to the very moment at which the limit is reached

NOTE_S = 2.0
"""How often the time is stored: this much of a run that is killed does not count."""


class ExperimentClock:
    """Measures the time during which an experiment runs, and stores it; the time between two runs does not count.

    Args:
        store: Where the time is stored.
        record: The experiment; has the time of earlier runs.
        limit_s: When the time is up; None for never.
    """

    def __init__(self, store: Store, record: ExperimentRecord, limit_s: float | None) -> None:
        self._store, self._id = store, record.id
        self._config = dict(record.config)
        self._before_s = record.spent_s
        self._limit_s = math.inf if limit_s is None else limit_s
        self._clock: Clock = SYSTEM_CLOCK
        self._started = self._clock.elapsed()
        self._noted = time.monotonic()

    @property
    def spent_s(self) -> float:
        """Seconds so far, those of earlier runs included."""
        return self._before_s + self._clock.elapsed() - self._started

    def now(self) -> float:
        """Return the date as Unix time, seconds."""
        return self._clock.now()

    @property
    def is_up(self) -> bool:
        """Whether the limit is reached."""
        return self.spent_s >= self._limit_s - _ROUNDING_S

    def start(self, config: dict[str, object]) -> None:
        """Begin to measure.

        Args:
            config: What `ExperimentRecord.config` holds from now on, besides the time.
        """
        self._config = dict(config)
        self._started = self._clock.elapsed()

    def read_from(self, clock: Clock) -> None:
        """Read the time from another clock from now on: only its seconds count in this run."""
        if clock is not self._clock:
            self._clock, self._started = clock, clock.elapsed()

    def patience_s(self, look_s: float) -> float | None:
        """Return how long to wait for the next event of a trial; None for any time.

        Args:
            look_s: How often to look at what else may end the search. Where time is simulated, waiting takes none, so
                that only the limit matters.
        """
        if self._clock is SYSTEM_CLOCK:
            return look_s
        return None if self._limit_s == math.inf else max(self._limit_s - self.spent_s, 0.0)

    def tick(self) -> None:
        """Store the time if that was not done lately; called all the time while the experiment runs."""
        if time.monotonic() - self._noted >= NOTE_S:
            self.note()

    def note(self) -> None:
        """Store the time."""
        self._noted = time.monotonic()
        self._store.update_experiment(self._id, config={**self._config, SPENT: round(self.spent_s, 3)})
