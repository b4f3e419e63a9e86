"""The one-shot trainers of NNI 2.x: an object with `fit` and `export` around each strategy.

`DartsTrainer`, `EnasTrainer`, `ProxylessTrainer` and `SinglePathTrainer` (also `RandomTrainer`) take a model, a loss,
an optimizer and a data set, and search with the strategies of `retiarii.oneshot`. New code should prefer the
strategies: in an experiment, with Lightning, or in a loop of your own.
"""

from __future__ import annotations

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset

from retiarii.errors import ConfigError
from retiarii.oneshot._drivers.average_meters import AverageMeter, AverageMeterGroup, metered_pass, shown_log
from retiarii.oneshot._drivers.loaders import Cycle, length_of, split_loader
from retiarii.oneshot._drivers.supervised_loop import (
    OutputLoss,
    OutputMetrics,
    OutputReward,
    SupervisedLoop,
    to_device,
)
from retiarii.oneshot._searches.expected_cost import ExpectedCost
from retiarii.oneshot._searches.search_record import SearchRecord
from retiarii.oneshot._strategies.differentiable_strategies import DARTS, Proxyless
from retiarii.oneshot._strategies.one_shot_strategy import OneShotStrategy
from retiarii.oneshot._strategies.sampling_strategies import ENAS, RandomOneShot

__all__ = [
    "AverageMeter",
    "AverageMeterGroup",
    "BaseOneShotTrainer",
    "Cycle",
    "DartsTrainer",
    "EnasTrainer",
    "ProxylessTrainer",
    "RandomTrainer",
    "SinglePathTrainer",
    "SupervisedLoop",
    "default_device",
    "length_of",
    "metered_pass",
    "shown_log",
    "to_device",
]

logger = logging.getLogger(__name__)


