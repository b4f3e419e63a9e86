"""`SearchCallback`: Lightning drives a search, and the user's module stays as it is."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from retiarii.errors import ConfigError, MissingExtraError
from retiarii.oneshot._data import Cycle, shared_out
from retiarii.oneshot._history import SearchRecord
from retiarii.oneshot._search import OneShotSearch

try:
    import pytorch_lightning
    from pytorch_lightning.strategies import DDPStrategy
except ImportError as err:
    raise MissingExtraError(
        "One-shot search inside Lightning needs pytorch-lightning, which is not installed. Run: pip install 'retiarii[lightning]'"
    ) from err


class SearchCallback(pytorch_lightning.Callback):
    """Searches while Lightning trains the supernet.

    The module's training step trains the weights: Lightning calls it as always, so that its optimizers, schedulers and
    callbacks, precision, accumulation and clipping are those of the trainer. Before each of its steps the callback lets
    the architecture learn from a validation batch, through the module's training step, or through its validation step where
    the search learns from rewards; what the module logs then is not logged. Then it sets the supernet for the step.
    Validation runs as always too, on what `OneShotSearch.reset_for_validation` chooses.

    Its state is part of the trainer's checkpoints.

    Args:
        search: The running search, whose ``supernet.module`` is the model of the Lightning module.
        arch_dataloaders: Batches for the architecture; repeated as often as needed. Not needed by searches whose phase is
            "none".
        on_record: Is called after each epoch, in the main process.

    Attributes:
        history: The records of all epochs so far.

    Raises:
        ConfigError: The search needs batches for the architecture.
    """

    def __init__(
        self,
        search: OneShotSearch,
        arch_dataloaders: Any = None,
        *,
        on_record: Callable[[SearchRecord], None] | None = None,
    ) -> None:
        if arch_dataloaders is None and search.phase != "none":
            raise ConfigError(
                "This strategy learns the architecture from validation batches, but there are none. Give the evaluator both "
                "training and validation data; split_loader makes two loaders of one."
            )
        self.search = search
        self.history: list[SearchRecord] = []
        self._loaders = arch_dataloaders
        self._on_record = on_record
        self._batches: Cycle | None = None
        self._validation_mode: dict[torch.nn.Module, bool] = {}

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Check the trainer.

        Raises:
            ConfigError: Several processes are to train single paths, and do not expect unused weights.
        """
        strategy = trainer.strategy
        finds_unused = getattr(strategy, "_ddp_kwargs", {}).get("find_unused_parameters", False)
        if isinstance(strategy, DDPStrategy) and trainer.world_size > 1 and not finds_unused:
            raise ConfigError(
                "In one-shot search not every weight takes part in every step, which the trainer's strategy does not expect. "
                "Use Trainer(strategy='ddp_find_unused_parameters_true')."
            )
        clip = self.search.hints.gradient_clip_val
        if clip is not None and trainer.gradient_clip_val is None:
            trainer.gradient_clip_val = clip

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin with the batches for the architecture."""
        if self._loaders is not None:
            self._batches = Cycle(shared_out(self._loaders))

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Let schedules follow."""
        self.search.begin_epoch(trainer.current_epoch, trainer.max_epochs or 0)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Let the architecture learn, and set the supernet for the weights."""
        if self.search.phase == "step" and self.search.is_learning and self._batches is not None:
            val_batch = self._next_batch(trainer)
            scale = _loss_scale(trainer)
            with _quietly(pl_module), trainer.precision_plugin.train_step_context():
                self.search.architecture_step(
                    lambda: _loss_of(pl_module.training_step(val_batch, batch_idx)),
                    train_loss=lambda: _loss_of(pl_module.training_step(batch, batch_idx)),
                    optimizer=trainer.optimizers[0] if trainer.optimizers else None,
                    scale=scale,
                )
        self.search.reset()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Let a controller learn, and take the record."""
        if self.search.phase == "epoch" and self.search.is_learning:
            self._learn_from_rewards(trainer, pl_module)
        record = self.search.record()
        self.history.append(record)
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.log_metrics(record.scalars(), step=trainer.global_step)
            if self._on_record is not None:
                self._on_record(record)

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Set the supernet for validation."""
        self.search.reset_for_validation()

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Have batch normalisation use the statistics of the batch: running ones mix those of all paths."""
        self._validation_mode = {}
        for module in self.search.supernet.module.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                self._validation_mode[module] = module.training
"""
"""
