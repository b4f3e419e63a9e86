"""`Relaxation`: how architecture parameters become what a decision is set to; softmax and Gumbel-softmax."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from retiarii.oneshot._decisions.architecture_parameters import ArchitectureParameters
from retiarii.oneshot._decisions.decision import Decision


class Relaxation(ABC):
    """How the logits of a label become weights over its values, or a sampled value.

    Instances may hold the state of one search: a new one is made for each.
    """

    @abstractmethod
    def apply(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Set a decision for the next step.

        Args:
            decision: What to set.
            logits: ``[K]``, of its values.
            generator: Where randomness comes from, on the CPU so that all devices and processes draw the same.
            learning: Whether architecture parameters are to learn from this step; else the weights are.
        """

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probability of each value, ``[K]``, differentiable."""
        return logits.softmax(dim=0)

    def settle(self, decision: Decision, logits: Tensor) -> None:
        """Set a decision for validation: without randomness."""
        decision.mix(self.probabilities(logits))

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:  # noqa: B027 - most have no schedule
        """Follow a schedule over epochs ``0`` to ``num_epochs - 1``."""

    @property
    def temperature(self) -> float | None:
        """The temperature at the moment; None where there is none."""
        return None

    def penalty(self, parameters: ArchitectureParameters) -> Tensor | None:
        """Return what is added to the loss of architecture parameters."""
        return None

    def after_step(  # noqa: B027 - most correct nothing
        self, parameters: ArchitectureParameters, before: Mapping[str, Tensor]
    ) -> None:
        """Correct the parameters after their optimizer has stepped.

        Args:
            parameters: To be changed in place.
            before: The parameters before the step.
        """


class Softmax(Relaxation):
    """The weights are the softmax of the logits.

    Reference:
        DARTS (Liu et al., 2019), arXiv:1806.09055, eq. 2; no deviation.
    """

    def apply(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Set the weights to the softmax."""
        decision.mix(logits.softmax(dim=0))


class GumbelSoftmax(Relaxation):
    """The weights are a sample of the concrete distribution: softmax of logits plus Gumbel noise, over a temperature.

    Args:
        initial: The temperature of the first epoch.
        final: The temperature of the last epoch; between them it falls linearly.

    Reference:
        SNAS (Xie et al., 2019), arXiv:1812.09926, eq. 4. Deviation: one sample per label and step, also where several
        operators share the label.
    """

    def __init__(self, initial: float, final: float) -> None:
        self._initial = initial
        self._final = final
        self._temperature = initial

    def apply(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Set the weights to a new sample."""
        uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64)
        noise = -torch.log(-torch.log(uniform.clamp(min=1e-300)))
        decision.mix(((logits + noise.to(logits)) / self._temperature).softmax(dim=0))

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Set the temperature of an epoch."""
        share = min(epoch / (num_epochs - 1), 1.0) if num_epochs > 1 else 0.0
        self._temperature = self._initial + (self._final - self._initial) * share

    @property
    def temperature(self) -> float:
        """The temperature at the moment."""
        return self._temperature
