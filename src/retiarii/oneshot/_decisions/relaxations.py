"""`Relaxation`: how architecture parameters set a decision; one class for each differentiable strategy."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.distributions import Dirichlet, kl_divergence

from retiarii.errors import ConfigError, SupernetError
from retiarii.oneshot._decisions.architecture_parameters import ArchitectureParameters
from retiarii.oneshot._decisions.decision import MAX_VALUES, Decision
from retiarii.oneshot._decisions.subset_distribution import SubsetDistribution, WeightedSubsets
from retiarii.space import Subset


class Relaxation(ABC):
    """How the logits of a label become weights over its values, or a sampled value.

    Instances may hold the state of one search: a new one is made for each.
    """

    @abstractmethod
    def apply(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Set a decision for the next step.

        Args:
            decision: The decision that is set.
            logits: ``[K]``, one for each of its values.
            generator: Draws random numbers, on the CPU, so that all devices and processes draw the same.
            learning: Whether architecture parameters learn from this step, not the weights.
        """

    def apply_subset(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Set a decision between too many subsets to weigh each, see `Decision.by_candidate`.

        Args:
            decision: The decision that is set, by `Decision.mix_subsets` or `Decision.choose`.
            logits: ``[n]``, one for each of its candidates.
            generator: As for `apply`.
            learning: As for `apply`.

        Raises:
            SupernetError: This relaxation has no form for candidates.
        """
        raise SupernetError(
            f"{type(self).__name__} weighs each value of a choice, but {decision.label!r} has "
            f"{decision.choice.cardinality:,} subsets, more than {MAX_VALUES}. Implement apply_subset, which weighs "
            "candidates, give the choice fewer candidates, or use another strategy."
        )

    def subset_distribution(self, choice: Subset, logits: Tensor) -> SubsetDistribution:
        """Return the distribution of the subsets of a choice that is weighed by candidates.

        Args:
            choice: The candidates.
            logits: ``[n]``, of the candidates.
        """
        return SubsetDistribution(choice, logits)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probability of each value, ``[K]``, differentiable."""
        return logits.softmax(dim=0)

    def settle(self, decision: Decision, logits: Tensor) -> None:
        """Set a decision for validation, without randomness."""
        if decision.by_candidate is None:
            decision.mix(self.probabilities(logits))
        else:
            decision.mix_subsets(self.subset_distribution(decision.by_candidate, logits))

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:  # noqa: B027 - most have no schedule
        """Follow a schedule over epochs ``0`` to ``num_epochs - 1``."""

    @property
    def temperature(self) -> float | None:
        """The current temperature; None if the relaxation has none."""
        return None

    def penalty(self, parameters: ArchitectureParameters) -> Tensor | None:
        """Return a term for the loss of architecture parameters; None for none."""
        return None

    def after_step(  # noqa: B027 - most correct nothing
        self, parameters: ArchitectureParameters, before: Mapping[str, Tensor]
    ) -> None:
        """Correct the parameters after their optimizer has stepped.

        Args:
            parameters: The parameters; changed in place.
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

    def apply_subset(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Set the weights to the softmax over all subsets, computed from the candidates."""
        assert decision.by_candidate is not None
        decision.mix_subsets(SubsetDistribution(decision.by_candidate, logits))


class GumbelSoftmax(Relaxation):
    """The weights are a sample of the concrete distribution: softmax of logits plus Gumbel noise, over a temperature.

    Args:
        initial: The temperature of the first epoch.
        final: The temperature of the last epoch; between them it falls linearly.
        schedule: Computes the temperature from the epoch and the number of epochs instead.

    Reference:
        SNAS (Xie et al., 2019), arXiv:1812.09926, eq. 4. Deviation: one sample per label and step, also where several
        operators share the label. Subsets that are weighed by candidates have one noise per candidate, as in
        "Gradient estimation with stochastic softmax tricks" (Paulus et al., 2020), arXiv:2006.08063, section 4: the
        weights are the marginals of the softmax over all subsets at the perturbed logits. For any number of candidates
        this is the binary concrete distribution (Maddison et al., 2017, arXiv:1611.00712, eq. 16) of each.
    """

    def __init__(self, initial: float, final: float, schedule: Callable[[int, int], float] | None = None) -> None:
        self._initial = initial
        self._final = final
        self._schedule = schedule
        self._temperature = initial
        self.begin_epoch(0, 1)

    def apply(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Set the weights to a new sample."""
        noise = _gumbel(logits.shape, generator)
        decision.mix(((logits + noise.to(logits)) / self._temperature).softmax(dim=0))

    def apply_subset(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Set the weights to a new sample: with Gumbel noise for a fixed number of candidates, else logistic noise."""
        choice = decision.by_candidate
        assert choice is not None
        noise = _gumbel(logits.shape, generator)
        if choice.min_chosen < choice.max_chosen:
            noise = noise - _gumbel(logits.shape, generator)  # of a candidate that is chosen, against one that is not
        decision.mix_subsets(SubsetDistribution(choice, (logits + noise.to(logits)) / self._temperature))

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Set the temperature of an epoch.

        Raises:
            ConfigError: The schedule gives no temperature.
        """
        if self._schedule is not None:
            temperature = self._schedule(epoch, num_epochs)
            if temperature is None or not 0 < temperature < math.inf:
                raise ConfigError(
                    f"The schedule of the temperature returned {temperature!r} for epoch {epoch} of {num_epochs}, "
                    "expected a number above 0."
                )
            self._temperature = temperature
            return
        share = min(epoch / (num_epochs - 1), 1.0) if num_epochs > 1 else 0.0
        self._temperature = self._initial + (self._final - self._initial) * share

    @property
    def temperature(self) -> float:
        """The current temperature."""
        return self._temperature


def _gumbel(shape: torch.Size, generator: torch.Generator) -> Tensor:
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
    return -torch.log(-torch.log(uniform.clamp(min=1e-300)))


class BinaryGates(Relaxation):
    """One sampled path trains the weights; two sampled paths, one with gate 1 and one with gate 0, train ``alpha``.

    The gates of the two are ``g = onehot(active)``, and the gradient with respect to a gate passes to the parameters as
    if it were the probability among the two. After a step the two parameters are shifted so that the probabilities of
    all other paths stay as they were. Subsets that are weighed by candidates are sampled without listing them.

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
        gates = _gates(logits[pair_on_device], active)
        weights = torch.zeros_like(logits).index_put((pair_on_device,), gates)
        decision.mix(weights, support=tuple(sorted(pair.tolist())))

    def apply_subset(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Sample one subset, or for learning two."""
        assert decision.by_candidate is not None
        distribution = SubsetDistribution(decision.by_candidate, logits)
        subset = distribution.sample(generator)
        if not learning:
            decision.choose(subset)
            return
        pair = (subset, distribution.sample_other(subset, generator))
        members = torch.stack([distribution.members(value) for value in pair])
        pair_logits = (members * logits).sum(dim=1)
        shares = pair_logits.detach().double().softmax(dim=0).cpu().clamp(min=1e-12)
        active = int(torch.multinomial(shares, 1, generator=generator))
        decision.mix_subsets(WeightedSubsets(_gates(pair_logits, active), members))

    def settle(self, decision: Decision, logits: Tensor) -> None:
        """Choose the most probable path."""
        if decision.by_candidate is None:
            decision.choose(decision.values[int(logits.argmax())])
        else:
            decision.choose(SubsetDistribution(decision.by_candidate, logits).most_probable())

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


def _gates(pair_logits: Tensor, active: int) -> Tensor:
    """Return the gates of two paths: 1 for the active one, with the gradient of their softmax."""
    among_two = pair_logits.softmax(dim=0)
    one_hot = torch.zeros_like(among_two)
    one_hot[active] = 1
    return one_hot + among_two - among_two.detach()


class DirichletSample(Relaxation):
    """The weights are a sample of a Dirichlet distribution whose concentration ``elu(alpha) + 1`` is learnt.

    Samples are differentiable with respect to the concentration by implicit reparameterisation.

    Args:
        kl_weight: The factor of the divergence from the distribution with all concentrations 1, in the loss.

    Reference:
        DrNAS (Chen et al., 2021), arXiv:2006.10355, eq. 3 and 4, with KL as the distance. Deviation: for a subset, the
        concentration of a value comes from the sum over its candidates. Subsets that are weighed by candidates have a
        concentration per candidate: for a fixed number, a sample of the Dirichlet distribution of all candidates gives
        the relative probabilities of a conditional Bernoulli distribution; else each candidate is chosen with a
        probability from ``Beta(elu(alpha) + 1, 1)``.
    """

    def __init__(self, kl_weight: float) -> None:
        self._kl_weight = kl_weight

    def apply(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Set the weights to a new sample."""
        decision.mix(_dirichlet_sample(concentration(logits), generator))

    def apply_subset(self, decision: Decision, logits: Tensor, generator: torch.Generator, *, learning: bool) -> None:
        """Set the weights to the marginals of the subset distribution at a new sample."""
        choice = decision.by_candidate
        assert choice is not None
        sample = _dirichlet_sample(_candidate_concentrations(choice, logits), generator)
        decision.mix_subsets(SubsetDistribution(choice, _log_odds(sample)))

    def subset_distribution(self, choice: Subset, logits: Tensor) -> SubsetDistribution:
        """Return the distribution at the mean of the samples."""
        return SubsetDistribution(choice, _log_odds(_candidate_concentrations(choice, logits)))

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
            logits, choice = parameters.logits(label), parameters.by_candidate.get(label)
            beta = concentration(logits) if choice is None else _candidate_concentrations(choice, logits)
            divergences.append(kl_divergence(Dirichlet(beta), Dirichlet(torch.ones_like(beta))).sum())
        return self._kl_weight * torch.stack(divergences).sum()


def concentration(logits: Tensor) -> Tensor:
    """Return ``elu(logits) + 1``, which is positive, and 1 for logits of 0.

    Written as the exponential that it is below 0: subtracting and adding 1 would leave 0 of small ones.
    """
    return torch.where(logits > 0, logits + 1, logits.clamp(max=0).exp())


def _candidate_concentrations(choice: Subset, logits: Tensor) -> Tensor:
    """Return the concentrations for candidates: ``[n]`` where their number is fixed, else ``[n, 2]``: chosen or not."""
    chosen = concentration(logits)
    if choice.min_chosen == choice.max_chosen:
        return chosen
    return torch.stack([chosen, torch.ones_like(chosen)], dim=-1)


def _log_odds(shares: Tensor) -> Tensor:
    """Return the logits of candidates with these relative shares, or shares of being chosen or not."""
    logs = shares.clamp(min=torch.finfo(shares.dtype).tiny).log()
    return logs if logs.dim() == 1 else logs[:, 0] - logs[:, 1]


def _dirichlet_sample(concentrations: Tensor, generator: torch.Generator) -> Tensor:
    # torch samples Dirichlet distributions only from its global generator.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        return Dirichlet(concentrations.cpu()).rsample().to(concentrations.device)
