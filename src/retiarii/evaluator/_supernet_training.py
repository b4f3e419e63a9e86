"""What one-shot search asks of an evaluator besides evaluating models: to train a supernet, and to be told about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retiarii.trial import Direction, Metrics

if TYPE_CHECKING:
    from retiarii.oneshot import SearchRecord


class SupernetListener(ABC):
    """Is told how the training of a supernet goes, and may end it."""

    @abstractmethod
    def on_start(self, first_epoch: int, num_epochs: int | None) -> None:
        """Training begins.

        Args:
            first_epoch: The number of the first epoch, larger than 0 where an earlier training is continued.
            num_epochs: How many epochs there will be in all; None where something else ends the training.
        """

    @abstractmethod
    def on_batch(self, epoch: int, batch: int, num_batches: int | None) -> None:
        """A training batch begins; an exception raised here ends the training at once and reaches its caller.

        Args:
            epoch: From 0.
            batch: From 0.
            num_batches: In this epoch, where it is known.
        """

    @abstractmethod
    def on_epoch(self, record: SearchRecord, metrics: Metrics) -> bool:
        """An epoch is over, and was written to the checkpoint.

        Args:
            record: What the search looks like.
            metrics: What was measured on the supernet; empty where it was not validated in this epoch.

        Returns:
            Whether to go on.
        """


@dataclass(frozen=True)
class SupernetTraining:
    """How to train a supernet.

    Attributes:
        listener: Is told how it goes.
        seed: Of everything random in the training, 0 <= seed < 2**64.
        direction: Whether larger or smaller metrics are better.
        checkpoint: A file that is written after each epoch; where it is there already, the training continues from it
            to the same numbers. None for none.
    """

    listener: SupernetListener
    seed: int = 0
    direction: Direction = Direction.MAXIMIZE
    checkpoint: Path | None = None
