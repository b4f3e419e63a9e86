"""The names of tuners in configuration files, and `RandomTuner` and `EvolutionTuner`, their classes."""

from __future__ import annotations

from random import SystemRandom

from retiarii import strategy as strategies
from retiarii._registry import Registry
from retiarii.classic._tuner_strategy import StrategyTuner
from retiarii.strategy import Strategy

TUNERS = Registry(
    "tuner",
    {
        "ASHA": "retiarii.strategy:ASHA",
        "Evolution": "retiarii.classic._builtin_tuners:evolution",
        "GridSearch": "retiarii.strategy:GridSearch",
        "Hyperband": "retiarii.strategy:Hyperband",
        "NSGA2": "retiarii.strategy:NSGA2",
        "Random": "retiarii.strategy:Random",
        "RegularizedEvolution": "retiarii.strategy:RegularizedEvolution",
        "RegularizedEvolutionTuner": "retiarii.classic._builtin_tuners:regularized_evolution",
    },
    "retiarii.tuners",
)
"""Classes and functions that take ``classArgs`` and return a `Strategy` or a `Tuner`, by name in a configuration file.

Strategies follow the experiment's seed and resume exactly, so a built-in name stands for a strategy where there is one.
"""


def evolution(population_size: int = 32) -> Strategy:
    """Return the strategy for NNI's tuner ``Evolution``."""
    return strategies.RegularizedEvolution(population_size=population_size, sample_size=min(25, population_size))


def regularized_evolution(population_size: int = 100, sample_size: int = 25) -> Strategy:
    """Return the strategy for NNI's tuner ``RegularizedEvolutionTuner``."""
    return strategies.RegularizedEvolution(population_size=population_size, sample_size=sample_size)


class RandomTuner(StrategyTuner):
    """Proposes random parameters, of layers and inputs as well as of ordinary hyper-parameters.

    Args:
        seed: The seed of its random choices; a new one every time if None.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(strategies.Random(), seed=SystemRandom().randrange(2**32) if seed is None else seed)


class EvolutionTuner(StrategyTuner):
    """Mutates the best parameters of a population, one at a time; see `retiarii.strategy.RegularizedEvolution`.

    Args:
        optimize_mode: Whether larger or smaller metrics are better: ``"maximize"`` or ``"minimize"``.
        population_size: The size of the population.
        seed: The seed of its random choices; a new one every time if None.

    Reference:
        NNI's tuner follows Large-Scale Evolution of Image Classifiers (Real et al., 2017), arXiv:1703.01041. Deviation:
        the parent is the best of a sample and the oldest member leaves the population, as in Regularized Evolution.
    """

    def __init__(self, optimize_mode: str = "maximize", population_size: int = 32, *, seed: int | None = None) -> None:
        super().__init__(
            evolution(population_size), optimize_mode, SystemRandom().randrange(2**32) if seed is None else seed
        )
