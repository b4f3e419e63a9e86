"""`DirichletSample`: the relaxation of DrNAS."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Dirichlet, kl_divergence

from retiarii.oneshot._decisions.architecture_parameters import ArchitectureParameters
from retiarii.oneshot._decisions.decision import Decision
from retiarii.oneshot._decisions.relaxations import Relaxation


class DirichletSample(Relaxation):
    """The weights are a sample of a Dirichlet distribution whose concentration ``elu(alpha) + 1`` is learnt.

    Samples are differentiable with respect to the concentration by implicit reparameterisation.

    Args:
        kl_weight: Of the divergence from the symmetric distribution with concentration 1, added to the loss.

    Reference:
        DrNAS (Chen et al., 2021), arXiv:2006.10355, eq. 3 and 4, with KL as the distance. Deviation: for a subset, the
        concentration of a value comes from the sum over its candidates.
    """

    def __init__(self, kl_weight: float) -> None:
        self._kl_weight = kl_weight

    def apply(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Set the weights to a new sample."""
        # torch samples Dirichlet distributions only from its global generator.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            decision.mix(Dirichlet(concentration(logits.cpu())).rsample().to(logits.device))

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the mean of the distribution."""
        beta = concentration(logits)
        return beta / beta.sum()

    def penalty(self, parameters: ArchitectureParameters) -> Tensor | None:
        """Return the weighted divergence, summed over the labels."""
        if not self._kl_weight:
            return None
        divergences = []
        for label in parameters.by_label:
            beta = concentration(parameters.logits(label))
            divergences.append(kl_divergence(Dirichlet(beta), Dirichlet(torch.ones_like(beta))))
        return self._kl_weight * torch.stack(divergences).sum()


def concentration(logits: Tensor) -> Tensor:
    """Return ``elu(logits) + 1``, which is positive, and 1 for logits of 0.

    Written as the exponential that it is below 0: subtracting and adding 1 would leave 0 of small ones.
    """
    return torch.where(logits > 0, logits + 1, logits.clamp(max=0).exp())
