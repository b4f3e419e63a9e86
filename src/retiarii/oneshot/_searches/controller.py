"""`Controller`: the recurrent network with which ENAS samples architectures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from retiarii.oneshot._decisions.decision import Decision, membership
from retiarii.oneshot._decisions.subset_distribution import SubsetDistribution
from retiarii.space import Architecture, Choice, SearchSpace, Subset, Value


@dataclass(frozen=True)
class Sample:
    """One architecture of the controller.

    Attributes:
        architecture: The sampled architecture.
        log_probability: The logarithm of its probability, differentiable.
        entropy: The sum of the entropies of the decisions made, differentiable.
        skip_penalty: The divergence of the probabilities of inputs from their target, differentiable; 0 if no choice
            takes any number of inputs.
    """

    architecture: Architecture
    log_probability: Tensor
    entropy: Tensor
    skip_penalty: Tensor


class Controller(nn.Module):
    """An LSTM that makes one decision per step and gets the decision of the step before as input.

    It skips labels that the decisions so far make inactive.

    Args:
        space: The search space that is sampled.
        decisions: The decisions by label, with their values.
        seed: The seed of the initial weights.
        lstm_size: The size of the hidden state.
        lstm_num_layers: The number of layers of the LSTM.
        tanh_constant: Logits become ``tanh_constant * tanh(logits)``; None switches this off.
        temperature: A number that divides the logits; None switches this off.
        skip_target: The target for the probability of each input, where any number of inputs may be chosen.

    Reference:
        ENAS (Pham et al., 2018), arXiv:1802.03268, section 2.1. Deviation: a choice of several candidates is one
        decision between all subsets, whose logit is the sum over its candidates. Where any number may be chosen this is
        one independent decision per candidate, as in the paper, but all are made in one step of the LSTM.
    """

    def __init__(
        self,
        space: SearchSpace,
        decisions: Mapping[str, Decision],
        *,
        seed: int,
        lstm_size: int = 64,
        lstm_num_layers: int = 1,
        tanh_constant: float | None = 1.5,
        temperature: float | None = None,
        skip_target: float = 0.4,
    ) -> None:
        super().__init__()
        self._space = space
        self._decisions = dict(decisions)
        self._tanh_constant = tanh_constant
        self._temperature = temperature
        self._skip_target = skip_target
        self._numbers = {label: number for number, label in enumerate(decisions)}
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed % 2**63)
            self.cells = nn.ModuleList(nn.LSTMCell(lstm_size, lstm_size, bias=False) for _ in range(lstm_num_layers))
            self.start = nn.Parameter(torch.randn(1, lstm_size) * 0.1)
            sizes = [decision.num_logits for decision in self._decisions.values()]
            self.heads = nn.ModuleList(nn.Linear(lstm_size, size, bias=False) for size in sizes)
            self.embeddings = nn.ModuleList(nn.Embedding(size, lstm_size) for size in sizes)
        for number, decision in enumerate(self._decisions.values()):
            self.register_buffer(f"members_{number}", membership(decision), persistent=False)

    def sample(self, generator: torch.Generator) -> Sample:
        """Sample an architecture.

        Args:
            generator: On the CPU.
        """
        return self._walk(lambda label, distribution: distribution.sample(generator))[0]

    def most_probable(self) -> tuple[Architecture, dict[str, LabelDistribution]]:
        """Return the architecture of the most probable decisions, one after the other, and their distributions."""
        with torch.no_grad():
            sample, distributions = self._walk(lambda label, distribution: distribution.most_probable())
        return sample.architecture, distributions

    def evaluate(self, architecture: Architecture) -> Sample:
        """Return the sample that has a given architecture."""
        return self._walk(lambda label, distribution: architecture[label])[0]

    def _walk(self, choose: Callable[[str, LabelDistribution], Value]) -> tuple[Sample, dict[str, LabelDistribution]]:
        """Make the decisions in order; ``choose`` gets a label and its distribution, given the decisions before."""
        zero = self.start.new_zeros(1, self.start.shape[1])
        states = [(zero, zero) for _ in self.cells]
        inputs: Tensor = self.start
        log_probability, entropy, penalty = zero.sum(), zero.sum(), zero.sum()
        distributions: dict[str, LabelDistribution] = {}

        def value_of(decided: Choice) -> Value:
            nonlocal inputs, log_probability, entropy, penalty
            label = decided.label
            hidden = self._step(inputs, states)
            distribution = distributions[label] = self._distribution(label, hidden)
            value = choose(label, distribution)
            log_probability = log_probability + distribution.log_probability(value)
            entropy = entropy + distribution.entropy()
            penalty = penalty + self._skip_penalty(label, distribution)
            inputs = self._embedded(label, value)
            return value

        architecture = self._space.decide(value_of)
        return Sample(architecture, log_probability, entropy, penalty), distributions

    def _step(self, inputs: Tensor, states: list[tuple[Tensor, Tensor]]) -> Tensor:
        for number, cell in enumerate(self.cells):
            states[number] = cell(inputs, states[number])
            inputs = states[number][0]
        return inputs

    def _distribution(self, label: str, hidden: Tensor) -> LabelDistribution:
        logits: Tensor = self.heads[self._numbers[label]](hidden)[0]
        if self._temperature is not None:
            logits = logits / self._temperature
        if self._tanh_constant is not None:
            logits = self._tanh_constant * torch.tanh(logits)
        decision, members = self._decisions[label], self._members(label)
        if decision.by_candidate is not None:
            return SubsetDistribution(decision.by_candidate, logits)
        return _ListedDistribution(decision, logits if members is None else members @ logits)

    def _embedded(self, label: str, value: Value) -> Tensor:
        table: Any = self.embeddings[self._numbers[label]].weight
        choice = self._decisions[label].choice
        if not isinstance(choice, Subset):
            index = choice.index_of(value)
            rows: Tensor = table[index : index + 1]
            return rows
        row = torch.tensor([choice.encode(value)]).to(table)
        mean: Tensor = row @ table / (1 + row.sum())
        return mean

    def _skip_penalty(self, label: str, distribution: LabelDistribution) -> Tensor:
        """Return the divergence of the marginal probability of each input from the target, for any number of inputs."""
        choice, members = self._decisions[label].choice, self._members(label)
        if not isinstance(choice, Subset) or choice.min_chosen == choice.max_chosen:
            return self.start.new_zeros(())
        if isinstance(distribution, _ListedDistribution):
            assert members is not None  # of a Subset whose values are listed
            inclusion = distribution.shares @ members
        else:
            inclusion = distribution.inclusion()
        chosen = inclusion.clamp(1e-6, 1 - 1e-6)
        target = self._skip_target
        return (chosen * (chosen / target).log() + (1 - chosen) * ((1 - chosen) / (1 - target)).log()).sum()

    def _members(self, label: str) -> Tensor | None:
        members = getattr(self, f"members_{self._numbers[label]}")
        assert members is None or isinstance(members, Tensor)
        return members


class _ListedDistribution:
    """A distribution over all values of a decision.

    Args:
        decision: Its values are numbered.
        logits: ``[K]``, one for each value.
    """

    def __init__(self, decision: Decision, logits: Tensor) -> None:
        self._decision = decision
        self._log_shares = logits.log_softmax(dim=0)
        self.shares = self._log_shares.exp()

    def sample(self, generator: torch.Generator) -> Value:
        """Draw a value."""
        shares = self.shares.detach().double().cpu()
        return self._decision.values[int(torch.multinomial(shares, 1, generator=generator))]

    def most_probable(self) -> Value:
        """Return the value of the largest probability."""
        return self._decision.values[int(self.shares.argmax())]

    def log_probability(self, value: Value) -> Tensor:
        """Return the logarithm of the probability of a value, differentiable."""
        return self._log_shares[self._decision.choice.index_of(value)]

    def entropy(self) -> Tensor:
        """Return the entropy in nats, differentiable."""
        return -(self.shares * self._log_shares).sum()

    def probabilities(self) -> dict[Value, float]:
        """Return the probability of each value."""
        return dict(zip(self._decision.values, self.shares.detach().tolist(), strict=True))


LabelDistribution: TypeAlias = "_ListedDistribution | SubsetDistribution"
