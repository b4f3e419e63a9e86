"""`Controller`: the recurrent network with which ENAS samples architectures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from retiarii.oneshot._decisions.decision import Decision, membership
from retiarii.space import Architecture, SearchSpace, Subset, Value


@dataclass(frozen=True)
class Sample:
    """One architecture of the controller.

    Attributes:
        architecture: What was sampled.
        log_probability: Of the architecture, differentiable.
        entropy: The sum of the entropies of the decisions made, differentiable.
        skip_penalty: The divergence of the chosen inputs from their target, differentiable; 0 without such choices.
    """

    architecture: Architecture
    log_probability: Tensor
    entropy: Tensor
    skip_penalty: Tensor


class _Decisions(Mapping[str, Value]):
    """A mapping that decides a value when it is asked for it: a space asks for active labels only, parents first."""

    def __init__(self, labels: Iterable[str], value_of: Callable[[str], Value]) -> None:
        self._labels = tuple(labels)
        self._value_of = value_of

    def __getitem__(self, label: str) -> Value:
        return self._value_of(label)

    def __contains__(self, label: object) -> bool:
        return label in self._labels

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)


class Controller(nn.Module):
    """An LSTM that makes one decision after the other, and sees the decisions made before.

    Labels that the decisions so far make inactive are passed over.

    Args:
        space: What to sample.
        decisions: The values of its labels.
        seed: Of the initial weights.
        lstm_size: Size of the hidden state.
        lstm_num_layers: Layers of the LSTM.
        tanh_constant: Logits become ``tanh_constant * tanh(logits)``; None leaves them.
        temperature: By which logits are divided; None leaves them.
        skip_target: The share of candidates that choices of any number of inputs are to choose.

    Reference:
        ENAS (Pham et al., 2018), arXiv:1802.03268, section 2.1. Deviation: a choice of several candidates is one
        decision between all subsets, whose logit is the sum over its candidates, and not one decision per candidate.
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
            sizes = [_num_logits(decision) for decision in self._decisions.values()]
            self.heads = nn.ModuleList(nn.Linear(lstm_size, size, bias=False) for size in sizes)
            self.embeddings = nn.ModuleList(nn.Embedding(size, lstm_size) for size in sizes)
        for number, decision in enumerate(self._decisions.values()):
            self.register_buffer(f"members_{number}", membership(decision), persistent=False)

    def sample(self, generator: torch.Generator) -> Sample:
        """Sample an architecture.

        Args:
            generator: On the CPU.
        """
        return self._walk(lambda label, shares: int(torch.multinomial(shares, 1, generator=generator)))[0]

    def most_probable(self) -> tuple[Architecture, dict[str, list[float]]]:
        """Return the architecture of the most probable decisions, one after the other, and all their probabilities."""
        with torch.no_grad():
            sample, shares = self._walk(lambda label, shares: int(shares.argmax()))
        return sample.architecture, shares

    def evaluate(self, architecture: Architecture) -> Sample:
        """Return an architecture as if it had been sampled."""
        return self._walk(lambda label, shares: self._decisions[label].choice.index_of(architecture[label]))[0]

    def _walk(self, choose: Any) -> tuple[Sample, dict[str, list[float]]]:
        """Make the decisions in order; ``choose`` gets a label and the probabilities on the CPU."""
        zero = self.start.new_zeros(1, self.start.shape[1])
        states = [(zero, zero) for _ in self.cells]
        inputs: Tensor = self.start
        log_probability, entropy, penalty = zero.sum(), zero.sum(), zero.sum()
        shares_of: dict[str, list[float]] = {}

        def value_of(label: str) -> Value:
            nonlocal inputs, log_probability, entropy, penalty
            hidden = self._step(inputs, states)
            log_shares = self._logits(label, hidden).log_softmax(dim=0)
            shares = log_shares.exp()
            shares_of[label] = shares.detach().tolist()
            index = choose(label, shares.detach().double().cpu())
            log_probability = log_probability + log_shares[index]
            entropy = entropy - (shares * log_shares).sum()
            penalty = penalty + self._skip_penalty(label, shares)
            inputs = self._embedded(label, index)
            return self._decisions[label].values[index]

        architecture = self._space.architecture(_Decisions(self._decisions, value_of))
        return Sample(architecture, log_probability, entropy, penalty), shares_of

    def _step(self, inputs: Tensor, states: list[tuple[Tensor, Tensor]]) -> Tensor:
        for number, cell in enumerate(self.cells):
            states[number] = cell(inputs, states[number])
            inputs = states[number][0]
        return inputs

    def _logits(self, label: str, hidden: Tensor) -> Tensor:
        logits: Tensor = self.heads[self._numbers[label]](hidden)[0]
        if self._temperature is not None:
            logits = logits / self._temperature
        if self._tanh_constant is not None:
            logits = self._tanh_constant * torch.tanh(logits)
        members = self._members(label)
        return logits if members is None else members @ logits

    def _embedded(self, label: str, index: int) -> Tensor:
        table: Any = self.embeddings[self._numbers[label]].weight
        members = self._members(label)
        if members is None:
            rows: Tensor = table[index : index + 1]
            return rows
        row = members[index : index + 1]
        mean: Tensor = row @ table / (1 + row.sum())
        return mean

    def _skip_penalty(self, label: str, shares: Tensor) -> Tensor:
        """Return the divergence of the marginal probability of each input from the target, for any number of inputs."""
        choice, members = self._decisions[label].choice, self._members(label)
        if members is None or not isinstance(choice, Subset) or choice.min_chosen == choice.max_chosen:
            return shares.new_zeros(())
        chosen = (shares @ members).clamp(1e-6, 1 - 1e-6)
        target = self._skip_target
        return (chosen * (chosen / target).log() + (1 - chosen) * ((1 - chosen) / (1 - target)).log()).sum()

    def _members(self, label: str) -> Tensor | None:
        members = getattr(self, f"members_{self._numbers[label]}")
        assert members is None or isinstance(members, Tensor)
        return members


def _num_logits(decision: Decision) -> int:
    choice = decision.choice
    return len(choice.values) if isinstance(choice, Subset) else len(decision.values)
