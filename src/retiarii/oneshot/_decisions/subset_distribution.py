"""Distributions over the subsets of many candidates, computed from one number per candidate.

A choice of any number of 20 inputs has a million values. Nothing here lists them: mixtures, samples and gradients are
computed from one logit per candidate, by a recursion over the candidates.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from retiarii.space import Subset, Value

_IMPOSSIBLE = -1e30  # the logarithm of 0: with -inf, gradients would be NaN


class WeightedSubsets:
    """A mixture of a few subsets.

    Args:
        weights: ``[m]``, one for each subset.
        members: ``[m, n]``, 1 where a subset has a candidate, else 0.
    """

    def __init__(self, weights: Tensor, members: Tensor) -> None:
        self._weights = weights
        self._members = members.to(weights)

    def inclusion(self) -> Tensor:
        """Return the weight of all subsets with a candidate, ``[n]``."""
        return self._sum(self._members)

    def mean_shares(self) -> Tensor:
        """Return the same with each subset's weight divided by its size, ``[n]``."""
        return self._sum(self._members / self._members.sum(dim=1, keepdim=True).clamp(min=1))

    def places(self) -> Tensor:
        """Return the weight of all subsets whose ``p``-th element is a candidate, ``[max_chosen, n]``."""
        place = self._members.cumsum(dim=1) * self._members  # counted from 1; 0 for candidates outside
        count = int(place.max())
        return torch.stack([self._sum((place == number + 1).to(self._members)) for number in range(count)])

    def _sum(self, rows: Tensor) -> Tensor:
        return (self._weights.unsqueeze(1) * rows).sum(dim=0)  # autocast would round a product of matrices


