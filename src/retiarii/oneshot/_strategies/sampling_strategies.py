"""The strategies that sample paths, `RandomOneShot` and `ENAS`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from retiarii.errors import ConfigError
from retiarii.oneshot._decisions.decision import check_weighable
from retiarii.oneshot._searches.controller import Controller
from retiarii.oneshot._searches.controller_search import ControllerLearning, ControllerSearch
from retiarii.oneshot._searches.one_shot_search import DriverHints, OneShotSearch
from retiarii.oneshot._searches.path_search import PathSearch
from retiarii.oneshot._strategies.one_shot_strategy import OneShotStrategy, check_at_least
from retiarii.oneshot._supernets.rules import Rule
from retiarii.oneshot._supernets.supernet import Supernet
from retiarii.space import Constraint
from retiarii.strategy.multi_trial import Strategy


@dataclass(frozen=True)
class RandomOneShot(OneShotStrategy):
    """Trains the supernet on one random path per step. A second search then finds the best architecture.

    An experiment runs the second search: ``second_phase`` searches the trained supernet, and each evaluated subnet is a
    trial. In your own loop, call `search_subnets`; ``export`` of the first search returns a random architecture.

    Args:
        filter: Returns whether an architecture may be sampled, for example a `CostLimit`; also in the second phase.
        keep_sampled: Whether the history lists the sampled paths.
        second_phase: A multi-trial strategy. None is `RegularizedEvolution`, or `GridSearch` if there are no more
            architectures than trials.
        rules: Rules for your own modules, by class, in addition to `DEFAULT_RULES`.

    Reference:
        Single Path One-Shot (Guo et al., 2020), arXiv:1904.00420, section 3.2, "uniform sampling" of paths. Deviation:
        choices with priors are sampled by them.
    """

    filter: Constraint | None = None
    keep_sampled: bool = True
    second_phase: Strategy | None = None
    rules: Mapping[type[nn.Module], Rule] | None = field(default=None, kw_only=True, repr=False, compare=False)

    def start(self, supernet: Supernet, *, seed: int) -> OneShotSearch:
        """Start a search on a supernet."""
        space = supernet.space if self.filter is None else supernet.space.constrained(self.filter)
        if not space.constraints:
            supernet.check()
        return PathSearch(supernet, seed=seed, space=space, keep_sampled=self.keep_sampled)


@dataclass(frozen=True)
class ENAS(OneShotStrategy):
    """Trains the supernet on paths of a controller, and in turn the controller on the rewards of its paths.

    Args:
        ctrl_kwargs: Arguments of `Controller`: ``lstm_size``, ``lstm_num_layers``, ``tanh_constant``, ``temperature``,
            ``skip_target``.
        entropy_weight: The factor of the entropy in the reward.
        skip_weight: The factor of the divergence of the number of chosen inputs from ``skip_target``.
        baseline_decay: The decay of the baseline, a moving average of rewards.
        ctrl_steps_aggregate: The number of samples per update of the controller.
        ctrl_grad_clip: The largest norm of its gradient; 0 does not clip.
        reward_metric_name: The logged validation metric that is the reward; by default the only one, or "default".
        arc_learning_rate: The learning rate of the controller.
        arc_steps: The number of samples per epoch from which it learns; None is one per validation batch.
        warmup_epochs: The number of epochs at the beginning in which only weights learn.
        filter: Returns whether an architecture may be sampled, for example a `CostLimit`.
        keep_sampled: Whether the history lists the sampled paths.
        rules: Rules for your own modules, by class, in addition to `DEFAULT_RULES`.

    Reference:
        ENAS (Pham et al., 2018), arXiv:1802.03268, sections 2.1 and 2.2; deviations in `Controller` and
        `ControllerSearch.policy_loss`.
    """

    ctrl_kwargs: Mapping[str, Any] | None = None
    entropy_weight: float = 1e-4
    skip_weight: float = 0.8
    baseline_decay: float = 0.999
    ctrl_steps_aggregate: int = 20
    ctrl_grad_clip: float = 0.0
    reward_metric_name: str | None = None
    arc_learning_rate: float = 3.5e-4
    arc_steps: int | None = None
    warmup_epochs: int = 0
    filter: Constraint | None = None
    keep_sampled: bool = True
    rules: Mapping[type[nn.Module], Rule] | None = field(default=None, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_at_least(self, ctrl_steps_aggregate=1, arc_steps=1, warmup_epochs=0, baseline_decay=0, ctrl_grad_clip=0)
        if self.baseline_decay > 1:
            raise ConfigError(f"ENAS has baseline_decay={self.baseline_decay!r}, expected a number from 0 to 1.")

    def start(self, supernet: Supernet, *, seed: int) -> OneShotSearch:
        """Start a search on a supernet."""
        check_weighable(supernet.decisions, "ENAS")
        if self.filter is None and not supernet.space.constraints:
            supernet.check()
        controller = Controller(supernet.space, supernet.decisions, seed=seed, **dict(self.ctrl_kwargs or {}))
        learning = ControllerLearning(
            learning_rate=self.arc_learning_rate,
            entropy_weight=self.entropy_weight,
            skip_weight=self.skip_weight,
            baseline_decay=self.baseline_decay,
            steps_aggregate=self.ctrl_steps_aggregate,
            gradient_clip_val=self.ctrl_grad_clip,
            warmup_epochs=self.warmup_epochs,
        )
        hints = DriverHints(steps_per_epoch=self.arc_steps, reward_metric_name=self.reward_metric_name)
        return ControllerSearch(
            supernet,
            controller.to(torch.promote_types(supernet.dtype, torch.float32)),
            learning,
            () if self.filter is None else (self.filter,),
            seed=seed,
            hints=hints,
            keep_sampled=self.keep_sampled,
        )
