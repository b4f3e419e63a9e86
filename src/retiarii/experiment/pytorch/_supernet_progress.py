"""`SupernetProgress`: the listener that stores and displays the training of a supernet, and ends it in time."""

from __future__ import annotations

from retiarii.evaluator import SupernetListener
from retiarii.experiment._control.callbacks import Callback
from retiarii.experiment._control.experiment_clock import ExperimentClock
from retiarii.experiment._control.stop_signal import Ending, StopSignal
from retiarii.experiment._displays.supernet_display import SupernetDisplay
from retiarii.oneshot import SearchRecord
from retiarii.storage import EpochRecord, Store
from retiarii.trial import Metrics


class StoppedAtOnceError(Exception):
    """Raised to leave the training in the middle of an epoch, because the user asked twice to stop."""


class SupernetProgress(SupernetListener):
    """Stores every epoch, calls the callbacks, and ends the training at the time limit or on request.

    Args:
        store: The store for the epochs.
        experiment_id: The id of the experiment.
        callback: The callbacks.
        stop: The stop signal.
        clock: The clock with the time limit.
        display: The display of batches; None for none.

    Attributes:
        ending: The reason of an early end; None if the training was completed.
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
        """Forward to the callbacks."""
        self._callback.on_supernet_start(first_epoch, num_epochs)

    def on_batch(self, epoch: int, batch: int, num_batches: int | None) -> None:
        """Check the stop signal, and update the display.

        Raises:
            StoppedAtOnceError: The user asked twice to stop.
        """
        self._clock.tick()
        if self._stop.is_set and self._stop.is_immediate:
            raise StoppedAtOnceError
        if self._display is not None:
            self._display.on_batch(batch, num_batches)

    def on_epoch(self, record: SearchRecord, metrics: Metrics) -> bool:
        """Store the epoch, and return whether to train another one."""
        epoch = EpochRecord(record.epoch, record.to_json(), metrics)
        self._store.write_epoch(self._id, epoch)
        self._callback.on_supernet_epoch(epoch)
        if self._stop.is_set:
            self.ending = Ending.STOPPED
        elif self._clock.is_up:
            self.ending = Ending.MAX_DURATION
        return self.ending is None
