"""FBNet in the classic API: Gumbel-softmax with the latency of a lookup table in the loss."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader

from retiarii.classic.pytorch._search_mutator import SearchMutator
from retiarii.classic.pytorch._search_trainer import ExportAfterEpochs, SearchTrainer, own_mutator, top_accuracies
from retiarii.classic.pytorch.callbacks import Callback, LRSchedulerCallback
from retiarii.errors import ConfigError
from retiarii.oneshot import GumbelDARTS, OneShotSearch
from retiarii.oneshot.pytorch import default_device

__all__ = ["FBNetMutator", "FBNetTrainer", "LookUpTable", "NASConfig", "RegularizerLoss"]


@dataclass(frozen=True)
class NASConfig:
    """The settings of an FBNet search.

    Args:
        nas_lr: The learning rate of the architecture.
        nas_weight_decay: The weight decay of the architecture.
        mode: Whether the cost multiplies the loss (``"mul"``, as in the paper) or is added to it (``"add"``).
        alpha: The factor of the cost.
        beta: The exponent of the cost.
        start_epoch: The number of epochs at the beginning in which only the weights learn.
        init_temperature: The temperature of the Gumbel-softmax up to the first epoch in which the architecture learns.
        exp_anneal_rate: The factor of the temperature from epoch to epoch, from then on.
        model_dir: The folder of checkpoints; None for none.

    Raises:
        ConfigError: The mode is another one, or the temperature or its factor is not above 0.
    """

    nas_lr: float = 0.01
    nas_weight_decay: float = 5e-4
    mode: Literal["mul", "add"] = "mul"
    alpha: float = 0.25
    beta: float = 0.6
    start_epoch: int = 50
    init_temperature: float = 5.0
    exp_anneal_rate: float = math.exp(-0.045)
    model_dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.mode not in ("mul", "add"):
            raise ConfigError(f"NASConfig has mode={self.mode!r}, expected 'mul' or 'add'.")
        if not self.init_temperature > 0 or not self.exp_anneal_rate > 0:
            raise ConfigError(
                f"NASConfig has init_temperature={self.init_temperature!r} and exp_anneal_rate="
                f"{self.exp_anneal_rate!r}, expected numbers above 0."
            )

    def temperature(self, epoch: int) -> float:
        """Return the temperature of an epoch."""
        return float(self.init_temperature * self.exp_anneal_rate ** max(0, epoch - self.start_epoch))


class LookUpTable:
    """The cost of each candidate of each choice, such as its latency or its FLOPs.

    Args:
        config: The settings of the search.
        costs: From the key of a choice to the costs of its candidates, in their order.
        constant: The cost of the rest of the network.
    """

    def __init__(self, config: NASConfig, costs: Mapping[str, Sequence[float]], constant: float = 0.0) -> None:
        self.config = config
        self.costs = {key: list(values) for key, values in costs.items()}
        self.constant = constant

    def check(self, search: OneShotSearch) -> None:
        """Check that the table has a cost for each candidate.

        Raises:
            ConfigError: A choice is missing, or has more or fewer candidates; or costs have no logarithm above 0.
        """
        for label, decision in search.supernet.decisions.items():
            found = self.costs.get(label)
            if found is None or len(found) != len(decision.values):
                has = "no costs" if found is None else f"{len(found)} costs"
                raise ConfigError(
                    f"The lookup table has {has} for {label!r}, expected {len(decision.values)}, one for each of "
                    f"{list(decision.values)}."
                )
        least = self.constant + sum(min(costs) for costs in self.costs.values())
        if self.config.mode == "mul" and least <= 1:
            raise ConfigError(
                f"The cheapest architecture costs {least:g}, but the logarithm of costs multiplies the loss, so that "
                "all have to cost more than 1. Use a smaller unit, such as microseconds, or mode='add'."
            )

    def cost(self, search: OneShotSearch) -> Tensor:
        """Return the cost of the mixture that the supernet is set to: ``sum(m * cost)`` over all candidates."""
        total = torch.tensor(self.constant, device=search.supernet.device)
        for label, decision in search.supernet.decisions.items():
            costs = torch.tensor(self.costs[label], device=total.device)
            if decision.weights is None:
                total = total + costs[decision.index]
            else:
                total = total + (decision.weights * costs.to(decision.weights)).sum()
        return total


class RegularizerLoss:
    """The factor or term by which a cost enters the loss.

    Args:
        config: The settings of the search.

    Reference:
        FBNet (Wu et al., 2019), arXiv:1812.03443, eq. 2: ``CE * alpha * log(LAT) ** beta``. In the mode ``"add"`` the
        term is ``alpha * LAT ** beta``, as in NNI.
    """

    def __init__(self, config: NASConfig) -> None:
        self._config = config

    def __call__(self, loss: Tensor, cost: Tensor) -> Tensor:
        """Return the loss with the cost in it."""
        config = self._config
        if config.mode == "mul":
            return loss * config.alpha * cost.log() ** config.beta
        return loss + config.alpha * cost**config.beta


class FBNetMutator(SearchMutator):
    """Weighs all candidates by samples of a Gumbel-softmax, see `retiarii.oneshot.GumbelDARTS`.

    Args:
        model: A model with choices. It becomes a supernet, until `unbind`.
        lookup_table: The costs of the candidates, and the settings of the search.
        seed: The seed of the search; None takes one from torch's global generator.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet.
        ConfigError: The table lacks the cost of a candidate. The model has its choices back then.
    """

    def __init__(self, model: nn.Module, lookup_table: LookUpTable, *, seed: int | None = None) -> None:
        self.lookup_table = lookup_table
        super().__init__(model, self.strategy(), seed=seed)
        try:
            lookup_table.check(self.search)
        except ConfigError:
            self.unbind()
            raise

    def strategy(self) -> GumbelDARTS:
        """Return the strategy with the settings of the table."""
        config = self.lookup_table.config

        def adam(parameters: Sequence[nn.Parameter]) -> optim.Optimizer:
            return optim.Adam(parameters, config.nas_lr, weight_decay=config.nas_weight_decay)

        return GumbelDARTS(
            warmup_epochs=config.start_epoch,
            arc_optimizer=adam,
            schedule=lambda epoch, num_epochs: config.temperature(epoch),
        )


class FBNetTrainer(SearchTrainer):
    """Searches with FBNet for classification: the weights learn in each epoch, and after them the architecture.

    Args:
        model: A model with choices. It is moved to the device, and becomes a supernet.
        model_optim: The optimizer of the model's parameters. Its learning rate falls to 0 along a cosine.
        criterion: Computes the loss from output and target.
        device: Where to train; None is the GPU if there is one.
        device_ids: Ignored: one device is used.
        lookup_table: The costs of the candidates, and the settings of the search.
        train_loader: Batches of images and classes, for the weights.
        valid_loader: Batches of images and classes, for the architecture and for validation.
        n_epochs: The number of epochs, those included in which only the weights learn.
        load_ckpt: Whether to go on from the checkpoint in ``model_dir`` if it exists.
        arch_path: Where the architecture is written after each epoch; None does not write it.
        logger: Ignored: the logger is that of `Trainer`.
        callbacks: Further callbacks, called in this order.
        mutator: The mutator of the model; None makes one.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet.
        ConfigError: The table lacks the cost of a candidate, or all epochs are for the weights alone.

    Reference:
        FBNet (Wu et al., 2019), arXiv:1812.03443, eq. 2 and sections 3.2 and 3.3: the loss contains the cost of the
        sampled mixture, for the architecture and as a factor for the weights; the temperature falls exponentially.
        Deviation: the found architecture is the most probable one; the paper samples several and takes the best.
    """

    mutator: FBNetMutator

    def __init__(
        self,
        model: nn.Module,
        model_optim: optim.Optimizer,
        criterion: Callable[[Any, Any], Tensor],
        device: torch.device | str | None,
        device_ids: Sequence[int] | None,
        lookup_table: LookUpTable,
        train_loader: DataLoader[Any],
        valid_loader: DataLoader[Any],
        n_epochs: int = 120,
        load_ckpt: bool = False,
        arch_path: str | os.PathLike[str] | None = None,
        logger: Any = None,
        *,
        callbacks: Sequence[Callback] = (),
        mutator: FBNetMutator | None = None,
    ) -> None:
        config = lookup_table.config
        if device_ids is not None and len(device_ids) > 1:
            warnings.warn(f"FBNetTrainer uses one device, not device_ids={list(device_ids)}.", stacklevel=2)
        if n_epochs <= config.start_epoch:
            raise ConfigError(
                f"FBNetTrainer has n_epochs={n_epochs}, of which start_epoch={config.start_epoch} are for the weights "
                "alone, so that nothing would be learnt. Use fewer of these, or train longer."
            )
        self.train_loader, self.valid_loader = train_loader, valid_loader
        mutator = FBNetMutator(model, lookup_table) if mutator is None else own_mutator(mutator, FBNetMutator, model)
        regularizer = RegularizerLoss(config)

        if isinstance(criterion, nn.Module):
            criterion.to(default_device(device))

        def loss(output: Any, target: Any) -> Tensor:
            return regularizer(criterion(output, target), lookup_table.cost(self.mutator.search))

        scheduler = optim.lr_scheduler.CosineAnnealingLR(model_optim, n_epochs)
        own = [LRSchedulerCallback(scheduler), *([] if arch_path is None else [ExportAfterEpochs(arch_path)])]
        super().__init__(
            mutator.strategy(),
            model,
            mutator,
            loss,
            top_accuracies,
            model_optim,
            n_epochs,
            None,
            None,
            0,
            0,
            device,
            None,
            [*own, *callbacks],
            checkpoint_file=None if config.model_dir is None else os.path.join(config.model_dir, "checkpoint.pt"),
            kind=FBNetMutator,
        )
        self._goes_on = load_ckpt

    def train_one_epoch(self, epoch: int) -> None:
        """Train the weights on each batch of the first loader, and the architecture on each of the second."""
        search = self.mutator.search
        search.begin_epoch(epoch, self.num_epochs)
        self._train_pass("train", epoch, self.train_loader)
        if search.is_learning:
            self._train_pass("architecture", epoch, self.valid_loader, self._loop.architecture_step)

    def validate_one_epoch(self, epoch: int) -> None:
        """Measure the mixture by probabilities."""
        self._validation_pass("valid", epoch, self.valid_loader, one_path=True)
