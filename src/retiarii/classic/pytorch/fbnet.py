"""FBNet in the classic API: Gumbel-softmax with the latency of a lookup table in the loss."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader

from retiarii.classic.pytorch._lookup_table import LookUpTable, NASConfig
from retiarii.classic.pytorch._search_mutator import SearchMutator
from retiarii.classic.pytorch._search_trainer import ExportAfterEpochs, SearchTrainer, top_accuracies
from retiarii.classic.pytorch.callbacks import Callback, LRSchedulerCallback
from retiarii.errors import ConfigError
from retiarii.oneshot import GumbelDARTS
from retiarii.oneshot.pytorch import default_device

__all__ = ["FBNetMutator", "FBNetTrainer", "LookUpTable", "NASConfig", "RegularizerLoss"]


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
        regularizer = RegularizerLoss(config)

        if isinstance(criterion, nn.Module):
            criterion.to(default_device(device))

        def loss(output: Any, target: Any) -> Tensor:
            return regularizer(criterion(output, target), lookup_table.cost(self.mutator.search))

        scheduler = optim.lr_scheduler.CosineAnnealingLR(model_optim, n_epochs)
        own = [LRSchedulerCallback(scheduler), *([] if arch_path is None else [ExportAfterEpochs(arch_path)])]
        super().__init__(
            lambda mutator: mutator.strategy(),
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
            make_mutator=lambda: FBNetMutator(model, lookup_table),
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