def default_device(device: torch.device | str | None) -> torch.device:
    """Return a device; for None, the GPU if there is one, else the CPU."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device is None else device)


class BaseOneShotTrainer(ABC):
    """Trains the user's model as a supernet, and exports the best architecture.

    The model itself becomes the supernet, so that the user's optimizer trains it; `unbind` gives it its choices back.
    Each epoch's averages are logged at level INFO, and those of every ``log_frequency``-th step; they are shown on
    standard error unless the program has set up logging itself.

    Args:
        strategy: The strategy.
        model: A model with choices. It is moved to the device.
        loss: Computes the loss from output and target.
        metrics: Computes a dict of metrics from output and target.
        optimizer: The optimizer of the model's parameters.
        num_epochs: The number of epochs.
        device: Where to train; None is the GPU if there is one.
        log_frequency: The number of steps between two log lines; None logs every ten seconds.
        seed: The seed of the search.
        reward: Computes the reward from output and target, where the search learns from rewards.
        gradient_clip_val: The largest norm of the gradient of the weights; 0 does not clip.

    Attributes:
        search: The running search. ``subnet(trainer.search, trainer.export())`` is the best network with its weights.
        history: The record of each epoch.

    Raises:
        SupernetError: The model has no choices, or cannot be made into a supernet. After this and every other error the
            model is as it was.
    """

    def __init__(
        self,
        strategy: OneShotStrategy,
        model: nn.Module,
        loss: OutputLoss,
        metrics: OutputMetrics,
        optimizer: optim.Optimizer,
        num_epochs: int,
        *,
        device: torch.device | str | None,
        log_frequency: int | None,
        seed: int,
        reward: OutputReward | None = None,
        gradient_clip_val: float | None = None,
    ) -> None:
        self.model = model
        self.num_epochs = num_epochs
        self.log_frequency = log_frequency
        self.device = default_device(device)
        self.search = strategy.search(model, seed=seed, in_place=True)
        self.history: list[SearchRecord] = []
        try:
            self.search.supernet.require_choices(type(self).__name__)
            model.to(self.device)
            self.search.supernet.extend_optimizer(optimizer)
            self._loop = SupervisedLoop(
                self.search,
                loss,
                metrics,
                optimizer,
                reward=reward,
                device=self.device,
                gradient_clip_val=gradient_clip_val,
            )
        except BaseException:
            self.unbind()
            raise

    def fit(self) -> None:
        """Search for ``num_epochs`` epochs. Afterwards the model computes the exported architecture."""
        with shown_log():
            for epoch in range(self.num_epochs):
                self.search.begin_epoch(epoch, self.num_epochs)
                self._train_one_epoch(epoch)
                self.history.append(self.search.record())
            self.search.warn_if_undecided()
        self.search.supernet.set_architecture(self.search.export(), check=False)

    def export(self) -> dict[str, Any]:
        """Return the best architecture so far: a dict from label to value, for `fixed_arch` and `freeze`."""
        return dict(self.search.export())

    def unbind(self) -> nn.Module:
        """Give the model its choices back, with the trained weights, and return it. The trainer cannot be used then."""
        return self.search.supernet.unbind()

    @abstractmethod
    def _train_one_epoch(self, epoch: int) -> None:
        """Train for one epoch."""

    def _pass(
        self, name: str, epoch: int, batches: Iterable[Any], step: Callable[[Any], Mapping[str, float]], *, train: bool
    ) -> None:
        """Do a step for each batch, and log the averages."""
        self.model.train(train)
        metered_pass(
            batches,
            lambda batch: (step(batch), self._loop.num_samples(batch)),
            title=f"{name} epoch [{epoch + 1}/{self.num_epochs}]",
            logger=logger,
            total=length_of(batches),
            log_frequency=self.log_frequency,
        )


class _SplittingTrainer(BaseOneShotTrainer):
    """A trainer that splits one data set into halves, one for the weights and one for the architecture."""

    def _split(self, dataset: Dataset[Any], batch_size: int, workers: int) -> None:
        loader = DataLoader(dataset, batch_size=batch_size, shuffle=True, num_workers=workers)
        self.train_loader, self.valid_loader = split_loader(loader)

    def _train_one_epoch(self, epoch: int) -> None:
        cycle = Cycle(self.valid_loader)
        self._pass(
            "Search", epoch, self.train_loader, lambda batch: self._loop.train_step(batch, next(cycle)), train=True
        )


class DartsTrainer(_SplittingTrainer):
    """Searches with `DARTS`. A random half of the data trains the weights, the other one the architecture.

    Args:
        model: A model with choices.
        loss: Computes the loss from output and target.
        metrics: Computes a dict of metrics from output and target.
        optimizer: The optimizer of the model's parameters.
        num_epochs: The number of epochs.
        dataset: Pairs of input and target.
        grad_clip: The largest norm of the gradient of the weights; 0 does not clip.
        learning_rate: Ignored, as by NNI: the optimizer has its own.
        batch_size: The number of samples of a batch.
        workers: The number of processes that load data.
        device: Where to train; None is the GPU if there is one.
        log_frequency: The number of steps between two log lines; None logs every ten seconds.
        arc_learning_rate: The learning rate of the architecture.
        unrolled: Whether the gradient of the architecture is of second order.
        seed: The seed of the search.

    Raises:
        SupernetError: The model has no choices, or cannot be made into a supernet.
        ConfigError: The data set cannot be split.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: OutputLoss,
        metrics: OutputMetrics,
        optimizer: optim.Optimizer,
        num_epochs: int,
        dataset: Dataset[Any],
        grad_clip: float = 5.0,
        learning_rate: float | None = None,
        batch_size: int = 64,
        workers: int = 4,
        device: torch.device | str | None = None,
        log_frequency: int | None = None,
        arc_learning_rate: float = 3.0e-4,
        unrolled: bool = False,
        *,
        seed: int = 0,
    ) -> None:
        if learning_rate is not None:
            warnings.warn(
                f"DartsTrainer ignores learning_rate={learning_rate!r}: the optimizer has its own.", stacklevel=2
            )
        self._split(dataset, batch_size, workers)
        super().__init__(
            DARTS(arc_learning_rate=arc_learning_rate, unrolled=unrolled),
            model,
            loss,
            metrics,
            optimizer,
            num_epochs,
            device=device,
            log_frequency=log_frequency,
            seed=seed,
            gradient_clip_val=grad_clip,
        )


