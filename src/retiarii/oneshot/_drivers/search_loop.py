"""`SearchLoop`: a plain training loop for a search, without Lightning."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn, optim

from retiarii.oneshot._drivers.loaders import Cycle, length_of
from retiarii.oneshot._searches.one_shot_search import OneShotSearch
from retiarii.oneshot._searches.search_record import SearchRecord

BatchLoss: TypeAlias = Callable[[nn.Module, Any], Tensor]
BatchReward: TypeAlias = Callable[[nn.Module, Any], float]


class SearchLoop:
    """Trains a supernet and searches it, in a plain loop.

    Args:
        search: The running search.
        loss: Computes the loss of a module on a batch.
        optimizer: The optimizer of the weights, ``search.supernet.parameters()``.
        reward: Computes the reward of a module on a validation batch, where the search learns from rewards; by default
            the negative loss.
        gradient_clip_val: The largest norm of the gradient of the weights; 0 does not clip, None uses that of the
            strategy.

    Examples:
        >>> search = strategy.DARTS().search(Net())
        >>> loop = SearchLoop(search, loss, torch.optim.SGD(search.supernet.parameters(), lr=0.1))
        >>> history = loop.run(train_loader, val_loader, num_epochs=10)
        >>> architecture = search.export()
    """

    def __init__(
        self,
        search: OneShotSearch,
        loss: BatchLoss,
        optimizer: optim.Optimizer,
        *,
        reward: BatchReward | None = None,
        gradient_clip_val: float | None = None,
    ) -> None:
        self.search = search
        self._loss = loss
        self._optimizer = optimizer
        self._reward = _negative(loss) if reward is None else reward
        self._clip = search.hints.gradient_clip_val if gradient_clip_val is None else gradient_clip_val

    def step(self, train_batch: Any, val_batch: Any = None) -> Tensor:
        """Train the weights on one batch; before that, after the warm-up, the architecture on another batch.

        Args:
            train_batch: The batch for the weights.
            val_batch: The batch for the architecture; with None, the architecture does not learn.

        Returns:
            The loss of the training batch.
        """
        search = self.search
        module = search.supernet.module
        if val_batch is not None and search.phase == "step" and search.is_learning:
            search.architecture_step(
                lambda: self._loss(module, val_batch),
                train_loss=lambda: self._loss(module, train_batch),
                optimizer=self._optimizer,
            )
        search.reset()
        self._optimizer.zero_grad()
        loss = self._loss(module, train_batch)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation for it
        if self._clip:
            torch.nn.utils.clip_grad_norm_(module.parameters(), self._clip)
        self._optimizer.step()
        return loss.detach()

    def run(
        self,
        train: Iterable[Any],
        validation: Iterable[Any],
        num_epochs: int,
        *,
        first_epoch: int = 0,
        on_record: Callable[[SearchRecord], None] | None = None,
    ) -> list[SearchRecord]:
        """Search for some epochs, each a pass over the training batches.

        Args:
            train: Batches for the weights.
            validation: Batches for the architecture, repeated as often as needed.
            num_epochs: The number of epochs in all.
            first_epoch: The number of the first epoch, after ``search.load_state_dict``.
            on_record: Called after each epoch.

        Returns:
            The records of these epochs.

        Raises:
            ConfigError: There are validation steps to do, but no batches; or all epochs are warm-up.
        """
        records = []
        done = first_epoch * length_of(train)
        cycle = Cycle(validation, start=done if self.search.phase == "step" else self._num_rewarded(first_epoch))
        for epoch in range(first_epoch, num_epochs):
            self.search.begin_epoch(epoch, num_epochs)
            needs_both = self.search.phase == "step"
            for batch in train:
                self.step(batch, next(cycle) if needs_both else None)
            self._learn_after_epoch(validation if self.search.hints.steps_per_epoch is None else cycle)
            record = self.search.record()
            records.append(record)
            if on_record is not None:
                on_record(record)
        self.search.warn_if_undecided()
        return records

    def _num_rewarded(self, first_epoch: int) -> int:
        """Return the number of validation batches that architecture steps of earlier epochs have used."""
        epochs = sum(self.search.is_learning_in(epoch) for epoch in range(first_epoch))
        return epochs * (self.search.hints.steps_per_epoch or 0)

    def _learn_after_epoch(self, batches: Iterable[Any]) -> None:
        search = self.search
        if search.phase != "epoch" or not search.is_learning:
            return
        module = search.supernet.module
        for batch in itertools.islice(batches, search.hints.steps_per_epoch):
            search.architecture_step(lambda batch=batch: self._reward(module, batch))  # type: ignore[misc]  # mypy cannot infer a lambda with a default


def _negative(loss: BatchLoss) -> BatchReward:
    return lambda module, batch: -float(loss(module, batch))
