"""Profilers of model spaces: the cost of an architecture, as a filter, a constraint or a penalty."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

from torch import nn

from retiarii.errors import ConfigError
from retiarii.nn.pytorch.counting import FlopsRules
from retiarii.nn.pytorch.engine import PythonEngine
from retiarii.oneshot import ExpectedCost
from retiarii.profiler._memory import saved_bytes_of_parts
from retiarii.space import AdditiveCost, Architecture, CostReport


class Profiler(ABC):
    """Returns a cost of each architecture of a model space.

    A profiler is a function of an architecture: ``at_most(profiler, 600e6)`` is a constraint, and
    ``ExpectedCost(profiler, baseline=600e6)`` a penalty.
    """

    @abstractmethod
    def profile(self, sample: Mapping[str, Any]) -> float:
        """Return the cost of an architecture."""

    def __call__(self, architecture: Mapping[str, Any]) -> float:
        """Return the cost of an architecture."""
        return self.profile(architecture)


class _AdditiveProfiler(Profiler):
    """Adds up the cost from parts: see `retiarii.space.AdditiveCost`."""

    def __init__(self, cost: AdditiveCost) -> None:
        self._cost = cost
        self.__name__ = cost.__name__

    def profile(self, sample: Mapping[str, Any]) -> float:
        """Return the cost of an architecture."""
        return self._cost(sample if isinstance(sample, Architecture) else Architecture(sample))

    def learn(self, max_built: int = 2_000) -> CostReport:
        """Build random architectures until costs can be added up; see `retiarii.space.AdditiveCost.learn`."""
        return self._cost.learn(max_built)

    def report(self) -> CostReport:
        """Return how the costs are computed, and how many were checked."""
        return self._cost.report()


class ParamsProfiler(_AdditiveProfiler):
    """The number of parameters.

    Args:
        model_space: The model with choices.
        args: Without effect; NNI's profiler needs an example input.
    """

    def __init__(self, model_space: nn.Module, args: Any = None) -> None:
        super().__init__(PythonEngine(model_space).costs["params"])


class FlopsProfiler(_AdditiveProfiler):
    """The floating-point operations of a forward pass; a multiply-add counts as two.

    NNI's profiler counts a multiply-add as one.

    Args:
        model_space: The model with choices.
        args: A batch of input, or a tuple of the arguments of ``forward``.
        rules: The FLOPs of modules in which nothing can be counted; see `retiarii.nn.pytorch.engine.count_flops`.
    """

    def __init__(self, model_space: nn.Module, args: Any, rules: FlopsRules | None = None) -> None:
        super().__init__(engine_of(model_space, args, rules).costs["flops"])


class ActivationProfiler(_AdditiveProfiler):
    """The bytes of the activations that training keeps for the backward pass.

    Args:
        model_space: The model with choices.
        args: A batch of input, or a tuple of the arguments of ``forward``.
    """

    def __init__(self, model_space: nn.Module, args: Any) -> None:
        engine = engine_of(model_space, args)
        super().__init__(engine.additive_cost("activation_bytes", lambda built: saved_bytes_of_parts(built, args)))


def engine_of(model_space: nn.Module, example_input: Any, rules: FlopsRules | None = None) -> PythonEngine:
    """Return the engine of a model space, for inputs such as an example."""
    engine = PythonEngine(model_space, flops_rules=rules)
    engine.example_input = example_input
    return engine


class RangeProfilerFilter:
    """Whether a cost of an architecture is within bounds: a ``filter`` of one-shot strategies, or a ``model_filter``.

    Args:
        profiler: The profiler, or another function of an architecture.
        min: The smallest cost; None for no bound.
        max: The largest cost; None for no bound.

    Raises:
        ConfigError: There is no bound.
    """

    def __init__(self, profiler: Any, min: float | None = None, max: float | None = None) -> None:
        if min is None and max is None:
            raise ConfigError("RangeProfilerFilter got min=None and max=None, expected at least one bound.")
        self.profiler = profiler
        self.min_value, self.max_value = min, max

    def filter(self, sample: Mapping[str, Any]) -> bool:
        """Return whether the cost of an architecture is within the bounds."""
        cost = self.profiler(sample)
        is_large_enough = self.min_value is None or cost >= self.min_value
        return bool(is_large_enough and (self.max_value is None or cost <= self.max_value))

    def __call__(self, sample: Mapping[str, Any]) -> bool:
        """Return whether the cost of an architecture is within the bounds."""
        return self.filter(sample)


def ExpectationProfilerPenalty(
    profiler: Any,
    baseline: float,
    scale: float = 1.0,
    *,
    nonlinear: Literal["linear", "positive", "absolute"] = "linear",
    aggregate: Literal["add"] = "add",
) -> ExpectedCost:
    """Return a penalty for differentiable strategies, with the arguments of NNI's class of this name.

    Args:
        profiler: The profiler, or another function of an architecture.
        baseline: The target cost, above 0.
        scale: The factor of the term.
        nonlinear: The shape of the term; see `retiarii.oneshot.ExpectedCost`.
        aggregate: How the term joins the loss: it is added.

    Raises:
        ConfigError: An argument is impossible, or one that is not available.
    """
    if aggregate != "add":
        raise ConfigError(f"ExpectationProfilerPenalty got aggregate={aggregate!r}: penalties are added, use 'add'.")
    return ExpectedCost(profiler, baseline, scale, nonlinear)