class SubsetDistribution:
    """The distribution in which a subset's probability is proportional to ``exp`` of the sum of its candidates' logits.

    It is the softmax over all subsets. Where any number may be chosen, candidates are chosen independently, each with
    probability ``sigmoid(logit)``; where the size is fixed, it is the conditional Bernoulli distribution. All methods
    cost ``O(n * max_chosen)``.

    Args:
        choice: The candidates, and how many are chosen.
        logits: ``[n]``, one for each candidate; ``[..., n]`` for `log_normalizer` and `inclusion`.

    Reference:
        Chen and Liu (1997), "Statistical applications of the Poisson-binomial and conditional Bernoulli distributions",
        section 2, for the recursion; here from the last candidate to the first, for all sizes that are allowed.
    """

    def __init__(self, choice: Subset, logits: Tensor) -> None:
        self.choice = choice
        self.logits = logits
        self._least, self._most = choice.min_chosen, choice.max_chosen
        self._is_free = self._least == 0 and self._most == len(choice.values)

    @cached_property
    def log_normalizer(self) -> Tensor:
        """The logarithm of the sum over all subsets, differentiable."""
        return F.softplus(self.logits).sum(dim=-1) if self._is_free else self._completions[0][..., 0]

    def inclusion(self) -> Tensor:
        """Return the probability that each candidate is chosen, ``[n]``, differentiable."""
        return self.logits.sigmoid() if self._is_free else self.places().sum(dim=-2)

    def places(self) -> Tensor:
        """Return the probability that a candidate is the ``p``-th of those chosen, ``[..., max_chosen, n]``."""
        first = torch.full((self._most + 1,), _IMPOSSIBLE).to(self.logits)
        first[0] = 0.0
        before = first.expand(*self.logits.shape[:-1], -1)
        columns = []
        for at in range(self.logits.shape[-1]):
            logit = self.logits[..., at, None]
            columns.append(before[..., :-1] + logit + self._completions[at + 1][..., 1:])
            before = torch.logaddexp(before, F.pad(before[..., :-1], (1, 0), value=_IMPOSSIBLE) + logit)
        return (torch.stack(columns, dim=-1) - self._completions[0][..., :1, None]).exp()

    def mean_shares(self) -> Tensor:
        """Return the expectation of ``1 / size`` where a candidate is chosen and of 0 where not, ``[n]``.

        ``1 / size`` is the integral of ``t ** (size - 1)`` from 0 to 1, and ``t ** size`` adds ``log(t)`` to all
        logits. The integrand is a polynomial of degree ``max_chosen - 1``, which Gauss-Legendre quadrature integrates
        exactly.
        """
        nodes, weights = np.polynomial.legendre.leggauss((self._most + 1) // 2)
        node = torch.as_tensor((nodes + 1) / 2).to(self.logits).unsqueeze(1)
        tilted = SubsetDistribution(self.choice, self.logits + node.log())
        scale = (tilted.log_normalizer - self.log_normalizer).exp().unsqueeze(1)
        weight = torch.as_tensor(weights / 2).to(self.logits).unsqueeze(1)
        return (weight * scale * tilted.inclusion() / node).sum(dim=0)

    def entropy(self) -> Tensor:
        """Return the entropy in nats, differentiable."""
        return self.log_normalizer - (self.inclusion() * self.logits).sum()

    def log_probability(self, value: Value) -> Tensor:
        """Return the logarithm of the probability of a subset, differentiable."""
        return (self.members(value) * self.logits).sum() - self.log_normalizer

    def members(self, value: Value) -> Tensor:
        """Return 1 for each candidate of a subset and 0 for the others, ``[n]``."""
        return torch.tensor(self.choice.encode(value)).to(self.logits)

    def probabilities(self) -> dict[Value, float]:
        """Return the probability that each candidate is chosen."""
        return dict(zip(self.choice.values, self.inclusion().detach().tolist(), strict=True))

    def sample(self, generator: torch.Generator) -> Value:
        """Draw a subset.

        Args:
            generator: On the CPU.
        """
        return self._value(self._drawn([], 0, generator))

    def sample_other(self, value: Value, generator: torch.Generator) -> Value:
        """Draw a subset from the same distribution under the condition that it is not ``value``.

        Another subset agrees with ``value`` up to some candidate and differs there: that candidate is drawn first.

        Args:
            value: One of at least two subsets.
            generator: On the CPU.
        """
        logits, completions = self._plain
        inside = [bool(flag) for flag in self.choice.encode(value)]
        size, score, scores = 0, 0.0, []
        for at, logit in enumerate(logits):
            other = completions[at + 1][size] if inside[at] else self._with(at, size)
            scores.append(score + other)
            size, score = (size + 1, score + logit) if inside[at] else (size, score)
        weights = (torch.tensor(scores, dtype=torch.float64) - max(scores)).exp()
        first = int(torch.multinomial(weights, 1, generator=generator))
        begin = [at for at in range(first) if inside[at]]
        return self._value(self._drawn(begin if inside[first] else [*begin, first], first + 1, generator))

    def most_probable(self) -> Value:
        """Return the subset of the largest probability: the candidates with the largest logits."""
        value, _ = next(self.ranked())
        return value

    def ranked(self) -> Iterator[tuple[Value, float]]:
        """Yield the subsets from the most probable on, each with minus the logarithm of its probability.

        Candidates are decided from the largest logit down. The heap is ordered by the best that can still follow, so
        that complete subsets leave it in order.
        """
        logits, _ = self._plain
        order = sorted(range(len(logits)), key=lambda at: -logits[at])
        best = _BestCompletion([logits[at] for at in order], self._least, self._most)
        normalizer = float(self.log_normalizer.detach())
        ties = itertools.count()
        queue: list[tuple[float, int, int, float, tuple[int, ...]]] = [(-best.score(0, 0), next(ties), 0, 0.0, ())]
        while queue:
            _, _, at, score, chosen = heapq.heappop(queue)
            if at == len(order):
                yield self._value(sorted(chosen)), normalizer - score
                continue
            follow = [(score, chosen), (score + logits[order[at]], (*chosen, order[at]))]
            for total, members in follow:
                bound = total + best.score(at + 1, len(members))
                if bound > -math.inf:
                    heapq.heappush(queue, (-bound, next(ties), at + 1, total, members))

    @cached_property
    def _completions(self) -> list[Tensor]:
        """The log-sums over all ways to go on from each position, ``[..., most + 1]``: by the number chosen before."""
        sizes = torch.arange(self._most + 1, device=self.logits.device)
        last = torch.where(sizes >= self._least, 0.0, _IMPOSSIBLE).to(self.logits)
        rows = [last.expand(*self.logits.shape[:-1], -1)]
        for at in reversed(range(self.logits.shape[-1])):
            chosen = F.pad(rows[-1][..., 1:], (0, 1), value=_IMPOSSIBLE) + self.logits[..., at, None]
            rows.append(torch.logaddexp(rows[-1], chosen))
        return rows[::-1]

    @cached_property
    def _plain(self) -> tuple[list[float], list[list[float]]]:
        """The logits and the log-sums of `_completions` as numbers of double precision."""
        detached = SubsetDistribution(self.choice, self.logits.detach().double().cpu())
        return detached.logits.tolist(), [row.tolist() for row in detached._completions]

    def _with(self, at: int, size: int) -> float:
        """Return the log-sum over all ways to go on with one candidate chosen, ``size`` being chosen before it."""
        logits, completions = self._plain
        return logits[at] + completions[at + 1][size + 1] if size < self._most else _IMPOSSIBLE

    def _drawn(self, begin: list[int], start: int, generator: torch.Generator) -> list[int]:
        """Return the positions of a subset that begins with ``begin`` before ``start`` and is drawn from there on."""
        _, completions = self._plain
        uniform = torch.rand(len(self.choice.values), generator=generator, dtype=torch.float64).tolist()
        chosen = list(begin)
        for at in range(start, len(self.choice.values)):
            share = math.exp(min(self._with(at, len(chosen)) - completions[at][len(chosen)], 0.0))
            if uniform[at] < share:
                chosen.append(at)
        return chosen

    def _value(self, positions: list[int]) -> Value:
        return tuple(self.choice.values[at] for at in positions)


class _BestCompletion:
    """The largest sum of logits with which a subset can go on.

    Args:
        logits: From the largest to the smallest.
        least: The smallest size of a subset.
        most: The largest size.
    """

    def __init__(self, logits: list[float], least: int, most: int) -> None:
        self._sums = [0.0, *itertools.accumulate(logits)]
        self._num_positive = sum(logit > 0 for logit in logits)
        self._least, self._most = least, most

    def score(self, at: int, size: int) -> float:
        """Return the sum from a position on, after ``size`` candidates were chosen; ``-inf`` if no subset is left."""
        left = len(self._sums) - 1 - at
        fewest, largest = max(self._least - size, 0), min(self._most - size, left)
        if fewest > largest:
            return -math.inf
        count = min(max(self._num_positive - at, fewest), largest)
        return self._sums[at + count] - self._sums[at]


SubsetMixture: TypeAlias = WeightedSubsets | SubsetDistribution
"""Weights of the subsets of ``n`` candidates."""
