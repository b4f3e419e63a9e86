"""`PathSearch`: the supernet is trained on uniformly sampled paths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from retiarii.oneshot._decisions.subset_distribution import SubsetDistribution
from retiarii.oneshot._searches.one_shot_search import OneShotSearch
from retiarii.oneshot._searches.search_record import MAX_SAMPLED
from retiarii.oneshot._supernets.supernet import Supernet
from retiarii.space import Architecture, Categorical, SearchSpace, Subset, rng_for

_TRAINING, _VALIDATION, _EXPORT = 0, 1, 2


class PathSearch(OneShotSearch):
    """Trains the weights of one path per step, drawn from the priors of the space.

    Args:
        supernet: The supernet that is trained.
        seed: The seed of the paths.
        space: The space that paths are drawn from: the supernet's, perhaps with further constraints.
        keep_sampled: Whether records list the sampled paths.
    """

    def __init__(self, supernet: Supernet, *, seed: int, space: SearchSpace, keep_sampled: bool) -> None:
        super().__init__(supernet)
        self._seed = seed
        self._space = space
        self._keep_sampled = keep_sampled
        self._num_steps = 0
        self._num_validations = 0

    @property
    def names_best(self) -> bool:
        """No: nothing is learnt about architectures."""
        return False

    @property
    def space(self) -> SearchSpace:
        """The space that paths are drawn from."""
        return self._space

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Enter an epoch; every epoch is validated on the same paths."""
        super().begin_epoch(epoch, num_epochs)
        self._num_validations = 0

    def reset(self) -> None:
        """Activate a new path.

        Raises:
            ConstraintError: No architecture that meets the constraints was found.
        """
        architecture = self._space.sample(rng_for(self._seed, _TRAINING, self._num_steps))
        self._num_steps += 1
        self.supernet.set_architecture(architecture, check=False)
        if self._keep_sampled and len(self._sampled) < MAX_SAMPLED:
            self._sampled.append(architecture)

    def reset_for_validation(self) -> None:
        """Activate the next of the paths for validation."""
        architecture = self._space.sample(rng_for(self._seed, _VALIDATION, self._num_validations))
        self._num_validations += 1
        self.supernet.set_architecture(architecture, check=False)

    def probabilities(self) -> dict[str, dict[Any, float]]:
        """Return the priors; continuous choices and those of very many single values are left out."""
        named: dict[str, dict[Any, float]] = {}
        for decision in self.supernet.decisions.values():
            choice, values = decision.choice, decision.values
            if decision.by_candidate is not None:
                logits = torch.zeros(len(decision.by_candidate.values), dtype=torch.float64)  # all subsets alike
                named[decision.label] = SubsetDistribution(decision.by_candidate, logits).probabilities()
            elif isinstance(choice, (Categorical, Subset)) and values:
                prior = choice.prior if isinstance(choice, Categorical) else None
                named[decision.label] = dict(zip(values, prior or [1 / len(values)] * len(values), strict=True))
        return named

    def entropies(self, probabilities: Mapping[str, Mapping[Any, float]]) -> dict[str, float]:
        """Return the entropy of the priors."""
        subsets = {label: d.by_candidate for label, d in self.supernet.decisions.items() if d.by_candidate is not None}
        uniform = {label: math.log(choice.cardinality) for label, choice in subsets.items()}
        return {**super().entropies(probabilities), **uniform}

    def export(self) -> Architecture:
        """Return a random architecture: this search does not compare any. `search_subnets` finds a good one."""
        return self._space.sample(rng_for(self._seed, _EXPORT))

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps: the paths follow from it and the seed."""
        return {
            **self._epoch_state(),
            "num_steps": self._num_steps,
            "num_validations": self._num_validations,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue with the path after the last one."""
        self._load_epoch_state(state)
        self._num_steps = state["num_steps"]
        self._num_validations = state["num_validations"]
