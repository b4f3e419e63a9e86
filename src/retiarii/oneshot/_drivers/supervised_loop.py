"""`SupervisedLoop`: the steps of a search on batches of inputs and targets, with metrics of the outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn, optim

from retiarii.errors import ConfigError, MetricError
from retiarii.oneshot._drivers.search_loop import SearchLoop
from retiarii.oneshot._searches.one_shot_search import OneShotSearch

OutputLoss: TypeAlias = Callable[[Any, Any], Tensor]
OutputMetrics: TypeAlias = Callable[[Any, Any], Mapping[str, Any]]
OutputReward: TypeAlias = Callable[[Any, Any], Any]


def to_device(obj: Any, device: torch.device | str | None) -> Any:
    """Return tensors, also those in tuples, lists and dicts, on a device; everything else as it is."""
    if device is None:
        return obj
    if isinstance(obj, Tensor):
        return obj.to(device)
    if isinstance(obj, (tuple, list)):
        moved = [to_device(part, device) for part in obj]
        return type(obj)(*moved) if hasattr(obj, "_fields") else type(obj)(moved)
    if isinstance(obj, dict):
        return {key: to_device(value, device) for key, value in obj.items()}
    return obj


class SupervisedLoop:
    """The steps of a search whose batches are ``(input, target)``, with a `SearchLoop` inside.

    Each output is computed once: the metrics of a step are those of the output that the weights learnt from.

    Args:
        search: The running search.
        loss: Computes the loss from output and target.
        metrics: Computes metrics, by name, from output and target.
        optimizer: The optimizer of the weights.
        reward: Computes the reward from output and target, where the search learns from rewards.
        device: Where batches are moved to; None leaves them where they are.
        gradient_clip_val: The largest norm of the gradient of the weights; None uses that of the strategy.
        auxiliary_weight: For a model that returns ``(output, auxiliary output)``, the factor of the auxiliary output's
            loss. Metrics and rewards are computed from the first output. With None, a pair is an output like others.
    """

    def __init__(
        self,
        search: OneShotSearch,
        loss: OutputLoss,
        metrics: OutputMetrics,
        optimizer: optim.Optimizer,
        *,
        reward: OutputReward | None = None,
        device: torch.device | str | None = None,
        gradient_clip_val: float | None = None,
        auxiliary_weight: float | None = None,
    ) -> None:
        self.search = search
        self._metrics = metrics
        self._reward = reward
        self._device = device
        self._loss = _KeepingOutput(loss, auxiliary_weight)
        self._loop = SearchLoop(search, self._loss, optimizer, gradient_clip_val=gradient_clip_val)

    def train_step(self, train_batch: Any, val_batch: Any = None) -> dict[str, float]:
        """Train the weights on one batch, and before that the architecture on another, see `SearchLoop.step`.

        Returns:
            The metrics of the training batch, and its loss as ``"loss"``.

        Raises:
            ConfigError: A batch is not a pair.
            MetricError: The metrics are not numbers by name.
        """
        batch = self._pair(train_batch)
        loss = self._loop.step(batch, None if val_batch is None else self._pair(val_batch))
        return {**self._measured(batch), "loss": float(loss)}

    def architecture_step(self, val_batch: Any) -> dict[str, float]:
        """Let the architecture learn from the loss of one batch, without a step of the weights.

        Returns:
            The metrics of the batch, and its loss as ``"loss"``.

        Raises:
            ConfigError: The batch is not a pair.
            MetricError: The metrics are not numbers by name.
        """
        batch = self._pair(val_batch)
        loss = self.search.architecture_step(lambda: self._loss(self.search.supernet.module, batch))
        return {**self._measured(batch), "loss": float("nan") if loss is None else loss}

    def reward_step(self, val_batch: Any) -> dict[str, float]:
        """Let the architecture learn from the reward of a path on one batch.

        Returns:
            The metrics of the batch, and its reward as ``"reward"``.

        Raises:
            ConfigError: The batch is not a pair, or there is no function for rewards.
            MetricError: The metrics are not numbers by name.
        """
        reward_of = self._reward
        if reward_of is None:
            raise ConfigError("This search learns from rewards: give the loop a function for rewards (reward=...).")
        batch = self._pair(val_batch)

        def objective() -> Any:
            self._loss.compute(self.search.supernet.module, batch)
            return reward_of(self._loss.output, batch[1])

        reward = self.search.architecture_step(objective)
        return {**self._measured(batch), "reward": float("nan") if reward is None else reward}

    def validate(self, batch: Any) -> dict[str, float]:
        """Return the metrics of a batch, and its loss as ``"loss"``, with the supernet as it is set.

        Raises:
            ConfigError: The batch is not a pair.
            MetricError: The metrics are not numbers by name.
        """
        batch = self._pair(batch)
        with torch.no_grad():
            loss = self._loss(self.search.supernet.module, batch)
        return {**self._measured(batch), "loss": float(loss)}

    @staticmethod
    def num_samples(batch: Any) -> int:
        """Return the number of samples of a pair of input and target, as a weight in averages; 1 if it is not known."""
        target = batch[1]
        return len(target) if isinstance(target, Tensor) and target.dim() else 1

    def _pair(self, batch: Any) -> Any:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ConfigError(
                f"A batch is a {type(batch).__name__}, expected a pair of input and target. Let the data set return "
                "such pairs, or write the loop yourself: see OneShotSearch."
            )
        return to_device(batch, self._device)

    def _measured(self, batch: Any) -> dict[str, float]:
        with torch.no_grad():
            measured = self._metrics(self._loss.output, batch[1])
        if not isinstance(measured, Mapping):
            raise MetricError(
                f"The metrics function returned {type(measured).__name__}, expected a dict of numbers by name, such as "
                "{'accuracy': 0.9}."
            )
        try:
            return {str(name): float(value) for name, value in measured.items()}
        except (TypeError, ValueError, RuntimeError) as err:
            raise MetricError(f"The metrics function returned {measured!r}, expected numbers by name: {err}.") from err


class _KeepingOutput:
    """The loss of a module on a pair; keeps the output of the last call.

    Args:
        loss: Computes the loss from output and target.
        auxiliary_weight: The factor of the loss of a second output.
    """

    def __init__(self, loss: OutputLoss, auxiliary_weight: float | None) -> None:
        self._compute_loss = loss
        self._auxiliary_weight = auxiliary_weight
        self.output: Any = None

    def __call__(self, module: nn.Module, batch: Any) -> Tensor:
        auxiliary = self.compute(module, batch)
        loss = self._compute_loss(self.output, batch[1])
        if auxiliary is None or not self._auxiliary_weight:
            return loss
        return loss + self._auxiliary_weight * self._compute_loss(auxiliary, batch[1])

    def compute(self, module: nn.Module, batch: Any) -> Any:
        """Compute and keep the output; return the auxiliary output, or None where there is none."""
        output = module(batch[0])
        auxiliary = None
        if self._auxiliary_weight is not None and isinstance(output, tuple) and len(output) == 2:
            output, auxiliary = output
        self.output = output
        return auxiliary
