"""ENAS in the classic API: `EnasTrainer` and `EnasMutator`."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader, Dataset

from retiarii.classic.pytorch._search_mutator import SearchMutator
from retiarii.classic.pytorch._search_trainer import SearchTrainer, split_for_search
from retiarii.classic.pytorch.callbacks import Callback
from retiarii.oneshot import ENAS
from retiarii.oneshot.pytorch import Cycle

__all__ = ["EnasMutator", "EnasTrainer"]


class EnasMutator(SearchMutator):
    """Samples one candidate of each choice by a recurrent controller, see `retiarii.oneshot.ENAS`.

    The controller takes macro and micro spaces alike: choices of any number of candidates, inputs and scopes.

    Args:
        model: A model with choices. It becomes a supernet, until `unbind`.
        lstm_size: The size of the hidden state.
        lstm_num_layers: The number of layers of the LSTM.
        tanh_constant: Logits become ``tanh_constant * tanh(logits)``; None switches this off.
        cell_exit_extra_step: Not available: the controller makes no step at the exit of a scope.
        skip_target: The target for the probability of each input, where any number of inputs may be chosen.
        temperature: A number that divides the logits; None switches this off.
        branch_bias: Ignored: no candidate is preferred at the beginning, whatever the key of its choice.
        entropy_reduction: ``"sum"``; the mean is not available.
        seed: The seed of the search; None takes one from torch's global generator.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet.
    """

    def __init__(
        self,
        model: nn.Module,
        lstm_size: int = 64,
        lstm_num_layers: int = 1,
        tanh_constant: float | None = 1.5,
        cell_exit_extra_step: bool = False,
        skip_target: float = 0.4,
        temperature: float | None = None,
        branch_bias: float = 0.25,
        entropy_reduction: str = "sum",
        *,
        seed: int | None = None,
    ) -> None:
        ignored = {"cell_exit_extra_step": cell_exit_extra_step, "branch_bias": branch_bias != 0.25}
        for name in [*(name for name, given in ignored.items() if given), *_other_reduction(entropy_reduction)]:
            warnings.warn(f"EnasMutator ignores {name}; see its documentation.", stacklevel=2)
        self._controller_options = {
            "lstm_size": lstm_size,
            "lstm_num_layers": lstm_num_layers,
            "tanh_constant": tanh_constant,
            "skip_target": skip_target,
            "temperature": temperature,
        }
        super().__init__(model, self.strategy(), seed=seed)

    def strategy(self, **options: Any) -> ENAS:
        """Return the strategy with the controller of this mutator and further options."""
        return ENAS(ctrl_kwargs=self._controller_options, keep_sampled=False, **options)


class EnasTrainer(SearchTrainer):
    """Searches with ENAS. Nine tenths of the training data train the weights, the rest gives rewards.

    An epoch is ``child_steps`` steps of the weights, each on a path of the controller, and after them ``mutator_steps``
    updates of the controller, each from the rewards of ``mutator_steps_aggregate`` paths, in evaluation mode. The data
    are repeated as often as needed.

    A model may return ``(output, auxiliary output)``; the loss of the second one then counts ``aux_weight``.

    Args:
        model: A model with choices. It is moved to the device, and becomes a supernet.
        loss: Computes the loss from output and target.
        metrics: Computes a dict of metrics from output and target.
        reward_function: Computes the reward from output and target.
        optimizer: The optimizer of the model's parameters.
        num_epochs: The number of epochs.
        dataset_train: Pairs of input and target.
        dataset_valid: Pairs of input and target; after each epoch some paths are measured on them.
        mutator: The mutator of the model; None makes one.
        batch_size: The number of samples of a batch.
        workers: The number of processes that load data.
        device: Where to train; None is the GPU if there is one.
        log_frequency: The number of steps between two log lines; None logs every ten seconds.
        callbacks: Callbacks, called in this order.
        entropy_weight: The factor of the entropy in the reward.
        skip_weight: The factor of the divergence of the number of chosen inputs from ``skip_target``.
        baseline_decay: The decay of the baseline, a moving average of rewards.
        child_steps: The number of steps of the weights in an epoch.
        mutator_lr: The learning rate of the controller.
        mutator_steps_aggregate: The number of paths for one update of the controller.
        mutator_steps: The number of updates in an epoch.
        aux_weight: The factor of the loss of an auxiliary output.
        test_arc_per_epoch: How many paths are measured on the validation data after each epoch.
        checkpoint_file: Where the training is saved, and goes on from, see `Trainer`.

    Raises:
        SearchError: Another mutator is bound to the model.
        SupernetError: The model has no choices, or cannot be made into a supernet.
        ConfigError: The mutator is of another kind or model, the data cannot be split, or a number is impossible.

    Reference:
        ENAS (Pham et al., 2018), arXiv:1802.03268; see `retiarii.oneshot.ENAS`. As in the code of the paper, the
        gradient of the weights is clipped to a norm of 5.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Tensor],
        metrics: Callable[[Any, Any], Mapping[str, Any]],
        reward_function: Callable[[Any, Any], Any],
        optimizer: optim.Optimizer,
        num_epochs: int,
        dataset_train: Dataset[Any],
        dataset_valid: Dataset[Any],
        mutator: EnasMutator | None = None,
        batch_size: int = 64,
        workers: int = 4,
        device: torch.device | str | None = None,
        log_frequency: int | None = None,
        callbacks: Sequence[Callback] | None = None,
        entropy_weight: float = 0.0001,
        skip_weight: float = 0.8,
        baseline_decay: float = 0.999,
        child_steps: int = 500,
        mutator_lr: float = 0.00035,
        mutator_steps_aggregate: int = 20,
        mutator_steps: int = 50,
        aux_weight: float = 0.4,
        test_arc_per_epoch: int = 1,
        *,
        checkpoint_file: str | os.PathLike[str] | None = None,
    ) -> None:
        self.train_loader, self.valid_loader = split_for_search(dataset_train, 0.9, batch_size, workers)
        self.test_loader: DataLoader[Any] = DataLoader(dataset_valid, batch_size=batch_size, num_workers=workers)
        self.child_steps = child_steps
        self.num_rewards = mutator_steps * mutator_steps_aggregate
        self.test_arc_per_epoch = test_arc_per_epoch
        super().__init__(
            lambda mutator: mutator.strategy(
                entropy_weight=entropy_weight or 0.0,
                skip_weight=skip_weight or 0.0,
                baseline_decay=baseline_decay,
                ctrl_steps_aggregate=mutator_steps_aggregate,
                arc_learning_rate=mutator_lr,
            ),
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
            reward=reward_function,
            gradient_clip_val=5.0,
            auxiliary_weight=aux_weight,
            kind=EnasMutator,
        )

    def train_one_epoch(self, epoch: int) -> None:
        """Train the weights on paths of the controller, and then the controller on rewards."""
        self.mutator.search.begin_epoch(epoch, self.num_epochs)
        steps = itertools.islice(Cycle(self.train_loader), self.child_steps)
        self._train_pass("train", epoch, steps, total=self.child_steps)
        rewards = itertools.islice(Cycle(self.valid_loader), self.num_rewards)
        self._reward_pass("controller", epoch, rewards, total=self.num_rewards)

    def validate_one_epoch(self, epoch: int) -> None:
        """Measure paths of the controller on the validation data."""
        for number in range(self.test_arc_per_epoch):
            self._validation_pass(f"valid {number}" if number else "valid", epoch, self.test_loader, one_path=True)


def _other_reduction(entropy_reduction: str) -> list[str]:
    return [] if entropy_reduction == "sum" else [f"entropy_reduction={entropy_reduction!r}"]
