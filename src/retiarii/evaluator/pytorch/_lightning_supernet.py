"""Lightning and supernets: the user's module trains one, and measures subnets with the weights that they inherit."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils.data import DataLoader

from retiarii._tensor_file import TensorFileError, read_tensors, seal, temporary_beside
from retiarii.errors import EvaluatorError
from retiarii.evaluator._seeding import seed_everything
from retiarii.evaluator._supernet import SupernetTraining
from retiarii.evaluator.pytorch._lightning_data import fresh_loaders
from retiarii.evaluator.pytorch._lightning_extra import pytorch_lightning
from retiarii.evaluator.pytorch._lightning_report import logged_numbers, name_default
from retiarii.oneshot import OneShotSearch, SearchRecord, recalibrate_batch_norm
from retiarii.oneshot._lightning import join
from retiarii.oneshot._lightning_steps import quietly
from retiarii.space import rng_for

if TYPE_CHECKING:
    from retiarii.evaluator.pytorch._lightning_evaluator import Lightning

TrainerOf: TypeAlias = Callable[[pytorch_lightning.Callback], Any]


class EpochSeeds(pytorch_lightning.Callback):
    """Lets everything random in an epoch follow from its number, so that a resumed training is like one in one go.

    Has to be the first callback. Loaders get their order from generators of their own, since the moment at which
    Lightning begins to iterate over them depends on its version and on whether training is resumed.

    Args:
        seed: Of all epochs.
    """

    def __init__(self, seed: int) -> None:
        self._root = seed
        self._next_epoch = 0

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Seed the workers of the first epoch."""
        seed_everything(self._seed(self._next_epoch, 0))

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Seed the workers of any other epoch, and the order of the batches."""
        self._next_epoch = trainer.current_epoch + 1
        seed_everything(self._seed(trainer.current_epoch, 0))
        for number, loader in enumerate(_loaders_in(trainer.train_dataloader)):
            _set_generator(loader, torch.Generator().manual_seed(self._seed(trainer.current_epoch, 2, number)))

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Seed all else, when the first batch is there."""
        if batch_idx == 0:
            seed_everything(self._seed(trainer.current_epoch, 1))

    def state_dict(self) -> dict[str, Any]:
        """Return which epoch comes next: the trainer does not know it yet when training begins."""
        return {"next_epoch": self._next_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the epoch after the last."""
        self._next_epoch = state_dict["next_epoch"]

    def _seed(self, *numbers: int) -> int:
        return rng_for(self._root, *numbers).getrandbits(63)


class SupernetWatch(pytorch_lightning.Callback):
    """Writes the checkpoint after each epoch, and tells the listener.

    Args:
        training: Checkpoint and listener.
        monitor: The metric by which trials are compared, as in `name_default`.
    """

    def __init__(self, training: SupernetTraining, monitor: str | None) -> None:
        self._training = training
        self._monitor = monitor
        self._record: SearchRecord | None = None
        self._is_validated = False
        self._is_writing = False

    def take(self, record: SearchRecord) -> None:
        """Keep the record of the epoch until it is over."""
        self._record = record

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Announce the training."""
        is_counted = trainer.max_epochs is not None and trainer.max_epochs > 0
        self._training.listener.on_start(trainer.current_epoch, trainer.max_epochs if is_counted else None)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Tell the listener, who may raise."""
        total = trainer.num_training_batches
        self._training.listener.on_batch(
            trainer.current_epoch, batch_idx, int(total) if total != float("inf") else None
        )

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Note that there are metrics of this epoch."""
        self._is_validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Write the checkpoint, then tell the listener."""
        assert self._record is not None  # the search's own callback runs first
        metrics = {}
        if self._is_validated:
            metrics = name_default(logged_numbers(trainer.callback_metrics), self._monitor)
        self._is_validated = False
        if self._training.checkpoint is not None:
            self._write(trainer, self._training.checkpoint)
        if not self._training.listener.on_epoch(self._record, metrics):
            trainer.should_stop = True

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Leave the module's arguments out of our file: they may be anything, and the evaluator has them."""
        if self._is_writing:
            checkpoint.pop("hyper_parameters", None)
            checkpoint.pop("datamodule_hyper_parameters", None)

    def _write(self, trainer: Any, path: Path) -> None:
        """Replace the file at once, so that a process killed at any instant leaves a whole one."""
        temporary = temporary_beside(path)
        self._is_writing = True
        try:
            trainer.save_checkpoint(temporary)
        finally:
            self._is_writing = False
        seal(temporary)
        os.replace(temporary, path)


def train(
    evaluator: Lightning, search: OneShotSearch, training: SupernetTraining, module: Any, trainer_of: TrainerOf
) -> None:
    """Train a supernet with a copy of the evaluator's module.

    Args:
        evaluator: Has the data.
        search: The running search.
        training: How to train.
        module: The copy.
        trainer_of: Makes a trainer with one more callback.

    Raises:
        EvaluatorError: There are no training or validation data, the trainer uses several processes, or the
            checkpoint cannot be read.
        ConfigError: The search needs batches for the architecture.
    """
    train_data = _without_generators(fresh_loaders(evaluator.train_dataloaders))
    validation = _without_generators(fresh_loaders(evaluator.val_dataloaders))
    watch = SupernetWatch(training, evaluator.monitor)
    trainer = trainer_of(watch)
    _check_processes(trainer)
    join(
        search,
        module,
        trainer,
        _architecture_batches(module, train_data, evaluator.val_dataloaders),
        on_record=watch.take,
        reward_metric_name=evaluator.monitor,
        smaller_is_better=training.direction.value == "minimize",
    )
    trainer.callbacks.insert(0, EpochSeeds(training.seed))
    trainer.fit(module, train_data, validation, **_continued(training.checkpoint), **evaluator.fit_kwargs)


class Recalibration(pytorch_lightning.Callback):
    """Computes the statistics of batch normalisation anew before a subnet is validated.

    Args:
        evaluator: Has the training data.
        num_batches: How many of them are used.
    """

    def __init__(self, evaluator: Lightning, num_batches: int) -> None:
        self._evaluator = evaluator
        self._num_batches = num_batches

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Run training batches through the network, by the module's own training step."""
        batches = _training_batches(pl_module, fresh_loaders(self._evaluator.train_dataloaders))
        if batches is None:
            return

        def run(model: nn.Module, batch: Any) -> None:
            moved = pl_module.on_before_batch_transfer(batch, 0)
            pl_module.training_step(trainer.strategy.batch_to_device(moved, dataloader_idx=0), 0)

        with quietly(pl_module):
            recalibrate_batch_norm(pl_module.model, batches, num_batches=self._num_batches, forward=run)


def _architecture_batches(module: Any, train_data: Any, validation: Any) -> Any:
    """Return loaders for the architecture: those for validation once more, with iterators of their own."""
    if validation is not None:
        loaders = fresh_loaders(validation)
        return _without_generators(loaders)
    if isinstance(train_data, pytorch_lightning.LightningDataModule):
        return _set_up(train_data).val_dataloader()
    return module.val_dataloader() or None


def _without_generators(loaders: Any) -> Any:
    for loader in _loaders_in(loaders):
        _set_generator(loader, None)
    return loaders


def _loaders_in(loaders: Any) -> list[DataLoader[Any]]:
    """Return the loaders in lists and dicts of them."""
    return [leaf for leaf in pytree.tree_leaves(loaders) if isinstance(leaf, DataLoader)]


def _set_generator(loader: DataLoader[Any], generator: torch.Generator | None) -> None:
    """Let a loader draw the order of its samples from a generator, None for torch's global one, and all else from that.

    Generators of the user's go on from epoch to epoch, and nobody knows where they were when training is resumed.
    """
    if hasattr(loader.sampler, "generator"):
        loader.sampler.generator = generator
    loader.generator = None


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
    """Return the arguments of ``Trainer.fit`` with which it goes on, where there is something to go on from."""
    if checkpoint is None or not checkpoint.exists():
        return {}
    try:
        read_tensors(checkpoint, mmap=True)  # before anything may run code from it
    except (TensorFileError, OSError) as error:
        reason = error if isinstance(error, TensorFileError) else f"is not readable ({error.strerror or error})"
        raise EvaluatorError(
            f"The checkpoint {checkpoint} cannot be read: it {reason}. Delete it to train the supernet from the "
            "beginning."
        ) from error
    accepts = inspect.signature(pytorch_lightning.Trainer.fit).parameters
    return {"ckpt_path": str(checkpoint), **({"weights_only": True} if "weights_only" in accepts else {})}
