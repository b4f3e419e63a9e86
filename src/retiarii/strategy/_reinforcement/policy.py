"""`Policy`: a distribution over the architectures of a space, whose parameters can learn."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from retiarii.space import Architecture, SearchSpace
from retiarii.strategy._reinforcement.choice_steps import IMPOSSIBLE
from retiarii.strategy._reinforcement.space_steps import NOT_TAKEN, SpaceSteps

HIDDEN_SIZE = 32
_MOST_POINTS = 10_000  # that a sampler remembers


@dataclass(frozen=True)
class Episodes:
    """The decisions that led to several architectures.

    Shapes: ``B`` architectures, ``T`` decisions of the space, ``K`` options at most.

    Attributes:
        options: ``[B, T]``, the options taken; 0 where the choice is inactive.
        log_priors: ``[B, T, K]``, the logarithms of prior probabilities.
        is_active: ``[B, T]``, whether the choice is active.
    """

    options: Tensor
    log_priors: Tensor
    is_active: Tensor

    @property
    def is_open(self) -> Tensor:
        """``[B, T]``, whether there was more than one possible option; only these decisions are learned from."""
        return self.is_active & ((self.log_priors > IMPOSSIBLE).sum(dim=-1) > 1)

    def __len__(self) -> int:
        return len(self.options)

    def __getitem__(self, rows: Tensor) -> Episodes:
        return Episodes(self.options[rows], self.log_priors[rows], self.is_active[rows])


class Policy(nn.Module):
    """Makes one decision after the other; the probabilities of each depend on all options that were taken before.

    At the start it is the prior of the space, exactly: the logits are the logarithms of prior probabilities plus the
    outputs of a network whose last layer is 0. The network is tiny and computes with 64 bits.

    Shapes: ``B`` architectures, ``T`` decisions, ``K`` options at most, ``H`` hidden units, ``N`` options of all
    decisions together.

    Args:
        space: The search space. Constraints are not considered.
        seed: The seed of the initial weights.

    Raises:
        ConfigError: A choice is not supported, or the space has no fixed labels.

    Reference:
        NADE (Larochelle and Murray, 2011), "The Neural Autoregressive Distribution Estimator", eq. 2 and 3. Deviations:
        decisions have several options, and become inactive; hidden units have biases of their own for each decision;
        tanh instead of sigmoid; a second output estimates the value.
    """

    firsts: Tensor

    def __init__(self, space: SearchSpace, *, seed: int) -> None:
        super().__init__()
        self.steps = SpaceSteps(space)
        sizes = self.steps.sizes
        count, most = len(sizes), max(sizes, default=1)
        self._firsts = [sum(sizes[:number]) for number in range(count)]
        self.register_buffer("firsts", torch.tensor(self._firsts, dtype=torch.int64), persistent=False)
        generator = torch.Generator().manual_seed(seed % 2**63)

        def normal(*shape: int) -> nn.Parameter:
            values = torch.randn(*shape, generator=generator, dtype=torch.float64)
            return nn.Parameter(values / math.sqrt(HIDDEN_SIZE))

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(*shape, dtype=torch.float64))

        self.embeddings_NH = normal(sum(sizes), HIDDEN_SIZE)
        self.hidden_bias_TH = normal(count, HIDDEN_SIZE)
        self.logits_THK, self.logits_bias_TK = zeros(count, HIDDEN_SIZE, most), zeros(count, most)
        self.value_TH, self.value_bias_T = zeros(count, HIDDEN_SIZE), zeros(count)

    def sample(self, rng: random.Random) -> Architecture:
        """Draw an architecture.

        Args:
            rng: Only ``random()`` is called.
        """
        return self.sampler().sample(rng)

    def sampler(self) -> PolicySampler:
        """Return a sampler, which is fast where many architectures are drawn before the policy learns again."""
        parameters = (self.embeddings_NH, self.hidden_bias_TH, self.logits_THK, self.logits_bias_TK)
        return PolicySampler(self.steps, self._firsts, *(parameter.detach().numpy() for parameter in parameters))

    def episodes(self, architectures: Sequence[Architecture]) -> Episodes:
        """Return the decisions that lead to architectures."""
        found = [self.steps.episode(architecture) for architecture in architectures]
        options = torch.from_numpy(np.stack([episode.options for episode in found]))
        log_priors = torch.from_numpy(np.stack([episode.log_priors for episode in found]))
        return Episodes(options.clamp(min=0), log_priors, options != NOT_TAKEN)

    def forward(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """Return the distributions and the values of the decisions.

        Returns:
            The logarithms of the probabilities of all options, ``[B, T, K]``, and the values, ``[B, T]``: the expected
            return before each decision. Rows of inactive choices mean nothing.
        """
        taken_BTH = self.embeddings_NH[self.firsts + episodes.options] * episodes.is_active.unsqueeze(-1)
        before_BTH = taken_BTH.cumsum(dim=1) - taken_BTH
        hidden_BTH = torch.tanh(before_BTH + self.hidden_bias_TH)
        outputs_BTK = torch.einsum("bth,thk->btk", hidden_BTH, self.logits_THK) + self.logits_bias_TK
        values_BT = (hidden_BTH * self.value_TH).sum(dim=-1) + self.value_bias_T
        return (outputs_BTK + episodes.log_priors).log_softmax(dim=-1), values_BT

    def log_probabilities(self, architectures: Sequence[Architecture]) -> Tensor:
        """Return the logarithm of the probability of each architecture, ``[B]``, differentiable.

        Options that stand for a range of numbers count as a whole.
        """
        episodes = self.episodes(architectures)
        return taken(self(episodes)[0], episodes).sum(dim=1)


@dataclass
class _Point:
    """What is known after some options were taken.

    Attributes:
        hidden: ``[H]``, the hidden units, without the biases of a decision.
        cumulative: The cumulative probabilities of the options, not normalised, by the number of the decision.
        after: The points after one more option, by the option's number among those of all decisions.
    """

    hidden: np.ndarray
    cumulative: dict[int, list[float]] = field(default_factory=dict)
    after: dict[int, _Point] = field(default_factory=dict)


class PolicySampler:
    """Draws architectures of a policy that does not change meanwhile.

    Probabilities are computed once: a policy that has learned comes through the same points again and again.

    Args:
        steps: The space.
        firsts: The number of the first option of each decision among those of all decisions.
        embeddings: ``[N, H]``, see `Policy`.
        bias: ``[T, H]``.
        logits_of: ``[T, H, K]``.
        logits_bias: ``[T, K]``.
    """

    def __init__(
        self,
        steps: SpaceSteps,
        firsts: Sequence[int],
        embeddings: np.ndarray,
        bias: np.ndarray,
        logits_of: np.ndarray,
        logits_bias: np.ndarray,
    ) -> None:
        self._steps, self._firsts = steps, firsts
        self._embeddings, self._bias, self._logits_of, self._logits_bias = embeddings, bias, logits_of, logits_bias
        self._start, self._num_points = _Point(np.zeros(HIDDEN_SIZE)), 0

    def sample(self, rng: random.Random) -> Architecture:
        """Draw an architecture.

        Args:
            rng: Only ``random()`` is called.
        """
        if self._num_points > _MOST_POINTS:
            self._start, self._num_points = _Point(np.zeros(HIDDEN_SIZE)), 0
        point = self._start

        def take(number: int, log_prior: list[float]) -> int:
            nonlocal point
            cumulative = point.cumulative.get(number)
            if cumulative is None:
                cumulative = point.cumulative[number] = self._cumulative(point.hidden, number, log_prior)
            option = bisect_right(cumulative, rng.random() * cumulative[-1])
            point = self._after(point, self._firsts[number] + option)
            return option

        return self._steps.decide(take, rng)

    def _cumulative(self, hidden: np.ndarray, number: int, log_prior: list[float]) -> list[float]:
        size = len(log_prior)
        units = np.tanh(hidden + self._bias[number])
        logits = units @ self._logits_of[number, :, :size] + self._logits_bias[number, :size] + log_prior
        cumulative: list[float] = np.exp(logits - logits.max()).cumsum().tolist()
        return cumulative

    def _after(self, point: _Point, option: int) -> _Point:
        found = point.after.get(option)
        if found is None:
            found = point.after[option] = _Point(point.hidden + self._embeddings[option])
            self._num_points += 1
        return found


def taken(log_probabilities_BTK: Tensor, episodes: Episodes) -> Tensor:
    """Return the logarithms of the probabilities of the options that were taken, ``[B, T]``; 0 where inactive."""
    chosen = log_probabilities_BTK.gather(-1, episodes.options.unsqueeze(-1)).squeeze(-1)
    return chosen * episodes.is_active
