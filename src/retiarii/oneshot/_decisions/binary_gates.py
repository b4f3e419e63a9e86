"""`BinaryGates`: the relaxation of ProxylessNAS."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from retiarii.oneshot._decisions.architecture_parameters import ArchitectureParameters
from retiarii.oneshot._decisions.decision import Decision
from retiarii.oneshot._decisions.relaxations import Relaxation


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
