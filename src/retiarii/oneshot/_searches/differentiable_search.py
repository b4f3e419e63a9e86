"""`DifferentiableSearch`: architecture parameters learn by gradients; a `Relaxation` turns them into decisions."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, optim

from retiarii.errors import ConfigError
from retiarii.oneshot._decisions.architecture_parameters import ArchitectureParameters
from retiarii.oneshot._decisions.decision import check_weighable
from retiarii.oneshot._decisions.relaxations import Relaxation
from retiarii.oneshot._decisions.subset_distribution import SubsetDistribution
from retiarii.oneshot._searches.distributed import average, average_number
from retiarii.oneshot._searches.expected_cost import CostEstimator, ExpectedCost
from retiarii.oneshot._searches.most_probable import most_probable
from retiarii.oneshot._searches.one_shot_search import DriverHints, Loss, OneShotSearch, Phase
from retiarii.oneshot._searches.search_record import MAX_SAMPLED
from retiarii.oneshot._searches.unrolled import unrolled_gradients
from retiarii.oneshot._supernets.supernet import Supernet
from retiarii.oneshot._supernets.width_check import WidthCheck
from retiarii.space import Architecture

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ArchitectureLearning:
    """How architecture parameters learn.

    Attributes:
        optimizer: Makes the optimizer of the parameters.
        warmup_epochs: The number of epochs at the beginning in which only weights learn.
        gradient_clip_val: The largest norm of the gradient of all parameters together; None or 0 does not clip.
        unrolled: Whether the gradient looks one step of the weights ahead (second order).
        penalty: An expected cost that is added to the loss.
        initial_scale: The standard deviation of the initial parameters.
        hints: Settings for drivers.
    """

    optimizer: Callable[[Sequence[torch.nn.Parameter]], optim.Optimizer]
    warmup_epochs: int = 0
    gradient_clip_val: float | None = None
    unrolled: bool = False
    penalty: ExpectedCost | None = None
    initial_scale: float = 1e-3
    hints: DriverHints = field(default_factory=DriverHints)


class DifferentiableSearch(OneShotSearch):
    """Learns one vector ``alpha`` per label by descending the loss on validation batches.

    Args:
        supernet: The supernet that is searched.
        relaxation: How ``alpha`` sets the supernet; not shared with another search.
        learning: How ``alpha`` learns.
        seed: The seed of the initial parameters and of all samples.

    Attributes:
        parameters: The architecture parameters.

    Raises:
        SupernetError: A choice has too many values to be weighed, or the arguments of a layer do not go together.
    """

    def __init__(
        self, supernet: Supernet, relaxation: Relaxation, learning: ArchitectureLearning, *, seed: int
    ) -> None:
        super().__init__(supernet, warmup_epochs=learning.warmup_epochs, hints=learning.hints)
        check_weighable(supernet.decisions, "This strategy")
        supernet.check(for_mixtures=True)
        self.parameters = ArchitectureParameters(
            supernet.decisions, seed=seed, scale=learning.initial_scale, dtype=supernet.dtype
        )
        self._relaxation = relaxation
        self._learning = learning
        self._optimizer = learning.optimizer(list(self.parameters))
        self._generator = torch.Generator().manual_seed((seed + 1) % 2**63)
        self._cost = None if learning.penalty is None else CostEstimator(learning.penalty, supernet)
        self._width_check: WidthCheck | None = WidthCheck(supernet)

    @property
    def phase(self) -> Phase:
        """Architecture steps come before weight steps (DARTS, algorithm 1)."""
        return "step"

    @property
    def temperature(self) -> float | None:
        """The temperature of the relaxation."""
        return self._relaxation.temperature

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Enter an epoch."""
        super().begin_epoch(epoch, num_epochs)
        self._relaxation.begin_epoch(epoch, num_epochs)

    def reset(self) -> None:
        """Set the supernet for a weight step; the parameters get no gradient from it."""
        with torch.no_grad():
            self._apply(learning=False)
        if len(self._sampled) < MAX_SAMPLED and all(d.weights is None for d in self.supernet.decisions.values()):
            self._sampled.append(self.supernet.architecture)

    def reset_for_validation(self) -> None:
        """Set the supernet without randomness: to the mixture, or to the most probable path."""
        self._follow()
        with torch.no_grad():
            for label, decision in self.supernet.decisions.items():
                self._relaxation.settle(decision, self.parameters.logits(label))
        self.supernet.fill_slots()

    def architecture_step(
        self,
        objective: Callable[[], Any],
        *,
        train_loss: Loss | None = None,
        optimizer: optim.Optimizer | None = None,
        scale: float = 1.0,
    ) -> float | None:
        """Descend the loss of a validation batch; see `OneShotSearch.architecture_step`.

        The first step also warns if mixtures of sizes are not those of the networks, see `WidthCheck`.

        Raises:
            ConfigError: The search is unrolled, and the loss of a training batch or the optimizer is missing.
        """
        check, self._width_check = self._width_check, None
        if check is None:
            return self._learn(objective, train_loss, optimizer, scale)
        with check.listening():
            loss = self._learn(objective, train_loss, optimizer, scale)
        finding = check.finding()
        if finding is not None:
            logger.warning(finding)
        return loss

    def _learn(
        self, objective: Callable[[], Any], train_loss: Loss | None, optimizer: optim.Optimizer | None, scale: float
    ) -> float:
        alphas = list(self.parameters)
        if self._learning.unrolled:
            if train_loss is None or optimizer is None:
                raise ConfigError(
                    "The second-order gradient (unrolled=True) needs the loss of a training batch and the optimizer "
                    "of the weights: give architecture_step both train_loss and optimizer."
                )
            weights = [weight for weight in self.supernet.parameters() if weight.requires_grad]
            losses = self._freshly(objective), self._freshly(train_loss)
            loss, gradients = unrolled_gradients(*losses, weights, alphas, optimizer, self.supernet.module)
        else:
            loss = self._freshly(objective)()
            gradients = _gradients(loss * scale, alphas)
            gradients = [None if gradient is None else gradient / scale for gradient in gradients]
        self._descend(alphas, self._with_penalties(alphas, gradients))
        return float(loss.detach())

    def probabilities(self) -> dict[str, dict[Any, float]]:
        """Return the probability of each value of each label, or of each candidate where subsets are too many."""
        with torch.no_grad():
            return {label: self._named(label, shares) for label, shares in self._shares().items()}

    def entropies(self, probabilities: Mapping[str, Mapping[Any, float]]) -> dict[str, float]:
        """Return the entropy of each label, those that are weighed by candidates included."""
        with torch.no_grad():
            subsets = {name: s for name, s in self._shares().items() if isinstance(s, SubsetDistribution)}
            return {**super().entropies(probabilities), **{name: float(s.entropy()) for name, s in subsets.items()}}

    def export(self) -> Architecture:
        """Return the architecture of the most probable values; with constraints, the most probable that meets them."""
        with torch.no_grad():
            shares = self._shares().items()
            ranked = {name: s if isinstance(s, SubsetDistribution) else self._named(name, s) for name, s in shares}
            return most_probable(self.supernet.space, ranked)

    def state_dict(self) -> dict[str, Any]:
        """Return parameters, optimizer, random state and epoch."""
        return {
            **self._epoch_state(),
            "parameters": self.parameters.state_dict(),
            "optimizer": copy.deepcopy(self._optimizer.state_dict()),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of `state_dict`.

        Raises:
            ConfigError: The state is of another space.
        """
        self._load_epoch_state(state)
        self.parameters.load_state_dict(state["parameters"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"].cpu())

    def _freshly(self, loss: Loss) -> Loss:
        """Return a loss that sets the supernet first: the graph from ``alpha`` on can be differentiated only once."""

        def compute() -> Tensor:
            self._apply(learning=True)
            return loss()

        return compute

    def _follow(self) -> None:
        """Move the parameters and the state of their optimizer to the device of the supernet."""
        if self.parameters.to(self.supernet.device):
            self._optimizer.load_state_dict(self._optimizer.state_dict())  # brings it to where the parameters are

    def _apply(self, *, learning: bool) -> None:
        self._follow()
        for label, decision in self.supernet.decisions.items():
            apply = self._relaxation.apply if decision.by_candidate is None else self._relaxation.apply_subset
            apply(decision, self.parameters.logits(label), self._generator, learning=learning)
        self.supernet.fill_slots()

    def _shares(self) -> dict[str, Tensor | SubsetDistribution]:
        """Return the probability of each value of a label, differentiable, or the distribution of its subsets."""
        return {
            label: self._relaxation.probabilities(self.parameters.logits(label))
            if decision.by_candidate is None
            else self._relaxation.subset_distribution(decision.by_candidate, self.parameters.logits(label))
            for label, decision in self.supernet.decisions.items()
        }

    def _named(self, label: str, shares: Tensor | SubsetDistribution) -> dict[Any, float]:
        if isinstance(shares, SubsetDistribution):
            return shares.probabilities()
        return dict(zip(self.supernet.decisions[label].values, shares.tolist(), strict=True))

    def _with_penalties(self, alphas: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Add the gradients of the terms that do not depend on data."""
        penalties = [self._relaxation.penalty(self.parameters)]
        if self._cost is not None:
            penalties.append(self._cost.penalty(self._shares(), self._generator))
        total = list(gradients)
        for penalty in penalties:
            if penalty is not None and penalty.requires_grad:
                total = [_sum(one, other) for one, other in zip(total, _gradients(penalty, alphas), strict=True)]
        return total

    def _descend(self, alphas: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        known = [torch.zeros_like(a) if g is None else g for a, g in zip(alphas, gradients, strict=True)]
        is_finite = not known or bool(torch.cat(known).isfinite().all())  # in one piece: devices wait only once
        if average_number(float(not is_finite), self.supernet.device):
            return  # half precision: every process skips the step if it overflowed in one
        average(known)
        for alpha, gradient in zip(alphas, known, strict=True):
            alpha.grad = gradient.to(alpha.dtype)
        if self._learning.gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(list(alphas), self._learning.gradient_clip_val)
        before = self.parameters.state_dict()
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._relaxation.after_step(self.parameters, before)


def _gradients(loss: Tensor, alphas: Sequence[Tensor]) -> list[Tensor | None]:
    """Return the gradients with respect to the parameters alone: no other tensor's ``grad`` changes."""
    return list(torch.autograd.grad(loss, alphas, allow_unused=True))


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second
