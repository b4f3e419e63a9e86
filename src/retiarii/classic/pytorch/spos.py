"""Single Path One-Shot in the classic API: a supernet of random paths, and the evolution that searches it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn, optim

from retiarii.classic import StrategyTuner
from retiarii.classic.pytorch._search_mutator import SearchMutator
from retiarii.classic.pytorch._search_trainer import SearchTrainer
from retiarii.classic.pytorch.callbacks import Callback
from retiarii.errors import ConfigError
from retiarii.oneshot import CostLimit, RandomOneShot
from retiarii.strategy import GenerationalEvolution

__all__ = ["SPOSEvolution", "SPOSSupernetTrainer", "SPOSSupernetTrainingMutator"]


class SPOSSupernetTrainingMutator(SearchMutator):
    """Samples paths uniformly, within limits of their cost, see `retiarii.oneshot.RandomOneShot`.

    Args:
        model: A model with choices. It becomes a supernet, until `unbind`.
        flops_func: Computes the cost of an architecture: a dict from keys to masks of booleans, as ``export`` returns
            it. None for no limits.
        flops_lb: The smallest cost.
        flops_ub: The largest cost.
        flops_bin_num: Ignored. NNI draws one of so many intervals between the limits before each attempt; as it does
            not depend on the path, each path within the limits is as probable as without intervals.
        flops_sample_timeout: Ignored. If no path within the limits is found, an error says so; no other path is taken.
        seed: The seed of the paths; None takes one from torch's global generator.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet.
        ConfigError: There is a function without limits.
    """

    def __init__(
        self,
        model: nn.Module,
        flops_func: Callable[[dict[str, Any]], float] | None = None,
        flops_lb: float | None = None,
        flops_ub: float | None = None,
        flops_bin_num: int = 7,
        flops_sample_timeout: int = 500,
        *,
        seed: int | None = None,
    ) -> None:
        if flops_func is not None and (flops_lb is None or flops_ub is None or flops_lb > flops_ub):
            raise ConfigError(
                f"SPOSSupernetTrainingMutator has flops_func, flops_lb={flops_lb!r} and flops_ub={flops_ub!r}, "
                "expected both limits, the smaller one as flops_lb."
            )
        self._limit = None
        if flops_func is not None and flops_lb is not None and flops_ub is not None:
            self._limit = CostLimit(lambda arch: flops_func(self.masks(arch)), at_most=flops_ub, at_least=flops_lb)
        super().__init__(model, self.strategy(), seed=seed)

    def strategy(self) -> RandomOneShot:
        """Return the strategy with the limits of this mutator."""
        return RandomOneShot(filter=self._limit, keep_sampled=False)


class SPOSSupernetTrainer(SearchTrainer):
    """Trains a supernet on one random path per step, for the evolution afterwards.

    ``trainer.mutator.search`` is the trained search: `search_subnets` with a `SubnetEvaluator` of it and a
    `GenerationalEvolution` finds the best path.

    Args:
        model: A model with choices. It is moved to the device, and becomes a supernet.
        loss: Computes the loss from output and target.
        metrics: Computes a dict of metrics from output and target.
        optimizer: The optimizer of the model's parameters.
        num_epochs: The number of epochs.
        train_loader: Batches of input and target, for the weights.
        valid_loader: Batches of input and target; after each epoch random paths are measured, one on each batch.
        mutator: The mutator of the model; None makes one.
        batch_size: Ignored: the loaders have their own.
        workers: Ignored: the loaders have their own.
        device: Where to train; None is the GPU if there is one.
        log_frequency: The number of steps between two log lines; None logs every ten seconds.
        callbacks: Callbacks, called in this order.
        checkpoint_file: Where the training is saved, and goes on from, see `Trainer`.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet.
        ConfigError: The mutator is of another kind or model.

    Reference:
        Single Path One-Shot (Guo et al., 2020), arXiv:1904.00420, section 3.2; see `retiarii.oneshot.RandomOneShot`.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Tensor],
        metrics: Callable[[Any, Any], Mapping[str, Any]],
        optimizer: optim.Optimizer,
        num_epochs: int,
        train_loader: Iterable[Any],
        valid_loader: Iterable[Any],
        mutator: SPOSSupernetTrainingMutator | None = None,
        batch_size: int = 64,
        workers: int = 4,
        device: torch.device | str | None = None,
        log_frequency: int | None = None,
        callbacks: Sequence[Callback] | None = None,
        *,
        checkpoint_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self.train_loader, self.valid_loader = train_loader, valid_loader
        super().__init__(
            lambda mutator: mutator.strategy(),
            model,
            mutator,
            loss,
            metrics,
            optimizer,
            num_epochs,
            None,
            None,
            batch_size,
            workers,
            device,
            log_frequency,
            callbacks,
            checkpoint_file=checkpoint_file,
            kind=SPOSSupernetTrainingMutator,
        )

    def train_one_epoch(self, epoch: int) -> None:
        """Train the weights of a random path on each batch."""
        self.mutator.search.begin_epoch(epoch, self.num_epochs)
        self._train_pass("train", epoch, self.train_loader)

    def validate_one_epoch(self, epoch: int) -> None:
        """Measure a random path on each batch."""
        self._validation_pass("valid", epoch, self.valid_loader, one_path=False)


class SPOSEvolution(StrategyTuner):
    """The evolution of Single Path One-Shot as a tuner, see `retiarii.strategy.GenerationalEvolution`.

    Larger metrics are better.

    Args:
        max_epochs: How many generations there are.
        num_select: How many of the best architectures are parents.
        num_population: How many architectures a generation has.
        m_prob: The probability with which each choice of a mutation changes.
        num_crossover: How many architectures of a generation are crossovers.
        num_mutation: How many architectures of a generation are mutations.
        seed: The seed of its random choices.

    Raises:
        ConfigError: A number is impossible.
    """

    def __init__(
        self,
        max_epochs: int = 20,
        num_select: int = 10,
        num_population: int = 50,
        m_prob: float = 0.1,
        num_crossover: int = 25,
        num_mutation: int = 25,
        *,
        seed: int = 0,
    ) -> None:
        evolution = GenerationalEvolution(max_epochs, num_population, num_select, num_mutation, num_crossover, m_prob)
        super().__init__(evolution, seed=seed)
