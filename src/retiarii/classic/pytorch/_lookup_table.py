"""`LookUpTable`: the costs of the candidates of an FBNet search, and `NASConfig`, its settings."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from retiarii.classic.pytorch._mutable_tree import mutable_tree
from retiarii.classic.pytorch.mutables import LayerChoice
from retiarii.errors import ConfigError
from retiarii.nn.pytorch import extract_space
from retiarii.nn.pytorch.engine import count_flops, evaluating
from retiarii.oneshot import OneShotSearch
from retiarii.profiler import measure_latency


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
    """The cost of each candidate of each choice, such as its latency or its FLOPs; `measured` makes one of a model.

    NNI's table measured candidates by a description of the search space of its example; this one takes the costs.

    Args:
        config: The settings of the search.
        costs: From the key of a choice to the costs of its candidates, in their order.
        constant: The cost of the rest of the network.
    """

    def __init__(self, config: NASConfig, costs: Mapping[str, Sequence[float]], constant: float = 0.0) -> None:
        self.config = config
        self.costs = {key: list(values) for key, values in costs.items()}
        self.constant = constant

    @classmethod
    def measured(
        cls,
        config: NASConfig,
        model: nn.Module,
        example_input: Any,
        metric: Literal["flops", "latency"] = "flops",
        *,
        repeats: int = 20,
    ) -> LookUpTable:
        """Return the table of a model without a mutator: each candidate runs on the input that it has in the model.

        Args:
            config: The settings of the search.
            model: The model. It runs with its first candidates, in evaluation mode, and is left as it was.
            example_input: A batch, or a tuple of the arguments of ``forward``.
            metric: ``"flops"``, which `retiarii.nn.pytorch.engine.count_flops` counts; or ``"latency"`` in
                microseconds, the median of some runs where the model is.
            repeats: The number of these runs.

        Raises:
            ConfigError: A layer choice is inside a candidate of another one, or the metric is another one.
            SearchError: The model has a mutator that was not reset.
        """
        if metric not in ("flops", "latency"):
            raise ConfigError(f"The lookup table was asked for metric={metric!r}, expected 'flops' or 'latency'.")
        measure = count_flops if metric == "flops" else functools.partial(_latency, repeats=repeats)
        layers = [
            choice for choice in mutable_tree(model).traverse(deduplicate=False) if isinstance(choice, LayerChoice)
        ]
        _refuse_nested(layers)
        costs = {choice.label: [0.0] * int(choice.cardinality) for choice in extract_space(model)}
        inputs = _inputs_of(layers, model, example_input)
        for choice, arguments in inputs.items():
            found = [float(measure(candidate, arguments)) for candidate in choice]
            costs[choice.key] = [sum(pair) for pair in zip(costs[choice.key], found, strict=True)]
        rest = measure(model, example_input) - sum(costs[key][0] for key in {choice.key for choice in inputs})
        return cls(config, costs, max(0.0, float(rest)))

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


def _refuse_nested(layers: Sequence[LayerChoice]) -> None:
    for choice in layers:
        if any(choice is not other and choice in list(other.modules()) for other in layers):
            raise ConfigError(
                f"{choice.key!r} is inside a candidate of another layer choice, so that it has no cost of its own. "
                "Give the lookup table the costs."
            )


def _inputs_of(layers: Sequence[LayerChoice], model: nn.Module, example_input: Any) -> dict[LayerChoice, Any]:
    """Return the arguments that each layer choice gets when the model runs."""
    inputs: dict[LayerChoice, Any] = {}
    hooks = [
        choice.register_forward_pre_hook(lambda module, args: inputs.__setitem__(module, args)) for choice in layers
    ]
    try:
        with evaluating(model), torch.no_grad():
            model(*(example_input if isinstance(example_input, tuple) else (example_input,)))
    finally:
        for hook in hooks:
            hook.remove()
    return inputs


def _latency(network: nn.Module, arguments: Any, *, repeats: int) -> float:
    """Return the microseconds of a forward pass, the median of some."""
    found = measure_latency(network, arguments, warmup=1, min_runs=max(repeats, 2), tolerance=math.inf)
    return 1e3 * found.median_ms
