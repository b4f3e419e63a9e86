"""`BackgroundDrawing`: draws the model of an experiment beside its trials, and stores the drawing."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from retiarii.errors import ConfigError, CorruptStoreError, StorageError
from retiarii.execution import Aside
from retiarii.experiment._control.callbacks import Callback
from retiarii.storage import EpochRecord, Store
from retiarii.trial import Metrics, Trial

logger = logging.getLogger(__name__)

Draw: TypeAlias = Callable[[Callable[[dict[str, Any]], None]], None]
"""Draws, and sends what is to be stored; what it sends later replaces what it sent before."""

SWITCH = "RETIARII_DRAWING"
"""The environment variable that switches drawings off, if it is ``off``."""

_TIMEOUT_S = 60.0
_MAX_BYTES = 16_000_000
_PATIENCE_S = 10.0  # at the end of the experiment, for a drawing that is under way
_SHORT_PATIENCE_S = 3.0  # for its shapes and FLOPs


class BackgroundDrawing(Callback):
    """Draws in a fork of this process, which can neither delay nor stop the search, and stores what it gets.

    A drawing that is in the store already is kept. A failure is stored as a sentence.

    Args:
        store: The store of the experiment.
        experiment_id: The id of the experiment.
        draw: The function that draws; None for experiments without a model.
    """

    def __init__(self, store: Store, experiment_id: str, draw: Draw | None) -> None:
        self._store, self._id, self._draw = store, experiment_id, draw
        self._aside: Aside | None = None
        self._is_stored = False

    def start(self) -> None:
        """Begin to draw, unless there is nothing to draw."""
        if self._draw is None or os.environ.get(SWITCH) == "off" or self._has_drawing():
            return
        try:
            self._aside = Aside(self._draw, timeout_s=_TIMEOUT_S, max_bytes=_MAX_BYTES)
        except OSError as error:
            self._write({"problem": f"The model could not be drawn: {error}."})

    def finish(self) -> None:
        """Wait a moment for a drawing that is under way."""
        started = time.monotonic()
        while self._aside is not None:
            left = started + (_SHORT_PATIENCE_S if self._is_stored else _PATIENCE_S) - time.monotonic()
            if left <= 0:
                return
            self._aside.wait(left)
            self._look()

    def close(self) -> None:
        """End a drawing that is under way; a resume draws again if nothing is stored."""
        if self._aside is not None:
            self._aside.close()
            self._aside = None

    def on_trial_start(self, trial: Trial) -> None:
        """Store the drawing if it is there."""
        self._look()

    def on_trial_end(self, trial: Trial) -> None:
        """Store the drawing if it is there."""
        self._look()

    def on_intermediate(self, trial: Trial, metrics: Metrics) -> None:
        """Store the drawing if it is there."""
        self._look()

    def on_supernet_start(self, first_epoch: int, num_epochs: int | None) -> None:
        """Store the drawing if it is there."""
        self._look()

    def on_supernet_epoch(self, epoch: EpochRecord) -> None:
        """Store the drawing if it is there."""
        self._look()

    def on_experiment_start(self, trials: Sequence[Trial]) -> None:
        """Store the drawing if it is there."""
        self._look()

    def _look(self) -> None:
        if self._aside is None:
            return
        try:
            received = self._aside.received()
        except (OSError, ValueError):  # the fork was damaged by what it drew
            self._aside.close()
            received = []
        if received:
            self._write(received[-1])
        if self._aside.is_over:
            self._aside = None
            if not self._is_stored:
                reason = f"it took longer than {_TIMEOUT_S:.0f} s, was too large, or its process died"
                self._write({"problem": f"The model could not be drawn: {reason}."})

    def _write(self, data: dict[str, Any]) -> None:
        self._is_stored = True
        with suppress(StorageError, ConfigError):  # a search is worth more than its drawing
            self._store.write_drawing(self._id, data)

    def _has_drawing(self) -> bool:
        try:
            return self._store.read_drawing(self._id) is not None
        except CorruptStoreError:
            return False
        except StorageError:
            return True
