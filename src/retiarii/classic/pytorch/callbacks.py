"""Callbacks of trainers: what happens at the beginning and at the end of epochs and batches."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from retiarii._tensor_file import write_tensors
from retiarii.errors import ConfigError

if TYPE_CHECKING:
    from retiarii.classic.pytorch.base_mutator import BaseMutator
    from retiarii.classic.pytorch.base_trainer import BaseTrainer

__all__ = ["ArchitectureCheckpoint", "Callback", "LRSchedulerCallback", "ModelCheckpoint"]

_logger = logging.getLogger(__name__)


class Callback:
    """Does something at the beginning or the end of epochs and batches. Override the methods that you need.

    Attributes:
        model: The model; None before `build`.
        mutator: The mutator; None before `build`.
        trainer: The trainer; None before `build`.
    """

    def __init__(self) -> None:
        # Any, because a callback knows the classes of its own mutator and trainer, and runs after `build` only.
        self.model: Any = None
        self.mutator: Any = None
        self.trainer: Any = None

    def build(self, model: nn.Module, mutator: BaseMutator, trainer: BaseTrainer) -> None:
        """Take the objects of the training; the constructor of the trainer calls it."""
        self.model = model
        self.mutator = mutator
        self.trainer = trainer

    def on_epoch_begin(self, epoch: int) -> None:
        """Do something before an epoch; the first one is 0."""

    def on_epoch_end(self, epoch: int) -> None:
        """Do something after an epoch, its validation included."""

    def on_batch_begin(self, epoch: int) -> None:
        """Do something before a training batch of an epoch."""

    def on_batch_end(self, epoch: int) -> None:
        """Do something after a training batch of an epoch."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state of this callback for checkpoints of the trainer: tensors and plain data."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of a checkpoint."""


class LRSchedulerCallback(Callback):
    """Steps a scheduler of the learning rate.

    Args:
        scheduler: The scheduler.
        mode: ``"epoch"`` steps it after each epoch, ``"batch"`` after each training batch.

    Raises:
        ConfigError: The mode is another one.
    """

    def __init__(self, scheduler: Any, mode: str = "epoch") -> None:
        super().__init__()
        if mode not in ("epoch", "batch"):
            raise ConfigError(f"LRSchedulerCallback has mode={mode!r}, expected 'epoch' or 'batch'.")
        self.scheduler = scheduler
        self.mode = mode

    def on_epoch_end(self, epoch: int) -> None:
        """Step the scheduler, if it counts epochs."""
        if self.mode == "epoch":
            self.scheduler.step()

    def on_batch_end(self, epoch: int) -> None:
        """Step the scheduler, if it counts batches."""
        if self.mode == "batch":
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the scheduler."""
        state: dict[str, Any] = self.scheduler.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the state of the scheduler."""
        self.scheduler.load_state_dict(dict(state))


class _Checkpoint(Callback):
    """Writes a file after each epoch.

    Args:
        checkpoint_dir: The folder; it is made if it is missing.
        every: ``"epoch"``; there is no other.

    Raises:
        ConfigError: ``every`` is something else.
        OSError: The folder cannot be made.
    """

    def __init__(self, checkpoint_dir: str | Path, every: str = "epoch") -> None:
        super().__init__()
        if every != "epoch":
            raise ConfigError(f"{type(self).__name__} has every={every!r}, expected 'epoch'.")
        self.checkpoint_dir = Path(checkpoint_dir)
        self.checkpoint_dir.mkdir(parents=True, exist_ok=True)


class ArchitectureCheckpoint(_Checkpoint):
    """Exports the architecture after each epoch, to ``epoch_0.json`` and so on.

    Args:
        checkpoint_dir: The folder; it is made if it is missing.
        every: ``"epoch"``; there is no other.

    Raises:
        ConfigError: ``every`` is something else.
        OSError: The folder cannot be made.
    """

    def on_epoch_end(self, epoch: int) -> None:
        """Export the architecture."""
        path = self.checkpoint_dir / f"epoch_{epoch}.json"
        _logger.info("Saving the architecture to %s", path)
        self.trainer.export(path)


class ModelCheckpoint(_Checkpoint):
    """Saves the weights of the model after each epoch, to ``epoch_0.pth.tar`` and so on, for ``torch.load``.

    During a search these are the weights of the supernet. ``checkpoint_file`` of a trainer saves all that is needed to
    go on with the training.

    Args:
        checkpoint_dir: The folder; it is made if it is missing.
        every: ``"epoch"``; there is no other.

    Raises:
        ConfigError: ``every`` is something else.
        OSError: The folder cannot be made.
    """

    def on_epoch_end(self, epoch: int) -> None:
        """Save the weights."""
        path = self.checkpoint_dir / f"epoch_{epoch}.pth.tar"
        _logger.info("Saving the model to %s", path)
        write_tensors(self.model.state_dict(), path)
