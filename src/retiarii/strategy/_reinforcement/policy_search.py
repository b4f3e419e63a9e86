"""`PolicySearch`: proposals of a policy that learns by PPO."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from retiarii.errors import ArchitectureError, SearchExhausted
from retiarii.space import Architecture, SearchSpace, rng_for
from retiarii.strategy._policy_based_rl import PolicyBasedRL
from retiarii.strategy._reinforcement.policy import Policy
from retiarii.strategy._reinforcement.ppo import PPO
from retiarii.strategy._unseen import Unseen
from retiarii.strategy.search import WORST, Fitness, Search
from retiarii.trial import Direction, ObjectivesLike, Proposal, Trial

_MAX_TRIES = 1_000
_MAX_ABSENT = 100  # in a space with few of the combinations of its choices, more tries would be slow


class PolicySearch(Search):
    """A running `PolicyBasedRL` search.

    Attributes:
        policy: The policy, as it is at present.
    """

    def __init__(
        self,
        options: PolicyBasedRL,
        space: SearchSpace,
        *,
        seed: int = 0,
        objectives: ObjectivesLike = Direction.MAXIMIZE,
    ) -> None:
        super().__init__(space, seed=seed, objectives=objectives)
        self._options = options
        if options.model_filter is not None:
            self.space = self.space.constrained(options.model_filter)
        self.policy = Policy(self.space, seed=self.seed)
        self._sampler = self.policy.sampler()
        self._ppo = PPO(self.policy, options)
        self._unseen = Unseen(self.space, self.seed) if options.dedup else None
        self._num_counted = 0
        self._collected: list[tuple[Architecture, Fitness]] = []  # since the policy learned last

    def _propose(self, number: int) -> Proposal | None:
        budget = self._options.max_collect * self._options.trial_per_collect
        if self._num_counted + len(self._pending) >= budget:
            if self._pending:
                return None  # wait: a trial that fails is replaced
            raise SearchExhausted(f"The policy has learned from {budget:,} trials, as many as it was to.")
        rng = rng_for(self.seed, number)
        if self._unseen is None:
            return Proposal(self._sampled(rng))
        return Proposal(self._unseen.find(lambda: self._sampled(rng), lambda: self.space.sample(rng)))

    def _sampled(self, rng: random.Random) -> Architecture:
        """Draw from the policy an architecture of the space that meets the constraints; or else from the space."""
        num_absent = 0
        for _ in range(_MAX_TRIES):
            try:
                architecture = self._sampler.sample(rng)
            except ArchitectureError:  # the space has not all combinations of its choices
                num_absent += 1
                if num_absent == _MAX_ABSENT:
                    break
                continue
            if self.space.satisfies(architecture):
                return architecture
        return self.space.sample(rng)

    def _on_ask(self, proposal: Proposal) -> None:
        if self._unseen is not None:
            self._unseen.add(proposal.architecture)

    def _on_tell(self, trial: Trial) -> None:
        fitness = self.fitness(trial)
        if fitness is None:
            if self._options.on_failure == "ignore" or trial.was_cancelled:
                return
            fitness = WORST
        self._num_counted += 1
        self._collected.append((trial.architecture, fitness))
        if len(self._collected) == self._options.trial_per_collect:
            architectures, results = zip(*self._collected, strict=True)
            self._ppo.update(architectures, ranks(results), rng_for(self.seed, self._num_counted, 0))
            self._sampler = self.policy.sampler()
            self._collected.clear()


def ranks(results: Sequence[Fitness]) -> list[float]:
    """Return the rank of each result, between -1 and 1, larger being better; equal results have the same rank."""
    ascending, count = sorted(results), len(results)
    places = [bisect_left(ascending, result) + bisect_right(ascending, result) for result in results]
    return [place / count - 1 for place in places]
