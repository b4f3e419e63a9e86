"""`ControllerSearch`: a controller samples paths and learns from their rewards by REINFORCE."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import optim

from retiarii.errors import ConfigError, ConstraintError
from retiarii.oneshot._searches.controller import Controller, Sample
from retiarii.oneshot._searches.distributed import average, average_number
from retiarii.oneshot._searches.one_shot_search import DriverHints, Loss, OneShotSearch, Phase
from retiarii.oneshot._searches.search_record import MAX_SAMPLED
from retiarii.oneshot._supernets.supernet import Supernet
from retiarii.space import Architecture, Constraint

MAX_TRIES = 1000


@dataclass(frozen=True)
class ControllerLearning:
    """How a controller learns.

    Attributes:
        learning_rate: The learning rate of its optimizer, Adam.
        entropy_weight: The factor of the entropy that is added to the reward.
        skip_weight: The factor of the divergence of the number of chosen inputs from its target.
        baseline_decay: The decay of the baseline, a moving average of rewards.
        steps_aggregate: The number of samples per update.
        gradient_clip_val: The largest norm of the gradient; 0 does not clip.
        warmup_epochs: The number of epochs at the beginning in which only weights learn.
    """

    learning_rate: float
    entropy_weight: float
    skip_weight: float
    baseline_decay: float
    steps_aggregate: int
    gradient_clip_val: float
    warmup_epochs: int


class ControllerSearch(OneShotSearch):
    """Trains the weights on paths of the controller, and after each epoch the controller on rewards.

    Args:
        supernet: The supernet that is searched.
        controller: The network that samples architectures.
        learning: How the controller learns.
        constraints: Samples that one of them refuses are drawn again.
        seed: The seed of all samples.
        hints: Settings for drivers.
        keep_sampled: Whether records list the sampled paths.

    Attributes:
        controller: The controller.
        baseline: The moving average of rewards; None before the first.
    """

    def __init__(
        self,
        supernet: Supernet,
        controller: Controller,
        learning: ControllerLearning,
        constraints: tuple[Constraint, ...],
        *,
        seed: int,
        hints: DriverHints,
        keep_sampled: bool,
    ) -> None:
        super().__init__(supernet, warmup_epochs=learning.warmup_epochs, hints=hints)
        self.controller = controller
        self.baseline: float | None = None
        self._learning = learning
        self._constraints = (*supernet.space.constraints, *constraints)
        self._keep_sampled = keep_sampled
        self._optimizer = optim.Adam(controller.parameters(), lr=learning.learning_rate)
        self._generator = torch.Generator().manual_seed((seed + 1) % 2**63)
        self._validation_seed = (seed + 2) % 2**63
        self._validation_generator = torch.Generator().manual_seed(self._validation_seed)
        self._num_samples = 0

    @property
    def phase(self) -> Phase:
        """Architecture steps belong after each epoch (ENAS, section 2.2)."""
        return "epoch"

    @property
    def learns_from(self) -> Literal["loss", "reward"]:
        """The controller learns from rewards."""
        return "reward"

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Enter an epoch; the random numbers of validation start anew."""
        super().begin_epoch(epoch, num_epochs)
        self._validation_generator.manual_seed(self._validation_seed)

    def reset(self) -> None:
        """Activate a path of the controller.

        Raises:
            ConstraintError: The controller finds none that meets the constraints.
        """
        with torch.no_grad():
            architecture = self._sample(self._generator).architecture
        self.supernet.set_architecture(architecture, check=False)
        if self._keep_sampled and len(self._sampled) < MAX_SAMPLED:
            self._sampled.append(architecture)

    def reset_for_validation(self) -> None:
        """Activate a path of the controller, apart from those of training."""
        with torch.no_grad():
            architecture = self._sample(self._validation_generator).architecture
        self.supernet.set_architecture(architecture, check=False)

    def architecture_step(
        self,
        objective: Callable[[], Any],
        *,
        train_loss: Loss | None = None,
        optimizer: optim.Optimizer | None = None,
        scale: float = 1.0,
    ) -> float | None:
        """Sample a path and learn from its reward; the controller changes after ``steps_aggregate`` of them.

        Raises:
            ConfigError: The reward is not a finite number: it would never leave the baseline.
            ConstraintError: The controller finds no architecture that meets the constraints.
        """
        sample = self._sample(self._generator)
        self.supernet.set_architecture(sample.architecture, check=False)
        with torch.no_grad():
            reward = average_number(float(objective()), self.supernet.device)
        if not math.isfinite(reward):
            raise ConfigError(
                f"The reward of {dict(sample.architecture)} is {reward}, from which the controller cannot learn. "
                "Return a finite number, such as the accuracy; if the weights have diverged, train them with a "
                "smaller learning rate or clip their gradient."
            )
        loss = self.policy_loss(sample, reward) / self._learning.steps_aggregate
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no annotation for it
        self._num_samples += 1
        if self._num_samples % self._learning.steps_aggregate == 0:
            self._update()
        return reward

    def policy_loss(self, sample: Sample, reward: float) -> torch.Tensor:
        """Return the loss of the controller for one sample, and update the baseline.

        Reference:
            ENAS (Pham et al., 2018), arXiv:1802.03268, section 2.2: REINFORCE (Williams, 1992) with a moving-average
            baseline, the entropy as part of the reward. Deviations: the baseline starts at the first reward, not at
            0, and moves after the sample was compared with it, not before, so that the gradient is not scaled down;
            samples that constraints refuse are drawn again, and their share is left out of the log-probability.
        """
        learning = self._learning
        total = reward + learning.entropy_weight * float(sample.entropy.detach())
        before = total if self.baseline is None else self.baseline  # must not depend on what was sampled
        self.baseline = learning.baseline_decay * before + (1 - learning.baseline_decay) * total
        return -sample.log_probability * (total - before) + learning.skip_weight * sample.skip_penalty

    def probabilities(self) -> dict[str, dict[Any, float]]:
        """Return the probability of each value, given the most probable decisions before; active labels only."""
        _, distributions = self.controller.most_probable()
        return {label: distribution.probabilities() for label, distribution in distributions.items()}

    def entropies(self, probabilities: Mapping[str, Mapping[Any, float]]) -> dict[str, float]:
        """Return the entropy of each label, those that are weighed by candidates included."""
        _, distributions = self.controller.most_probable()
        decisions = self.supernet.decisions
        subsets = {label: d for label, d in distributions.items() if decisions[label].by_candidate is not None}
        return {**super().entropies(probabilities), **{label: float(d.entropy()) for label, d in subsets.items()}}

    def export(self) -> Architecture:
        """Return the architecture of the most probable decisions, or a sample where constraints refuse it.

        Raises:
            ConstraintError: The controller finds none that meets the constraints.
        """
        architecture, _ = self.controller.most_probable()
        if self._is_wanted(architecture):
            return architecture
        generator = torch.Generator().manual_seed(self._validation_seed)
        with torch.no_grad():
            return self._sample(generator).architecture

    def state_dict(self) -> dict[str, Any]:
        """Return controller, its gradients and optimizer, baseline and random state."""
        return {
            **self._epoch_state(),
            "controller": copy.deepcopy(self.controller.state_dict()),
            "gradients": [None if p.grad is None else p.grad.clone() for p in self.controller.parameters()],
            "optimizer": copy.deepcopy(self._optimizer.state_dict()),
            "baseline": self.baseline,
            "generator": self._generator.get_state(),
            "validation_generator": self._validation_generator.get_state(),
            "num_samples": self._num_samples,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of `state_dict`."""
        self._load_epoch_state(state)
        self.controller.load_state_dict(state["controller"])
        for parameter, gradient in zip(self.controller.parameters(), state["gradients"], strict=True):
            parameter.grad = None if gradient is None else gradient.to(parameter)
        self._optimizer.load_state_dict(state["optimizer"])
        self.baseline = state["baseline"]
        self._generator.set_state(state["generator"].cpu())
        self._validation_generator.set_state(state["validation_generator"].cpu())
        self._num_samples = state["num_samples"]

    def _sample(self, generator: torch.Generator) -> Sample:
        self._follow()
        for _ in range(MAX_TRIES):
            sample = self.controller.sample(generator)
            if self._is_wanted(sample.architecture):
                return sample
        raise ConstraintError(
            f"None of {MAX_TRIES:,} samples of the controller met the constraints. Loosen them, or give "
            "architectures that break them a lower reward."
        )

    def _follow(self) -> None:
        """Move the controller and the state of its optimizer to the device of the supernet."""
        device = self.supernet.device
        if self.controller.start.device != device:
            self.controller.to(device)
            self._optimizer.load_state_dict(self._optimizer.state_dict())  # brings it to where the parameters are

    def _is_wanted(self, architecture: Architecture) -> bool:
        return all(constraint(architecture) for constraint in self._constraints)

    def _update(self) -> None:
        gradients = [parameter.grad for parameter in self.controller.parameters()]
        average(gradients)
        if self._learning.gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.controller.parameters(), self._learning.gradient_clip_val)
        self._optimizer.step()
        self._optimizer.zero_grad()
