"""Search under a limit: an expected cost in the loss, and a hard filter for samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from retiarii.errors import ConfigError
from retiarii.oneshot._decisions.subset_distribution import SubsetDistribution
from retiarii.oneshot._supernets.supernet import Supernet
from retiarii.space import Architecture, SearchSpace

Cost: TypeAlias = Callable[[Architecture], float]
Shares: TypeAlias = "Tensor | SubsetDistribution"

_MAX_REMEMBERED = 100_000


@dataclass(frozen=True)
class CostLimit:
    """A limit on the cost of architectures: a filter for strategies that sample, and a constraint of a space.

    Args:
        cost: Computes a number for an architecture: parameters, FLOPs, latency, ...
        at_most: The largest cost.
        at_least: The smallest cost.
    """

    cost: Cost
    at_most: float
    at_least: float = float("-inf")

    def __call__(self, architecture: Architecture) -> bool:
        """Return whether the cost is within bounds."""
        return self.at_least <= self.cost(architecture) <= self.at_most


@dataclass(frozen=True)
class ExpectedCost:
    """A term in the loss of differentiable strategies: ``weight * shape(expected cost / baseline - 1)``.

    The expectation is over the probabilities of all labels. In spaces of up to ``exact_up_to`` architectures it is
    computed exactly, with its gradient. In larger ones, and with choices of more than 4096 subsets, it is estimated
    from samples, and its gradient by the score function with the mean of the other samples as baseline, which is
    unbiased for any cost.

    Args:
        cost: Computes a number for an architecture; results are cached.
        baseline: The target cost, above 0.
        weight: The factor of the term.
        shape: "positive" is 0 below the baseline; "linear" also rewards lower costs; "absolute" aims at the baseline.
        num_samples: The number of samples per step in large spaces, at least 2.
        exact_up_to: The largest number of architectures for which the expectation is computed exactly.

    Raises:
        ConfigError: A number is impossible.

    Reference:
        ProxylessNAS (Cai et al., 2019), arXiv:1812.00332, eq. 5 and section 3.3. Deviation: any cost, not only a sum
        over blocks, hence the estimate; and the shape.
    """

    cost: Cost
    baseline: float
    weight: float = 1.0
    shape: Literal["positive", "linear", "absolute"] = "positive"
    num_samples: int = 8
    exact_up_to: int = 1024

    def __post_init__(self) -> None:
        if self.baseline <= 0 or self.num_samples < 2:
            raise ConfigError(
                f"ExpectedCost has baseline={self.baseline!r} and num_samples={self.num_samples!r}, expected a "
                "baseline above 0 and at least 2 samples."
            )
        if self.shape not in ("positive", "linear", "absolute"):
            raise ConfigError(f"ExpectedCost has shape={self.shape!r}, expected 'positive', 'linear' or 'absolute'.")


class CostEstimator:
    """Computes an expected cost in one search.

    Args:
        options: The cost and how it enters the loss.
        supernet: The supernet whose decisions are weighed.
    """

    def __init__(self, options: ExpectedCost, supernet: Supernet) -> None:
        self._options = options
        self._space = supernet.space
        self._decisions = supernet.decisions
        self._known: dict[Architecture, float] = {}
        self._table: tuple[Tensor, Tensor] | None = None
        is_listed = all(decision.by_candidate is None for decision in supernet.decisions.values())
        if is_listed and supernet.space.size <= options.exact_up_to:
            self._table = self._all_costs()

    def penalty(self, shares: Mapping[str, Shares], generator: torch.Generator) -> Tensor:
        """Return the term of the loss, differentiable with respect to the probabilities.

        Args:
            shares: For each label, the probability of each value, or the distribution of its subsets.
            generator: Draws the samples, on the CPU.
        """
        excess = self.expected(shares, generator) / self._options.baseline - 1
        if self._options.shape == "positive":
            excess = excess.relu()
        elif self._options.shape == "absolute":
            excess = excess.abs()
        return self._options.weight * excess

    def expected(self, shares: Mapping[str, Shares], generator: torch.Generator) -> Tensor:
        """Return the expected cost, or its estimate with an unbiased gradient."""
        if self._table is not None:
            return self._exactly(self._table, shares)
        samples = [self._sample(shares, generator) for _ in range(self._options.num_samples)]
        costs = torch.tensor([self._cost(architecture) for architecture in samples], dtype=torch.float64)
        others = (costs.sum() - costs) / (len(costs) - 1)
        log_shares = torch.stack([self._log_probability(architecture, shares) for architecture in samples])
        score = ((costs - others).to(log_shares) * log_shares).mean()
        return costs.mean().to(score) + score - score.detach()

    def _exactly(self, table: tuple[Tensor, Tensor], shares: Mapping[str, Shares]) -> Tensor:
        positions, costs = table
        total: Tensor | float = 1.0
        for column, label in enumerate(self._decisions):
            share = shares[label]
            assert isinstance(share, Tensor)  # there is no table otherwise
            # An inactive label has the position after the last, whose factor is 1.
            factors = torch.cat([share, share.new_ones(1)])
            total = total * factors[positions[:, column].to(factors.device)]
        assert isinstance(total, Tensor)
        return (total * costs.to(total)).sum()

    def _all_costs(self) -> tuple[Tensor, Tensor]:
        rows, costs = [], []
        for architecture in SearchSpace(self._space.choices).grid():
            rows.append(
                [
                    decision.choice.index_of(architecture[label]) if label in architecture else len(decision.values)
                    for label, decision in self._decisions.items()
                ]
            )
            costs.append(float(self._options.cost(architecture)))
        return torch.tensor(rows).reshape(len(rows), len(self._decisions)), torch.tensor(costs, dtype=torch.float64)

    def _sample(self, shares: Mapping[str, Shares], generator: torch.Generator) -> Architecture:
        values = {}
        for label, decision in self._decisions.items():
            share = shares[label]
            if isinstance(share, SubsetDistribution):
                values[label] = share.sample(generator)
            else:
                index = torch.multinomial(share.detach().double().cpu(), 1, generator=generator)
                values[label] = decision.values[int(index)]
        return self._space.architecture(values)

    def _log_probability(self, architecture: Architecture, shares: Mapping[str, Shares]) -> Tensor:
        logs = []
        for label, value in architecture.items():
            share = shares[label]
            if isinstance(share, SubsetDistribution):
                logs.append(share.log_probability(value))
            else:
                logs.append(share[self._decisions[label].choice.index_of(value)].log())
        return torch.stack(logs).sum()

    def _cost(self, architecture: Architecture) -> float:
        known = self._known.get(architecture)
        if known is None:
            if len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            known = self._known[architecture] = float(self._options.cost(architecture))
        return known
