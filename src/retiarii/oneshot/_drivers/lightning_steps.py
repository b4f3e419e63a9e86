"""Steps of a Lightning module for the architecture, which do not change what the module logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.errors import ConfigError

_BatchNorm = nn.modules.batchnorm._BatchNorm


@contextmanager
def collected_logs(module: Any) -> Iterator[dict[str, Any]]:
    """Collect what a Lightning module logs inside the block, instead of logging it; its metrics stay as they were.

    Metrics begin the block empty.

    Args:
        module: The module.

    Yields:
        The logged values, by name.
    """
    logged: dict[str, Any] = {}

    def log(name: str, value: Any, *args: Any, **kwargs: Any) -> None:
        logged[name] = value

    def log_dict(dictionary: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        logged.update(dictionary)

    metrics = [part for part in module.modules() if hasattr(part, "metric_state")]
    states = [_state_of(metric) for metric in metrics]
    for metric in metrics:
        metric.reset()
    hidden = {name: vars(module).pop(name) for name in ("log", "log_dict") if name in vars(module)}
    vars(module).update(log=log, log_dict=log_dict)
    try:
        yield logged
    finally:
        del vars(module)["log"], vars(module)["log_dict"]
        vars(module).update(hidden)
        for metric, state in zip(metrics, states, strict=True):
            vars(metric).update(state)


def _state_of(metric: Any) -> dict[str, Any]:
    """Return a copy of what a metric has counted so far."""
    state = {name: _copied(value) for name, value in metric.metric_state.items()}
    return {**state, "_update_count": metric._update_count, "_computed": metric._computed}


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else list(value)


def loss_of(output: Any) -> Tensor:
    """Return the loss from the output of a training step.

    Raises:
        ConfigError: The output has no loss.
    """
    loss = output.get("loss") if isinstance(output, Mapping) else output
    if not isinstance(loss, Tensor):
        raise ConfigError(
            f"The training step returned {type(output).__name__} without a loss, from which the architecture "
            "learns. Return the loss, or a dict with the key 'loss'."
        )
    return loss


def reward_of(logged: Mapping[str, Any], name: str | None) -> float:
    """Return the metric that is the reward.

    Args:
        logged: The values that a validation step logged, by name.
        name: The metric; None takes the one that is called "default", or the only one, or the only one that is no loss.

    Raises:
        ConfigError: It was not logged, or several metrics could be it.
    """
    if name is None:
        losses = [key for key in logged if "loss" in key]
        others = [key for key in logged if key not in losses]
        candidates = ["default"] if "default" in logged else (list(logged) if len(logged) == 1 else others)
        name = candidates[0] if len(candidates) == 1 else None
    if name is None or name not in logged:
        raise ConfigError(
            f"The validation step logged {sorted(logged) or 'nothing'}, but the reward is "
            f"{'not clear' if name is None else repr(name)}. Log one metric to be maximized, or name it: "
            "strategy.ENAS(reward_metric_name=...)."
        )
    value = logged[name]
    return float(value.compute() if hasattr(value, "metric_state") else value)


def loss_scale(trainer: Any) -> float:
    """Return the factor by which a trainer in half precision multiplies losses; 1 in other precisions."""
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    return 1.0 if scaler is None else float(scaler.get_scale())


class BatchStatistics:
    """Makes batch normalisation use the statistics of the batch, until `end` restores the running statistics.

    The running statistics of a supernet mix those of all paths, so that they are wrong for a single path.

    Args:
        module: The supernet's module.
    """

    def __init__(self, module: nn.Module) -> None:
        self._norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
        holders = [part for part in module.modules() if isinstance(getattr(part, "layer", None), _BatchNorm)]
        self._modes = {part: part.training for part in (*self._norms, *holders)}
        self._buffers = [(buffer, buffer.clone()) for norm in self._norms for buffer in norm.buffers()]
        for part in self._modes:
            part.training = True

    def end(self) -> None:
        """Restore modes and running statistics."""
        for part, mode in self._modes.items():
            part.training = mode
        with torch.no_grad():
            for buffer, before in self._buffers:
                buffer.copy_(before)
