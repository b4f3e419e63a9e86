"""`PolicyBasedRL`: a policy that learns by reinforcement learning (PPO) which architectures are good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from retiarii._lazy import load
from retiarii.space import Architecture, SearchSpace
from retiarii.strategy._options import (
    check_filter,
    check_flag,
    check_not_negative,
    check_one_of,
    check_positive,
    check_share,
    check_whole,
)
from retiarii.strategy.multi_trial import Strategy
from retiarii.strategy.search import Search
from retiarii.trial import Direction, Objectives, ObjectivesLike


@dataclass(frozen=True)
class PolicyBasedRL(Strategy):
    """Reinforcement learning: a policy proposes architectures, and learns by PPO which are better than others.

    The policy makes one decision after the other, and the probabilities of each depend on all decisions before. At the
    start it is the space's own distribution, that of `Random`. After every ``trial_per_collect`` trials with a
    usable metric, it learns from these and forgets them. For a `Subset` it decides about one candidate after the other;
    for an `Integer` or `Float` with more than 16 values it chooses one of 16 ranges, inside which values are random.

    Needs torch, but no other library. Spaces of mutators whose choices depend on each other, and choices with more than
    1024 candidates, are refused.

    Args:
        max_collect: How many times the policy learns. The search ends when it has learned from
            ``max_collect * trial_per_collect`` trials.
        trial_per_collect: How many trials it learns from at a time.
        optimize_mode: ``"maximize"`` or ``"minimize"``; None to leave the direction to the experiment.
        learning_rate: The learning rate of the policy's optimizer, Adam.
        epochs: How often it goes through the trials each time.
        minibatch_size: How many trials each step of the optimizer uses.
        clip_range: By which share probabilities may change before the objective is clipped (ε in the paper).
        entropy_weight: The factor of the policy's entropy in the objective. More makes it explore longer.
        value_weight: The factor of the error of estimated values in the loss (c₁ in the paper).
        max_grad_norm: The largest norm of gradients; larger ones are scaled down.
        gamma: The discount of the reward, for each decision after the one that is judged.
        gae_lambda: The weight of later estimates in the advantages, from 0 to 1 (λ).
        on_failure: What happens to a trial without a usable metric (failed, pruned, NaN). ``"ignore"``: nothing is
            learned from it, and another architecture takes its place. ``"worst"``: it counts as worse than all others.
            Cancelled trials are always ignored: their architectures were not evaluated.
        model_filter: A constraint: only architectures for which it returns True are proposed. The policy is sampled
            until it gives one; after 1,000 tries in vain, one is drawn at random as by `Random`.
        dedup: Never propose the same architecture twice. When the policy gives nothing new, a random architecture
            that is new is proposed; `SearchExhausted` ends the search when there is none.

    Raises:
        ConfigError: An option has an invalid value.

    Reference:
        Schulman et al., "Proximal Policy Optimization Algorithms", 2017, arXiv:1707.06347, eq. 7 and 9, with
        advantages of Schulman et al., 2016, arXiv:1506.02438, eq. 16; for architectures, Zoph and Le, "Neural
        Architecture Search with Reinforcement Learning", ICLR 2017, arXiv:1611.01578. Deviations: (1) The
        reward is the rank of the trial among those that are learned from together, from -1 to 1, trials that break
        constraints coming last: scale and outliers of metrics do not matter. (2) Trials run concurrently, so that some
        were proposed by an earlier policy than the one that learns from them; probability ratios are relative to the
        policy at the start of the update. (3) ``dedup``, constraints and the gaps of tables change what is proposed,
        and ratios leave that out. (4) The policy is a small network like NADE (Larochelle and Murray, AISTATS 2011),
        not an LSTM.
    """

    max_collect: int = 100
    trial_per_collect: int = 20
    optimize_mode: str | None = field(default=None, kw_only=True)
    learning_rate: float = field(default=0.01, kw_only=True)
    epochs: int = field(default=10, kw_only=True)
    minibatch_size: int = field(default=20, kw_only=True)
    clip_range: float = field(default=0.2, kw_only=True)
    entropy_weight: float = field(default=0.0, kw_only=True)
    value_weight: float = field(default=0.5, kw_only=True)
    max_grad_norm: float = field(default=0.5, kw_only=True)
    gamma: float = field(default=1.0, kw_only=True)
    gae_lambda: float = field(default=0.95, kw_only=True)
    on_failure: str = field(default="ignore", kw_only=True)
    model_filter: Callable[[Architecture], bool] | None = field(default=None, kw_only=True)
    dedup: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("max_collect", "trial_per_collect", "epochs", "minibatch_size"):
            check_whole(self, name, 1)
        for name in ("learning_rate", "clip_range", "max_grad_norm"):
            check_positive(self, name)
        for name in ("entropy_weight", "value_weight"):
            check_not_negative(self, name)
        check_one_of(self, "optimize_mode", [None, "maximize", "minimize"])
        check_share(self, "gamma")
        check_share(self, "gae_lambda")
        check_one_of(self, "on_failure", ["ignore", "worst"])
        check_filter(self, "model_filter")
        check_flag(self, "dedup")

    @property
    def direction(self) -> Direction | None:
        """The direction that ``optimize_mode`` fixes."""
        return None if self.optimize_mode is None else Direction(self.optimize_mode)

    def search(self, space: SearchSpace, *, seed: int = 0, objectives: ObjectivesLike = Direction.MAXIMIZE) -> Search:
        """Start a search, a `PolicySearch`; see `Strategy.search`.

        Raises:
            ConfigError: A choice is not supported, or mutators add choices as the search goes on.
        """
        start = load("retiarii.strategy._reinforcement.policy_search:PolicySearch")  # which imports torch
        search: Search = start(self, space, seed=seed, objectives=Objectives.of(objectives).directed(self.direction))
        return search
