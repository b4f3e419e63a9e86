"""Training a supernet, and measuring subnets with inherited weights, with the user's Lightning module."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from torch import nn

from retiarii.errors import EvaluatorError
from retiarii.evaluator._supernet_training import SupernetTraining
from retiarii.evaluator.pytorch._lightning_checkpoint import continuing, read_checkpoint, write_checkpoint
from retiarii.evaluator.pytorch._lightning_data import TrainingData, fresh_loaders
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning
from retiarii.evaluator.pytorch._lightning_report import logged_numbers, named_default
from retiarii.evaluator.pytorch._lightning_seeds import EpochSeeds, without_generators
from retiarii.oneshot import OneShotSearch, SearchRecord, recalibrate_batch_norm
from retiarii.oneshot.lightning import collected_logs, join_search

TrainerOf: TypeAlias = Callable[[pytorch_lightning.Callback], Any]


class SupernetWatch(pytorch_lightning.Callback):
    """Writes the checkpoint after each epoch, and calls the listener.

    Args:
        training: The checkpoint and the listener.
        monitor: The metric by which trials are compared, as in `named_default`.
    """

    def __init__(self, training: SupernetTraining, monitor: str | None) -> None:
        self._training = training
        self._monitor = monitor
        self._record: SearchRecord | None = None
        self._is_validated = False

    def take(self, record: SearchRecord) -> None:
        """Keep the record of the epoch until it is over."""
        self._record = record

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Forward the start of the training to the listener."""
        is_counted = trainer.max_epochs is not None and trainer.max_epochs > 0
        self._training.listener.on_start(trainer.current_epoch, trainer.max_epochs if is_counted else None)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Forward to the listener, which may raise."""
        total = trainer.num_training_batches
        self._training.listener.on_batch(
            trainer.current_epoch, batch_idx, int(total) if total != float("inf") else None
        )

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Record that this epoch has metrics."""
        self._is_validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the checkpoint, then call the listener."""
        assert self._record is not None  # the search's own callback runs first
        metrics = {}
        if self._is_validated:
            metrics = named_default(logged_numbers(trainer.callback_metrics), self._monitor)
        self._is_validated = False
        if self._training.checkpoint is not None:
            write_checkpoint(trainer, self._training.checkpoint)
        if not self._training.listener.on_epoch(self._record, metrics):
            trainer.should_stop = True


def train(
    data: TrainingData, search: OneShotSearch, training: SupernetTraining, module: Any, trainer_of: TrainerOf
) -> None:
    """Train a supernet with a copy of the evaluator's module.

    Args:
        data: The data, the metric to compare by, and further arguments of ``Trainer.fit``.
        search: The running search.
        training: The settings of the training.
        module: The copy of the evaluator's module.
        trainer_of: A function that makes a trainer with one more callback.

    Raises:
        EvaluatorError: There are no training or validation data, the trainer uses several processes, or the
            checkpoint cannot be read.
        ConfigError: The search needs batches for the architecture.
    """
    train_data = without_generators(fresh_loaders(data.train_dataloaders))
    validation = without_generators(fresh_loaders(data.val_dataloaders))
    watch = SupernetWatch(training, data.monitor)
    trainer = trainer_of(watch)
    _check_processes(trainer)
    join_search(
        search,
        module,
        trainer,
        _architecture_batches(module, train_data, data.val_dataloaders),
        on_record=watch.take,
        reward_metric_name=data.monitor,
        smaller_is_better=training.direction.value == "minimize",
    )
    trainer.callbacks.insert(0, EpochSeeds(training.seed, train_data))
    trainer.fit(module, train_data, validation, **_continued(training.checkpoint), **data.fit_kwargs)


class Recalibration(pytorch_lightning.Callback):
    """Recomputes the statistics of batch normalisation before a subnet is validated.

    Args:
        train_dataloaders: The training data.
        num_batches: The number of training batches to use.
    """

    def __init__(self, train_dataloaders: Any, num_batches: int) -> None:
        self._train_dataloaders = train_dataloaders
        self._num_batches = num_batches

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Run training batches through the network with the module's own training step."""
        batches = _training_batches(pl_module, fresh_loaders(self._train_dataloaders))
        if batches is None:
            return

        def run(model: nn.Module, batch: Any) -> None:
            moved = pl_module.on_before_batch_transfer(batch, 0)
            pl_module.training_step(trainer.strategy.batch_to_device(moved, dataloader_idx=0), 0)

        with collected_logs(pl_module):
            recalibrate_batch_norm(pl_module.model, batches, num_batches=self._num_batches, forward=run)


def _architecture_batches(module: Any, train_data: Any, validation: Any) -> Any:
    """Return loaders for the architecture step: copies of the validation loaders, with their own iterators."""
    if validation is not None:
        loaders = fresh_loaders(validation)
        return without_generators(loaders)
    if isinstance(train_data, pytorch_lightning.LightningDataModule):
        return _set_up(train_data).val_dataloader()
    return module.val_dataloader() or None


def _training_batches(module: Any, train_data: Any) -> Iterable[Any] | None:
    if isinstance(train_data, pytorch_lightning.LightningDataModule):
        train_data = _set_up(train_data).train_dataloader()
    batches: Iterable[Any] | None = module.train_dataloader() if train_data is None else train_data
    return batches


def _set_up(data: Any) -> Any:
    data.prepare_data()
    data.setup("fit")
    return data


def _check_processes(trainer: Any) -> None:
    if trainer.world_size > 1:
        raise EvaluatorError(
            f"The evaluator's trainer uses {trainer.world_size} processes, and an experiment trains its supernet in "
            "one. Set devices=1; or train in several processes by a script of your own with "
            "retiarii.oneshot.fit_supernet, which keeps their architectures equal."
        )


def _continued(checkpoint: Path | None) -> dict[str, Any]:
    """Return the arguments of ``Trainer.fit`` that continue from a checkpoint; none if there is no checkpoint."""
    if checkpoint is None:
        return {}
    try:
        read_checkpoint(checkpoint, "Delete it to train the supernet from the beginning.")
    except FileNotFoundError:
        return {}
    return continuing(checkpoint)