class ProxylessTrainer(_SplittingTrainer):
    """Searches with `Proxyless`. A random half of the data trains the weights, the other one the architecture.

    Args:
        model: A model with choices.
        loss: Computes the loss from output and target.
        metrics: Computes a dict of metrics from output and target.
        optimizer: The optimizer of the model's parameters.
        num_epochs: The number of epochs.
        dataset: Pairs of input and target.
        warmup_epochs: The number of epochs at the beginning in which only weights learn.
        batch_size: The number of samples of a batch.
        workers: The number of processes that load data.
        device: Where to train; None is the GPU if there is one.
        log_frequency: The number of steps between two log lines; None logs every ten seconds.
        arc_learning_rate: The learning rate of the architecture.
        grad_reg_loss_type: Not available: give ``penalty``.
        grad_reg_loss_params: Not available: give ``penalty``.
        applied_hardware: Not available: give ``penalty``.
        dummy_input: Ignored: NNI needed it for ``applied_hardware``.
        ref_latency: Ignored: NNI needed it for ``applied_hardware``.
        penalty: The expected cost, such as a latency, in the loss of the architecture.
        seed: The seed of the search.

    Raises:
        SupernetError: The model has no choices, or cannot be made into a supernet.
        ConfigError: The data set cannot be split, or a latency of nn-Meter is asked for.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: OutputLoss,
        metrics: OutputMetrics,
        optimizer: optim.Optimizer,
        num_epochs: int,
        dataset: Dataset[Any],
        warmup_epochs: int = 0,
        batch_size: int = 64,
        workers: int = 4,
        device: torch.device | str | None = None,
        log_frequency: int | None = None,
        arc_learning_rate: float = 1.0e-3,
        grad_reg_loss_type: str | None = None,
        grad_reg_loss_params: Mapping[str, Any] | None = None,
        applied_hardware: str | None = None,
        dummy_input: tuple[int, ...] = (1, 3, 224, 224),
        ref_latency: float = 65,
        *,
        penalty: ExpectedCost | None = None,
        seed: int = 0,
    ) -> None:
        if applied_hardware or grad_reg_loss_type or grad_reg_loss_params:
            raise ConfigError(
                "ProxylessTrainer has no latency predictor of nn-Meter (applied_hardware, grad_reg_loss_type, "
                "grad_reg_loss_params). Give penalty=ExpectedCost(cost, baseline=...) of retiarii.oneshot, where cost "
                "computes the latency of an architecture, from a table for example."
            )
        self._split(dataset, batch_size, workers)
        super().__init__(
            Proxyless(arc_learning_rate=arc_learning_rate, warmup_epochs=warmup_epochs, penalty=penalty),
            model,
            loss,
            metrics,
            optimizer,
            num_epochs,
            device=device,
            log_frequency=log_frequency,
            seed=seed,
        )


class EnasTrainer(_SplittingTrainer):
    """Searches with `ENAS`. A random half of the data trains the weights, the other one gives rewards.

    After each epoch the controller learns from one path per batch of the second half, in evaluation mode.

    Args:
        model: A model with choices.
        loss: Computes the loss from output and target.
        metrics: Computes a dict of metrics from output and target.
        reward_function: Computes the reward from output and target.
        optimizer: The optimizer of the model's parameters.
        num_epochs: The number of epochs.
        dataset: Pairs of input and target.
        batch_size: The number of samples of a batch.
        workers: The number of processes that load data.
        device: Where to train; None is the GPU if there is one.
        log_frequency: The number of steps between two log lines; None logs every ten seconds.
        grad_clip: The largest norm of the gradients of the weights and of the controller; 0 does not clip.
        entropy_weight: The factor of the entropy in the reward.
        skip_weight: The factor of the divergence of the number of chosen inputs from its target.
        baseline_decay: The decay of the baseline, a moving average of rewards.
        ctrl_lr: The learning rate of the controller.
        ctrl_steps_aggregate: The number of samples per update of the controller.
        ctrl_kwargs: Arguments of the controller, see `ENAS`.
        seed: The seed of the search.

    Raises:
        SupernetError: The model has no choices, or cannot be made into a supernet.
        ConfigError: The data set cannot be split, or a number is impossible.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: OutputLoss,
        metrics: OutputMetrics,
        reward_function: OutputReward,
        optimizer: optim.Optimizer,
        num_epochs: int,
        dataset: Dataset[Any],
        batch_size: int = 64,
        workers: int = 4,
        device: torch.device | str | None = None,
        log_frequency: int | None = None,
        grad_clip: float = 5.0,
        entropy_weight: float = 0.0001,
        skip_weight: float = 0.8,
        baseline_decay: float = 0.999,
        ctrl_lr: float = 0.00035,
        ctrl_steps_aggregate: int = 20,
        ctrl_kwargs: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self._split(dataset, batch_size, workers)
        strategy = ENAS(
            ctrl_kwargs=ctrl_kwargs,
            entropy_weight=entropy_weight,
            skip_weight=skip_weight,
            baseline_decay=baseline_decay,
            ctrl_steps_aggregate=ctrl_steps_aggregate,
            ctrl_grad_clip=grad_clip,
            arc_learning_rate=ctrl_lr,
        )
        super().__init__(
            strategy,
            model,
            loss,
            metrics,
            optimizer,
            num_epochs,
            device=device,
            log_frequency=log_frequency,
            seed=seed,
            reward=reward_function,
            gradient_clip_val=grad_clip,
        )

    def _train_one_epoch(self, epoch: int) -> None:
        self._pass("Weights", epoch, self.train_loader, self._loop.train_step, train=True)
        self._pass("Controller", epoch, self.valid_loader, self._loop.reward_step, train=False)


