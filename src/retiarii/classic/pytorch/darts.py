"""DARTS in the classic API: `DartsTrainer` and `DartsMutator`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Dataset

from retiarii.classic.pytorch._search_mutator import SearchMutator
from retiarii.classic.pytorch._search_trainer import SearchTrainer, split_for_search
from retiarii.classic.pytorch.callbacks import Callback
from retiarii.oneshot import DARTS
from retiarii.oneshot.pytorch import Cycle

__all__ = ["DartsMutator", "DartsTrainer"]


class DartsMutator(SearchMutator):
    """Weighs all candidates by the softmax of architecture parameters, see `retiarii.oneshot.DARTS`.

    Args:
        model: A model with choices. It becomes a supernet, until `unbind`.
        seed: The seed of the search; None takes one from torch's global generator.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet.
    """

    def __init__(self, model: nn.Module, *, seed: int | None = None) -> None:
        super().__init__(model, DARTS(), seed=seed)


class DartsTrainer(SearchTrainer):
    """Searches with DARTS. A random half of the training data trains the weights, the other half the architecture.

    Args:
        model: A model with choices. It is moved to the device, and becomes a supernet.
        loss: Computes the loss from output and target.
        metrics: Computes a dict of metrics from output and target.
        optimizer: The optimizer of the model's parameters.
        num_epochs: The number of epochs.
        dataset_train: Pairs of input and target.
        dataset_valid: Pairs of input and target; after each epoch the mixture is measured on them.
        mutator: The mutator of the model; None makes one.
        batch_size: The number of samples of a batch.
        workers: The number of processes that load data.
        device: Where to train; None is the GPU if there is one.
        log_frequency: The number of steps between two log lines; None logs every ten seconds.
        callbacks: Callbacks, called in this order.
        arc_learning_rate: The learning rate of the architecture.
        unrolled: Whether the gradient of the architecture looks one step of the weights ahead (second order).
        checkpoint_file: Where the training is saved, and goes on from, see `Trainer`.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet.
        ConfigError: The mutator is of another kind or model, or the data cannot be split.

    Reference:
        DARTS (Liu et al., 2019), arXiv:1806.09055; see `retiarii.oneshot.DARTS`. As in the code of the paper, the
        gradient of the weights is clipped to a norm of 5.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Tensor],
        metrics: Callable[[Any, Any], Mapping[str, Any]],
        optimizer: optim.Optimizer,
        num_epochs: int,
        dataset_train: Dataset[Any],
        dataset_valid: Dataset[Any],
        mutator: DartsMutator | None = None,
        batch_size: int = 64,
        workers: int = 4,
        device: torch.device | str | None = None,
        log_frequency: int | None = None,
        callbacks: Sequence[Callback] | None = None,
        arc_learning_rate: float = 3.0e-4,
        unrolled: bool = False,
        *,
        checkpoint_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self.train_loader, self.valid_loader = split_for_search(dataset_train, 0.5, batch_size, workers)
        self.test_loader: DataLoader[Any] = DataLoader(dataset_valid, batch_size=batch_size, num_workers=workers)
        super().__init__(
            lambda _: DARTS(arc_learning_rate=arc_learning_rate, unrolled=unrolled),
            model,
            mutator,
            loss,
            metrics,
            optimizer,
            num_epochs,
            dataset_train,
            dataset_valid,
            batch_size,
            workers,
            device,
            log_frequency,
            callbacks,
            checkpoint_file=checkpoint_file,
            gradient_clip_val=5.0,
            kind=DartsMutator,
        )

    def train_one_epoch(self, epoch: int) -> None:
        """Do an architecture step and a weight step for each batch of the first half."""
        self.mutator.search.begin_epoch(epoch, self.num_epochs)
        cycle = Cycle(self.valid_loader)
        self._train_pass("train", epoch, self.train_loader, lambda batch: self._loop.train_step(batch, next(cycle)))

    def validate_one_epoch(self, epoch: int) -> None:
        """Measure the mixture on the validation data."""
        self._validation_pass("valid", epoch, self.test_loader, one_path=True)
