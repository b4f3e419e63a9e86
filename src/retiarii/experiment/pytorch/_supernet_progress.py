"""`SupernetProgress`: what an experiment does while its evaluator trains a supernet."""

from __future__ import annotations

from retiarii.evaluator import SupernetListener
from retiarii.experiment._callbacks import Callback
from retiarii.experiment._experiment_clock import ExperimentClock
from retiarii.experiment._stop import Ending, StopSignal
from retiarii.experiment._supernet_display import SupernetDisplay
from retiarii.oneshot import SearchRecord
from retiarii.storage import EpochRecord, Store
from retiarii.trial import Metrics


class StoppedAtOnceError(Exception):
    """Leaves the training in the middle of an epoch, because somebody asked twice."""


class SupernetProgress(SupernetListener):
    """Stores every epoch, tells the callbacks, and ends the training when it is time to.

    Args:
        store: Where epochs are written.
        experiment_id: Of which experiment.
        callback: Told what happens.
        stop: Asks to end.
        clock: Tells when no further epoch begins.
        display: Shows batches, too.

    Attributes:
        ending: Why the training ended early; None if it did not.
    """

    def __init__(
        self,
        store: Store,
        experiment_id: str,
        *,
        callback: Callback,
        stop: StopSignal,
        clock: ExperimentClock,
        display: SupernetDisplay | None,
    ) -> None:
        self._store, self._id, self._callback = store, experiment_id, callback
        self._stop, self._clock, self._display = stop, clock, display
        self.ending: Ending | None = None

    def on_start(self, first_epoch: int, num_epochs: int | None) -> None:
        """Pass on."""
        self._callback.on_supernet_start(first_epoch, num_epochs)

    def on_batch(self, epoch: int, batch: int, num_batches: int | None) -> None:
        """Look whether somebody wants to stop.

        Raises:
            StoppedAtOnceError: Somebody asked twice.
        """
        self._clock.tick()
        if self._stop.is_set and self._stop.is_immediate:
            raise StoppedAtOnceError
        if self._display is not None:
            self._display.on_batch(batch, num_batches)

    def on_epoch(self, record: SearchRecord, metrics: Metrics) -> bool:
        """Store the epoch, and return whether there is time for another one."""
        epoch = EpochRecord(record.epoch, record.to_json(), metrics)
        self._store.write_epoch(self._id, epoch)
        self._callback.on_supernet_epoch(epoch)
        if self._stop.is_set:
            self.ending = Ending.STOPPED
        elif self._clock.is_up:
            self.ending = Ending.MAX_DURATION
        return self.ending is None