class SinglePathTrainer(BaseOneShotTrainer):
    """Trains a supernet on one random path per step, with `RandomOneShot`, and measures random paths after each epoch.

    Nothing is learnt about architectures: `export` returns a random one. `search_subnets` with a `SubnetEvaluator` of
    ``trainer.search`` finds a good one. The training data are shuffled, unlike in NNI.

    Args:
        model: A model with choices.
        loss: Computes the loss from output and target.
        metrics: Computes a dict of metrics from output and target.
        optimizer: The optimizer of the model's parameters.
        num_epochs: The number of epochs.
        dataset_train: Pairs of input and target, for the weights.
        dataset_valid: Pairs of input and target, for the metrics after each epoch.
        batch_size: The number of samples of a batch.
        workers: The number of processes that load data.
        device: Where to train; None is the GPU if there is one.
        log_frequency: The number of steps between two log lines; None logs every ten seconds.
        seed: The seed of the paths.

    Raises:
        SupernetError: The model has no choices, or cannot be made into a supernet.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: OutputLoss,
        metrics: OutputMetrics,
        optimizer: optim.Optimizer,
        num_epochs: int,
        dataset_train: Dataset[Any],
        dataset_valid: Dataset[Any],
        batch_size: int = 64,
        workers: int = 4,
        device: torch.device | str | None = None,
        log_frequency: int | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.train_loader = DataLoader(dataset_train, batch_size=batch_size, shuffle=True, num_workers=workers)
        self.valid_loader = DataLoader(dataset_valid, batch_size=batch_size, num_workers=workers)
        super().__init__(
            RandomOneShot(),
            model,
            loss,
            metrics,
            optimizer,
            num_epochs,
            device=device,
            log_frequency=log_frequency,
            seed=seed,
        )

    def _train_one_epoch(self, epoch: int) -> None:
        self._pass("Weights", epoch, self.train_loader, self._loop.train_step, train=True)
        self._pass("Validation", epoch, self.valid_loader, self._validate, train=False)

    def _validate(self, batch: Any) -> dict[str, float]:
        self.search.reset_for_validation()
        return self._loop.validate(batch)


RandomTrainer = SinglePathTrainer
