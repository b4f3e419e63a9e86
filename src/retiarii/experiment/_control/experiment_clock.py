"""`ExperimentClock`: the running time of an experiment over all its runs, and its time limit."""

from __future__ import annotations

import math
import time

from retiarii.storage import SPENT, ExperimentLog, ExperimentRecord, Store
from retiarii.trial import SYSTEM_CLOCK, Clock, SimulatedClock

_ROUNDING_S = 1e-6  # in a simulation, time jumps exactly to the limit

NOTE_S = 2.0
"""How often the time is stored; at most this much is lost when a run is killed."""


class ExperimentClock:
    """Measures and stores the running time of an experiment; the time between two runs does not count.

    Args:
        store: The store in which the time is written.
        record: The experiment, with the time of earlier runs.
        limit_s: The time limit in seconds; None for no limit.
        is_simulated: Whether only simulated time counts, which begins when a simulated clock is read.
    """

    def __init__(
        self, store: Store, record: ExperimentRecord, limit_s: float | None, *, is_simulated: bool = False
    ) -> None:
        self._store, self._id = store, record.id
        self._config = dict(record.config)
        self._before_s = record.spent_s
        self._limit_s = math.inf if limit_s is None else limit_s
        self._clock: Clock = SimulatedClock() if is_simulated else SYSTEM_CLOCK
        self._started = self._clock.elapsed()
        self._noted = time.monotonic()

    @property
    def spent_s(self) -> float:
        """The running time so far in seconds, including earlier runs."""
        return self._before_s + self._clock.elapsed() - self._started

    def now(self) -> float:
        """Return the current Unix time in seconds."""
        return self._clock.now()

    @property
    def is_up(self) -> bool:
        """Whether the time limit is reached."""
        return self.spent_s >= self._limit_s - _ROUNDING_S

    def start(self, config: dict[str, object]) -> None:
        """Start to measure.

        Args:
            config: The new `ExperimentRecord.config`, to which the time is added.
        """
        self._config = dict(config)
        self._started = self._clock.elapsed()

    def read_from(self, clock: Clock) -> None:
        """Use another clock from now on, and restart the time of this run.

        A simulated clock is set to the time of earlier runs, so that it goes on where they ended.
        """
        if isinstance(clock, SimulatedClock):
            clock.advance_to(self._before_s)
            self._clock, self._before_s, self._started = clock, 0.0, 0.0
        elif clock is not self._clock:
            self._clock, self._started = clock, clock.elapsed()

    def catch_up(self, log: ExperimentLog) -> None:
        """Advance a simulated clock to the last event of earlier runs, later than the time that a killed run noted.

        Args:
            log: The earlier trials.
        """
        last = [trial.ended for trial in log.told[-1:]] + [trial.started for trial in log.pending]
        if isinstance(self._clock, SimulatedClock):
            self._clock.advance_to(max((moment for moment in last if moment is not None), default=0.0))

    def patience_s(self, look_s: float) -> float | None:
        """Return how long to wait for the next event of a trial; None for no limit.

        Args:
            look_s: How often to check for other reasons to end the search. With a simulated clock, waiting takes no
                time, and only the limit matters.
        """
        if self._clock is SYSTEM_CLOCK:
            return look_s
        return None if self._limit_s == math.inf else max(self._limit_s - self.spent_s, 0.0)

    @property
    def is_note_due(self) -> bool:
        """Whether the last `note` is long ago."""
        return time.monotonic() - self._noted >= NOTE_S

    def tick(self) -> None:
        """Store the time if the last write is long ago; called frequently."""
        if self.is_note_due:
            self.note()

    def note(self) -> None:
        """Store the time."""
        self._noted = time.monotonic()
        spent = self.spent_s if isinstance(self._clock, SimulatedClock) else round(self.spent_s, 3)
        self._store.update_experiment(self._id, config={**self._config, SPENT: spent})
