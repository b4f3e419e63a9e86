"""`SupernetTraining`: how an evaluator trains a supernet; `SupernetListener`: the receiver of its progress."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retiarii.trial import Direction, Metrics

if TYPE_CHECKING:
    from retiarii.oneshot import SearchRecord


class SupernetListener(ABC):
    """Receives the progress of the training of a supernet, and may end it."""

    @abstractmethod
    def on_start(self, first_epoch: int, num_epochs: int | None) -> None:
        """Called when the training begins.

        Args:
            first_epoch: The number of the first epoch, larger than 0 if an earlier training is continued.
            num_epochs: The total number of epochs; None if something else ends the training.
        """

    @abstractmethod
    def on_batch(self, epoch: int, batch: int, num_batches: int | None) -> None:
        """Called at the start of a training batch. An exception raised here ends the training and reaches its caller.

        Args:
            epoch: The number of the epoch, from 0.
            batch: The number of the batch, from 0.
            num_batches: The number of batches in this epoch; None if it is not known.
        """

    @abstractmethod
    def on_epoch(self, record: SearchRecord, metrics: Metrics) -> bool:
        """Called at the end of an epoch, after the checkpoint was written.

        Args:
            record: The state of the search.
            metrics: The metrics of the supernet; empty if it was not validated in this epoch.

        Returns:
            Whether to continue the training.
        """


@dataclass(frozen=True)
class SupernetTraining:
    """The settings of the training of a supernet.

    Attributes:
        listener: Receives the progress.
        seed: The seed of all randomness in the training, 0 <= seed < 2**64.
        direction: Whether larger or smaller metrics are better.
        checkpoint: A file that is written after each epoch. If it exists, the training continues from it, with the same
            results as an uninterrupted training. None to write no checkpoint.
    """

    listener: SupernetListener
    seed: int = 0
    direction: Direction = Direction.MAXIMIZE
    checkpoint: Path | None = None
