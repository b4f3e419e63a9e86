"""`profile_space`: the range of costs of the architectures of a model."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from retiarii.profiler._latency import measure_latency
from retiarii.profiler._memory import inference_bytes, training_bytes
from retiarii.profiler._profilers import ActivationProfiler, engine_of
from retiarii.space import Architecture

_BUILT = 8  # networks that are built, for costs that are not sums of parts


@dataclass(frozen=True)
class CostRange:
    """A cost of random architectures of a space.

    Attributes:
        smallest: The smallest cost found.
        median: The median.
        largest: The largest cost found.
        samples: The number of architectures.
        built: The number of networks that were built for them.
    """

    smallest: float
    median: float
    largest: float
    samples: int
    built: int


@dataclass(frozen=True)
class SpaceProfile:
    """The range of costs of the architectures of a model.

    Attributes:
        labels: The number of choices.
        size: The number of architectures; infinite for continuous spaces.
        size_text: The size as text, marked if it is an estimate.
        costs: The range of each cost, by its name.
    """

    labels: int
    size: float
    size_text: str
    costs: dict[str, CostRange]

    def to_json(self) -> dict[str, Any]:
        """Return the ranges as plain JSON data; sizes beyond whole numbers that JSON keeps are text only."""
        size = self.size if self.size < 2**53 else None
        return {**asdict(self), "size": size}


def profile_space(
    model: nn.Module, example_input: Any = None, *, samples: int = 200, latency: bool = False, seed: int = 0
) -> SpaceProfile:
    """Return the range of costs of random architectures of a model.

    Args:
        model: The model with choices; it is not changed.
        example_input: A batch, or a tuple of the arguments of ``forward``; None for parameters only.
        samples: The number of random architectures. Peaks of memory and latency, which are not sums of parts, are
            measured on the first 8.
        latency: Whether to measure the latency too.
        seed: The seed of the architectures.
    """
    engine = engine_of(model, example_input)
    rng = random.Random(seed)
    architectures = [engine.space.sample(rng) for _ in range(samples)]
    costs: dict[str, CostRange] = {"params": _range(architectures, engine.costs["params"])}
    if example_input is not None:
        costs["flops"] = _range(architectures, engine.costs["flops"])
        few = architectures[:_BUILT]
        costs["activation_bytes"] = _range(few, ActivationProfiler(model, example_input))
        measures: dict[str, Callable[[nn.Module, Any], float]] = {
            "inference_bytes": inference_bytes,
            "training_bytes": training_bytes,
        }
        if latency:
            measures["latency_ms"] = lambda network, given: measure_latency(network, given).median_ms
        for name, measure in measures.items():
            costs[name] = _range(few, lambda found, measure=measure: measure(_built(engine, found), example_input))
    space = engine.space
    text = repr(space).removeprefix("SearchSpace(").removesuffix(")")
    return SpaceProfile(len(space), space.size, text, costs)


def _built(engine: Any, architecture: Architecture) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = engine.build_unchecked(architecture)
    return network


def _range(architectures: list[Architecture], cost: Any) -> CostRange:
    values = sorted(map(cost, architectures))
    built = cost.report().num_built if hasattr(cost, "report") else len(values)
    return CostRange(values[0], statistics.median(values), values[-1], len(values), built)
