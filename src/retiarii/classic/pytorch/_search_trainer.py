"""`SearchTrainer`: the trainers of the algorithms, which drive a one-shot search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Dataset

from retiarii.classic.pytorch._search_mutator import SearchMutator
from retiarii.classic.pytorch.callbacks import Callback
from retiarii.classic.pytorch.trainer import Trainer
from retiarii.errors import ConfigError
from retiarii.oneshot import OneShotStrategy, split_loader
from retiarii.oneshot.pytorch import SupervisedLoop, length_of

Loader = DataLoader[Any]


class SearchTrainer(Trainer):
    """Trains a supernet and searches it, by a strategy of `retiarii.oneshot`. Further arguments: `Trainer`.

    Args:
        strategy: Returns the strategy with its options for the mutator, which starts its search with it.
        model: A model with choices.
        mutator: The mutator of the model; None makes one of the class ``kind``.
        loss: Computes the loss from output and target.
        metrics: Computes a dict of metrics from output and target.
        optimizer: The optimizer of the model's parameters.
        num_epochs: The number of epochs.
        dataset_train: The training data.
        dataset_valid: The data for validation.
        batch_size: The number of samples of a batch.
        workers: The number of processes that load data.
        device: Where to train; None is the GPU if there is one.
        log_frequency: The number of steps between two log lines; None logs every ten seconds.
        callbacks: Callbacks, called in this order.
        checkpoint_file: Where the training is saved, see `Trainer`.
        reward: Computes the reward from output and target, where the search learns from rewards.
        gradient_clip_val: The largest norm of the gradient of the weights; 0 does not clip.
        auxiliary_weight: The factor of the loss of an auxiliary output, see `SupervisedLoop`.
        kind: The class of the mutator.
        make_mutator: Makes the mutator of the model; None calls ``kind(model)``.

    After an error, a model whose mutator was made here has its choices back.

    Raises:
        SearchError: Another mutator is bound to the model.
        ConfigError: The mutator is of another class or model.
        SupernetError: The strategy cannot search the model.
    """

    mutator: SearchMutator

    def __init__(
        self,
        strategy: Callable[[Any], OneShotStrategy],
        model: nn.Module,
        mutator: SearchMutator | None,
        loss: Callable[[Any, Any], Tensor],
        metrics: Callable[[Any, Any], Mapping[str, Any]],
        optimizer: optim.Optimizer,
        num_epochs: int,
        dataset_train: Dataset[Any] | None,
        dataset_valid: Dataset[Any] | None,
        batch_size: int,
        workers: int,
        device: torch.device | str | None,
        log_frequency: int | None,
        callbacks: Sequence[Callback] | None,
        *,
        checkpoint_file: str | os.PathLike[str] | None,
        reward: Callable[[Any, Any], Any] | None = None,
        gradient_clip_val: float | None = None,
        auxiliary_weight: float | None = None,
        kind: type[SearchMutator] = SearchMutator,
        make_mutator: Callable[[], SearchMutator] | None = None,
    ) -> None:
        with _mutator_of_trainer(mutator, kind, model, make_mutator) as mutator:
            mutator.start(strategy(mutator))
            mutator.search.supernet.extend_optimizer(optimizer)
            super().__init__(
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
            )
        self._loop = SupervisedLoop(
            mutator.search,
            self.loss,
            metrics,
            optimizer,
            reward=reward,
            device=self.device,
            gradient_clip_val=gradient_clip_val,
            auxiliary_weight=auxiliary_weight,
        )

    def _end_training(self) -> None:
        self.mutator.search.warn_if_undecided()

    def _train_pass(
        self,
        name: str,
        epoch: int,
        batches: Iterable[Any],
        step: Callable[[Any], Mapping[str, float]] | None = None,
        *,
        total: int = 0,
    ) -> None:
        """Do a step for each batch in training mode, with callbacks; by default, a step of the weights alone."""
        self.model.train()
        do = self._loop.train_step if step is None else step

        def step_with_callbacks(batch: Any) -> tuple[Mapping[str, float], int]:
            for callback in self.callbacks:
                callback.on_batch_begin(epoch)
            measured = do(batch)
            for callback in self.callbacks:
                callback.on_batch_end(epoch)
            return measured, self._loop.num_samples(batch)

        self._pass(name, epoch, batches, step_with_callbacks, total=total or length_of(batches))

    def _reward_pass(self, name: str, epoch: int, batches: Iterable[Any], total: int) -> None:
        """Let the architecture learn from the reward of a path on each batch, in evaluation mode."""
        self.model.eval()
        self._pass(name, epoch, batches, lambda b: (self._loop.reward_step(b), self._loop.num_samples(b)), total=total)

    def _validation_pass(self, name: str, epoch: int, batches: Iterable[Any], *, one_path: bool) -> None:
        """Measure the supernet in evaluation mode.

        Args:
            name: The name in log lines and in `history`.
            epoch: The epoch.
            batches: The batches.
            one_path: Whether all batches are computed by one path or mixture; otherwise each by another.
        """
        self.model.eval()
        search = self.mutator.search
        search.reset_for_validation()

        def step(batch: Any) -> tuple[Mapping[str, float], int]:
            if not one_path:
                search.reset_for_validation()
            return self._loop.validate(batch), self._loop.num_samples(batch)

        self._pass(name, epoch, batches, step, total=length_of(batches))


class ExportAfterEpochs(Callback):
    """Exports the architecture to the same file after each epoch.

    Args:
        file: The file.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        super().__init__()
        self._file = file

    def on_epoch_end(self, epoch: int) -> None:
        """Export the architecture."""
        self.trainer.export(self._file)


def split_for_search(dataset: Dataset[Any], fraction: float, batch_size: int, workers: int) -> tuple[Loader, Loader]:
    """Return loaders of a part of a data set for the weights, and of the rest for the architecture, both shuffled."""
    loader = DataLoader(dataset, batch_size=batch_size, shuffle=True, num_workers=workers)
    return split_loader(loader, fraction)


@contextmanager
def _mutator_of_trainer(
    given: Any, kind: type[SearchMutator], model: nn.Module, make: Callable[[], SearchMutator] | None
) -> Iterator[SearchMutator]:
    """Provide the mutator that a user gave to a trainer, or a new one, which is unbound again after an error.

    Raises:
        ConfigError: It is of another class, or bound to another model.
    """
    if given is None:
        made = kind(model) if make is None else make()  # type: ignore[call-arg]  # subclasses know their strategy
        try:
            yield made
        except BaseException:
            made.unbind()
            raise
        return
    if not isinstance(given, kind) or given.model is not model:
        raise ConfigError(
            f"The trainer got a {type(given).__name__} as its mutator, expected a {kind.__name__} of the model that "
            "it trains. Leave the mutator out, or bind one to this model."
        )
    yield given


def top_accuracies(output: Tensor, target: Tensor) -> dict[str, float]:
    """Return the share of samples whose class is the most probable one, and among the five most probable ones."""
    ranked = output.topk(min(5, output.shape[1]), dim=1).indices == target.unsqueeze(1)
    return {"acc1": ranked[:, 0].float().mean().item(), "acc5": ranked.any(dim=1).float().mean().item()}
