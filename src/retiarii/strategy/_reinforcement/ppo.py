"""PPO: advantages, the loss, and an update of a policy from the results of a batch of trials."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, optim

from retiarii.space import Architecture
from retiarii.strategy._policy_based_rl import PolicyBasedRL
from retiarii.strategy._reinforcement.policy import Episodes, Policy, taken


class PPO:
    """Improves a policy by proximal policy optimization.

    Args:
        policy: The policy.
        options: How it learns.

    Reference:
        Schulman et al., "Proximal Policy Optimization Algorithms", 2017, arXiv:1707.06347, eq. 7 (the clipped
        objective) and 9 (with values and entropy). Deviations: the probabilities before the update are those of the
        policy at its start, which need not be the one that proposed the trial; advantages are normalised over each
        update to mean 0 and standard deviation 1.
    """

    def __init__(self, policy: Policy, options: PolicyBasedRL) -> None:
        self._policy = policy
        self._options = options
        self._optimizer = optim.Adam(policy.parameters(), lr=options.learning_rate, fused=True)

    def update(self, architectures: Sequence[Architecture], rewards: Sequence[float], rng: random.Random) -> None:
        """Learn from trials.

        Args:
            architectures: Their architectures.
            rewards: Their rewards, larger being better; they come after the last decision.
            rng: Shuffles the trials; only ``random()`` is called.
        """
        with _one_thread():
            self._update(architectures, rewards, rng)

    def _update(self, architectures: Sequence[Architecture], rewards: Sequence[float], rng: random.Random) -> None:
        options = self._options
        episodes = self._policy.episodes(architectures)
        if not episodes.is_open.any():
            return  # there is nothing to decide
        with torch.no_grad():
            log_probabilities, values = self._policy(episodes)
        old = taken(log_probabilities, episodes)
        gained = advantages(torch.tensor(rewards, dtype=values.dtype), values, episodes.is_open, options)
        returns = gained + values
        normal = normalised(gained, episodes.is_open)
        for _ in range(options.epochs):
            for rows in _minibatches(len(episodes), options.minibatch_size, rng):
                batch = episodes[rows]
                if not batch.is_open.any():
                    continue
                log_probabilities, values = self._policy(batch)
                loss = ppo_loss(log_probabilities, values, batch, old[rows], normal[rows], returns[rows], options)
                self._optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # of torch
                torch.nn.utils.clip_grad_norm_(self._policy.parameters(), options.max_grad_norm)
                self._optimizer.step()


def advantages(rewards_B: Tensor, values_BT: Tensor, is_open_BT: Tensor, options: PolicyBasedRL) -> Tensor:
    """Return by how much each decision turned out better than expected, ``[B, T]``; 0 where there was no decision.

    Args:
        rewards_B: The reward after the last decision of each trial.
        values_BT: The expected return before each decision.
        is_open_BT: Where there was a decision.
        options: The discounts.

    Reference:
        Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", 2016,
        arXiv:1506.02438, eq. 16; all rewards but the last are 0.
    """
    gained = torch.zeros_like(values_BT)
    target, later = rewards_B, torch.zeros_like(rewards_B)  # of the decision after
    for step in range(values_BT.shape[1] - 1, -1, -1):
        is_open, value = is_open_BT[:, step], values_BT[:, step]
        estimate = target - value + options.gamma * options.gae_lambda * later
        gained[:, step] = estimate * is_open
        later = torch.where(is_open, estimate, later)
        target = torch.where(is_open, options.gamma * value, target)
    return gained


def normalised(advantages_BT: Tensor, is_open_BT: Tensor) -> Tensor:
    """Return advantages with mean 0 and standard deviation 1 over all decisions."""
    used = advantages_BT[is_open_BT]
    return (advantages_BT - used.mean()) / (used.std(correction=0) + 1e-8)


def ppo_loss(
    log_probabilities_BTK: Tensor,
    values_BT: Tensor,
    episodes: Episodes,
    old_BT: Tensor,
    advantages_BT: Tensor,
    returns_BT: Tensor,
    options: PolicyBasedRL,
) -> Tensor:
    """Return the loss of PPO, a scalar: the mean over all decisions.

    Args:
        log_probabilities_BTK: The logarithms of the probabilities of all options.
        values_BT: The estimated values.
        episodes: The decisions.
        old_BT: The logarithms of the probabilities of the options taken, before the update.
        advantages_BT: The normalised advantages.
        returns_BT: What the values are to estimate.
        options: The clip range, and the weights of the parts.
    """
    ratio = (taken(log_probabilities_BTK, episodes) - old_BT).exp()
    clipped = ratio.clamp(1 - options.clip_range, 1 + options.clip_range)
    objective = torch.minimum(ratio * advantages_BT, clipped * advantages_BT)
    entropy = -(log_probabilities_BTK.exp() * log_probabilities_BTK).sum(dim=-1)
    error = (values_BT - returns_BT).square()
    each = -objective - options.entropy_weight * entropy + options.value_weight * error
    return each[episodes.is_open].mean()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: faster for tensors this small, and the results do not depend on the setting."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _minibatches(count: int, size: int, rng: random.Random) -> Iterator[Tensor]:
    order = sorted(range(count), key=[rng.random() for _ in range(count)].__getitem__)
    for start in range(0, count, size):
        yield torch.tensor(order[start : start + size])
