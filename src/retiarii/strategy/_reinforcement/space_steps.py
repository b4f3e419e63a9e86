"""`SpaceSteps`: an architecture as a sequence of decisions between numbered options."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from retiarii.errors import ConfigError
from retiarii.space import Architecture, Choice, SearchSpace, Value
from retiarii.strategy._reinforcement.choice_steps import IMPOSSIBLE, choice_steps

NOT_TAKEN = -1
"""The option of a decision that belongs to an inactive choice."""

TakeOption: TypeAlias = "Callable[[int, list[float]], int]"
"""Gets the number of a decision and the logarithms of its prior probabilities, and returns an option."""


@dataclass(frozen=True)
class Episode:
    """The decisions that led to an architecture.

    Shapes: ``T`` decisions of the space, ``K`` options at most.

    Attributes:
        options: ``[T]``, the options taken; `NOT_TAKEN` where the choice is inactive.
        log_priors: ``[T, K]``, the logarithms of prior probabilities; `IMPOSSIBLE` for options that there are not.
    """

    options: npt.NDArray[np.int64]
    log_priors: npt.NDArray[np.float64]


class SpaceSteps:
    """The choices of a space as decisions, in the order of the choices: parents first.

    Args:
        space: The search space.

    Attributes:
        sizes: The number of options of each decision.

    Raises:
        ConfigError: The space has no fixed labels, or a choice is not supported.
    """

    def __init__(self, space: SearchSpace) -> None:
        if not space.has_fixed_labels:
            raise ConfigError(
                f"PolicyBasedRL() cannot search {space!r}: it needs to know all choices at the start, and mutators add "
                "choices as the search goes on. Use Random() or RegularizedEvolution()."
            )
        self.space = space
        self._steps = {choice.label: choice_steps(choice) for choice in space}
        self._firsts: dict[str, int] = {}
        sizes: list[int] = []
        for label, steps in self._steps.items():
            self._firsts[label] = len(sizes)
            sizes += steps.sizes
        self.sizes = tuple(sizes)

    def decide(self, take: TakeOption, rng: random.Random) -> Architecture:
        """Return the architecture that options lead to.

        Args:
            take: Takes an option, for one decision after the other.
            rng: Draws values where an option stands for several.
        """

        def value_of(choice: Choice) -> Value:
            steps, first = self._steps[choice.label], self._firsts[choice.label]
            taken: list[int] = []
            for number in range(first, first + len(steps.sizes)):
                taken.append(take(number, steps.log_prior(taken)))
            return steps.value(taken, rng)

        return self.space.decide(value_of)

    def episode(self, architecture: Architecture) -> Episode:
        """Return the decisions that lead to an architecture of the space."""
        options = np.full(len(self.sizes), NOT_TAKEN, dtype=np.int64)
        log_priors = np.full((len(self.sizes), max(self.sizes, default=1)), IMPOSSIBLE)
        for label, value in architecture.items():
            steps, first = self._steps[label], self._firsts[label]
            taken = steps.options(value)
            for place, option in enumerate(taken):
                options[first + place] = option
                shares = steps.log_prior(taken[:place])
                log_priors[first + place, : len(shares)] = shares
        return Episode(options, log_priors)
