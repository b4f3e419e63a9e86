"""`Relaxation`: how architecture parameters set a decision; one class for each differentiable strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.distributions import Dirichlet, kl_divergence

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


class BinaryGates(Relaxation):
    """One sampled path trains the weights; two sampled paths, one with gate 1 and one with gate 0, train ``alpha``.

    The gates of the two are ``g = onehot(active)``, and the gradient with respect to a gate passes to the parameters as
    if it were the probability among the two. After a step the two parameters are shifted so that the probabilities of
    all other paths stay as they were.

    Reference:
        ProxylessNAS (Cai et al., 2019), arXiv:1812.00332, eq. 3 and 4, section 3.2.1. Deviation: subsets are not
        shifted, because each of their parameters belongs to several values.
    """

    def __init__(self) -> None:
        self._pairs: dict[str, Tensor] = {}

    def apply(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Sample one path, or for learning two."""
        probabilities = logits.detach().double().softmax(dim=0).cpu()
        if not learning or len(probabilities) == 1:
            self._sample_one(decision, probabilities, logits, generator, learning)
            return
        pair = torch.multinomial(probabilities.clamp(min=1e-12), 2, generator=generator)
        active = int(torch.multinomial(probabilities[pair].clamp(min=1e-12), 1, generator=generator))
        self._pairs[decision.label] = pair
        pair_on_device = pair.to(logits.device)
        among_two = logits[pair_on_device].softmax(dim=0)
        one_hot = torch.zeros_like(among_two)
        one_hot[active] = 1
        gates = one_hot + among_two - among_two.detach()
        weights = torch.zeros_like(logits).index_put((pair_on_device,), gates)
        decision.mix(weights, support=tuple(sorted(pair.tolist())))

    def settle(self, decision: Decision, logits: Tensor) -> None:
        """Choose the most probable path."""
        decision.choose(decision.values[int(logits.argmax())])

    def after_step(self, parameters: ArchitectureParameters, before: Mapping[str, Tensor]) -> None:
        """Shift the two sampled parameters of each label so that their total probability stays."""
        with torch.no_grad():
            for label, pair in self._pairs.items():
                if parameters.is_plain(label):
                    alpha = parameters.by_label[label]
                    two = pair.to(alpha.device)
                    alpha[two] += before[label][two].logsumexp(dim=0) - alpha[two].logsumexp(dim=0)
        self._pairs.clear()

    @staticmethod
    def _sample_one(
        decision: Decision, probabilities: Tensor, logits: Tensor, generator: torch.Generator, learning: bool
    ) -> None:
        index = int(torch.multinomial(probabilities, 1, generator=generator))
        decision.choose(decision.values[index])
        if learning:  # the only value: next to mixed decisions it must be a mixture too
            decision.mix(torch.ones_like(logits), support=(0,))


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
