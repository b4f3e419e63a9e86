"""ProxylessNAS in the classic API: `ProxylessNasTrainer` and `ProxylessNasMutator`."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn, optim
from torch.utils.data import DataLoader

from retiarii.classic.pytorch._search_mutator import SearchMutator
from retiarii.classic.pytorch._search_trainer import ExportAfterEpochs, SearchTrainer, top_accuracies
from retiarii.errors import ConfigError
from retiarii.oneshot import Proxyless
from retiarii.oneshot.pytorch import Cycle

__all__ = ["ProxylessNasMutator", "ProxylessNasTrainer", "ProxylessTrainer"]

_WARMUP_RATE = 0.05
_INITIAL_SCALE = 1e-3  # of the strategy


class ProxylessNasMutator(SearchMutator):
    """Samples one path for the weights and two for the architecture, see `retiarii.oneshot.Proxyless`.

    Args:
        model: A model with choices. It becomes a supernet, until `unbind`.
        seed: The seed of the search; None takes one from torch's global generator.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet.
    """

    def __init__(self, model: nn.Module, *, seed: int | None = None) -> None:
        super().__init__(model, Proxyless(), seed=seed)


class ProxylessNasTrainer(SearchTrainer):
    """Searches with ProxylessNAS for classification, with cross entropy and label smoothing.

    First only the weights learn, for ``warmup_epochs``, with a learning rate that falls from 0.05 to 0 along a cosine.
    Then weights and architecture learn for ``n_epochs``, the rate of the weights falling from ``init_lr`` in the same
    way. The architecture learns from a batch of the second loader before every fifth batch of the first one.

    Args:
        model: A model with choices. It is moved to the device, and becomes a supernet.
        model_optim: The optimizer of the model's parameters.
        device: Where to train; None is the GPU if there is one.
        train_loader: Batches of images and classes, for the weights.
        valid_loader: Batches of images and classes, for the architecture and for validation.
        label_smoothing: The share of the label that all classes have alike; 0 for none.
        n_epochs: The number of epochs in which weights and architecture learn.
        init_lr: The learning rate of the weights in the first of these epochs.
        binary_mode: ``"two"`` paths are computed in an architecture step, whatever is given: this is the mode of the
            paper. NNI's ``"full"`` and ``"full_v2"`` compute all.
        arch_init_type: ``"normal"``; there is no other.
        arch_init_ratio: The standard deviation of the initial architecture parameters.
        arch_optim_lr: The learning rate of the architecture.
        arch_weight_decay: The weight decay of the architecture.
        grad_update_arch_param_every: How many batches of the weights there are for one update of the architecture.
        grad_update_steps: How many architecture steps an update has.
        warmup: Whether there are epochs in which only the weights learn.
        warmup_epochs: How many.
        arch_valid_frequency: How many epochs there are for one validation.
        load_ckpt: Whether to go on from ``ckpt_path`` if that file exists.
        ckpt_path: Where the training is saved after each epoch; None does not save it.
        arch_path: Where the architecture is written after each epoch; None does not write it.
        mutator: The mutator of the model; None makes one.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet.
        ConfigError: A number is impossible, or the initial distribution is another one.

    Reference:
        ProxylessNAS (Cai et al., 2019), arXiv:1812.00332, sections 3.1 and 3.2; see `retiarii.oneshot.Proxyless`. For
        the latency of section 3.3, give the strategy in an experiment or a loop a ``penalty``.
    """

    def __init__(
        self,
        model: nn.Module,
        model_optim: optim.Optimizer,
        device: torch.device | str | None,
        train_loader: DataLoader[Any],
        valid_loader: DataLoader[Any],
        label_smoothing: float = 0.1,
        n_epochs: int = 120,
        init_lr: float = 0.025,
        binary_mode: str = "full_v2",
        arch_init_type: Literal["normal"] = "normal",
        arch_init_ratio: float = 1e-3,
        arch_optim_lr: float = 1e-3,
        arch_weight_decay: float = 0,
        grad_update_arch_param_every: int = 5,
        grad_update_steps: int = 1,
        warmup: bool = True,
        warmup_epochs: int = 25,
        arch_valid_frequency: int = 1,
        load_ckpt: bool = False,
        ckpt_path: str | os.PathLike[str] | None = None,
        arch_path: str | os.PathLike[str] | None = None,
        *,
        mutator: ProxylessNasMutator | None = None,
    ) -> None:
        if arch_init_type != "normal":
            raise ConfigError(f"ProxylessNasTrainer has arch_init_type={arch_init_type!r}, expected 'normal'.")
        if binary_mode not in ("full_v2", "two"):
            warnings.warn(f"ProxylessNasTrainer computes two paths, not binary_mode={binary_mode!r}.", stacklevel=2)
        if grad_update_arch_param_every < 1 or grad_update_steps < 1 or arch_valid_frequency < 1:
            raise ConfigError(
                f"ProxylessNasTrainer has grad_update_arch_param_every={grad_update_arch_param_every!r}, "
                f"grad_update_steps={grad_update_steps!r} and arch_valid_frequency={arch_valid_frequency!r}, expected "
                "whole numbers of at least 1."
            )
        self.train_loader, self.valid_loader = train_loader, valid_loader
        self.init_lr, self.warmup_epochs = init_lr, warmup_epochs if warmup else 0
        self._every, self._steps, self._valid_frequency = (
            grad_update_arch_param_every,
            grad_update_steps,
            arch_valid_frequency,
        )

        def adam(parameters: Sequence[nn.Parameter]) -> optim.Optimizer:
            return optim.Adam(parameters, arch_optim_lr, betas=(0.0, 0.999), weight_decay=arch_weight_decay)

        super().__init__(
            lambda _: Proxyless(warmup_epochs=self.warmup_epochs, arc_optimizer=adam),
            model,
            mutator,
            nn.CrossEntropyLoss(label_smoothing=label_smoothing),
            top_accuracies,
            model_optim,
            self.warmup_epochs + n_epochs,
            None,
            None,
            0,
            0,
            device,
            None,
            None if arch_path is None else [ExportAfterEpochs(arch_path)],
            checkpoint_file=ckpt_path,
            kind=ProxylessNasMutator,
        )
        self._goes_on = load_ckpt
        with torch.no_grad():
            for alpha in self.mutator.search.parameters:  # type: ignore[attr-defined]  # of a search by gradients
                alpha.mul_(arch_init_ratio / _INITIAL_SCALE)

    def rate(self, epoch: int, batch: int = 0) -> float:
        """Return the learning rate of the weights for a batch of an epoch."""
        is_warmup = epoch < self.warmup_epochs
        initial, first = (_WARMUP_RATE, 0) if is_warmup else (self.init_lr, self.warmup_epochs)
        total = (self.warmup_epochs if is_warmup else self.num_epochs - self.warmup_epochs) * len(self.train_loader)
        done = (epoch - first) * len(self.train_loader) + batch
        return 0.5 * initial * (1 + math.cos(math.pi * done / total))

    def train_one_epoch(self, epoch: int) -> None:
        """Train the weights on each batch, and the architecture before every fifth one, say."""
        search, cycle = self.mutator.search, Cycle(self.valid_loader)
        search.begin_epoch(epoch, self.num_epochs)
        numbers = iter(range(len(self.train_loader)))

        def step(batch: Any) -> Mapping[str, float]:
            number = next(numbers)
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate(epoch, number)
            if not search.is_learning or (number + 1) % self._every:
                return self._loop.train_step(batch)
            for _ in range(self._steps - 1):
                self._loop.architecture_step(next(cycle))
            return self._loop.train_step(batch, next(cycle))

        self._train_pass("train", epoch, self.train_loader, step)

    def validate_one_epoch(self, epoch: int) -> None:
        """Measure the most probable path, in epochs with a validation."""
        if epoch < 0 or (epoch + 1) % self._valid_frequency == 0:
            self._validation_pass("valid", epoch, self.valid_loader, one_path=True)


ProxylessTrainer = ProxylessNasTrainer
