"""The names of tuners in configuration files, and their classes: `RandomTuner`, `EvolutionTuner`, `PPOTuner`."""

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
        "GenerationalEvolution": "retiarii.strategy:GenerationalEvolution",
        "GridSearch": "retiarii.strategy:GridSearch",
        "Hyperband": "retiarii.strategy:Hyperband",
        "NSGA2": "retiarii.strategy:NSGA2",
        "PPOTuner": "retiarii.classic._builtin_tuners:ppo",
        "Random": "retiarii.strategy:Random",
        "RegularizedEvolution": "retiarii.strategy:RegularizedEvolution",
        "RegularizedEvolutionTuner": "retiarii.classic._builtin_tuners:regularized_evolution",
    },
    "retiarii.tuners",
)
"""Classes and functions that take ``classArgs`` and return a `Strategy` or a `Tuner`, by name in a configuration file.

Strategies follow the experiment's seed and resume exactly, so a built-in name stands for a strategy where there is one.
"""


_ENDLESS = 10**9  # updates: the experiment's limits end the search


def evolution(population_size: int = 32) -> Strategy:
    """Return the strategy for NNI's tuner ``Evolution``."""
    sample_size = min(25, population_size) if isinstance(population_size, int) else 1  # what is no number is refused
    return strategies.RegularizedEvolution(population_size=population_size, sample_size=sample_size)


def regularized_evolution(population_size: int = 100, sample_size: int = 25) -> Strategy:
    """Return the strategy for NNI's tuner ``RegularizedEvolutionTuner``."""
    return strategies.RegularizedEvolution(population_size=population_size, sample_size=sample_size)


def ppo(
    trials_per_update: int = 20,
    epochs_per_update: int = 4,
    minibatch_size: int = 4,
    ent_coef: float = 0.0,
    lr: float = 0.01,
    vf_coef: float = 0.5,
    max_grad_norm: float = 0.5,
    gamma: float = 0.99,
    lam: float = 0.95,
    cliprange: float = 0.2,
) -> Strategy:
    """Return the strategy for NNI's tuner ``PPOTuner``, without an end of its own; see `PPOTuner`."""
    return strategies.PolicyBasedRL(
        _ENDLESS,
        trials_per_update,
        epochs=epochs_per_update,
        minibatch_size=minibatch_size,
        entropy_weight=ent_coef,
        learning_rate=lr,
        value_weight=vf_coef,
        max_grad_norm=max_grad_norm,
        gamma=gamma,
        gae_lambda=lam,
        clip_range=cliprange,
    )


def _drawn(seed: int | None) -> int:
    """Return a seed; for None, a new one every time."""
    return SystemRandom().randrange(2**32) if seed is None else seed


class RandomTuner(StrategyTuner):
    """Proposes random parameters, of layers and inputs as well as of ordinary hyper-parameters.

    Args:
        seed: The seed of its random choices; a new one every time if None.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(strategies.Random(), seed=_drawn(seed))


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
        super().__init__(evolution(population_size), optimize_mode, _drawn(seed))


class PPOTuner(StrategyTuner):
    """Reinforcement learning over choices of layers and inputs, and parameters; see `retiarii.strategy.PolicyBasedRL`.

    Args:
        optimize_mode: Whether larger or smaller metrics are better: ``"maximize"`` or ``"minimize"``.
        trials_per_update: How many trials the policy learns from at a time.
        epochs_per_update: How often it goes through them.
        minibatch_size: How many trials each step of the optimizer uses.
        ent_coef: The factor of the entropy in the objective.
        lr: The learning rate.
        vf_coef: The factor of the error of estimated values in the loss.
        max_grad_norm: The largest norm of gradients.
        gamma: The discount of the reward, for each decision.
        lam: The weight of later estimates in the advantages (λ).
        cliprange: By which share probabilities may change before the objective is clipped (ε).
        seed: The seed of its random choices; a new one every time if None.

    Reference:
        PPO (Schulman et al., 2017), arXiv:1707.06347. Names and defaults are those of NNI's tuner. Deviations: the
        learning rate is 0.01 by default, not 0.0003, since the policy is another network; no parameters are proposed
        twice; every type of parameter can be searched, not only choices of layers and inputs.
    """

    def __init__(
        self,
        optimize_mode: str = "maximize",
        trials_per_update: int = 20,
        epochs_per_update: int = 4,
        minibatch_size: int = 4,
        ent_coef: float = 0.0,
        lr: float = 0.01,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        gamma: float = 0.99,
        lam: float = 0.95,
        cliprange: float = 0.2,
        *,
        seed: int | None = None,
    ) -> None:
        strategy = ppo(
            trials_per_update,
            epochs_per_update,
            minibatch_size,
            ent_coef,
            lr,
            vf_coef,
            max_grad_norm,
            gamma,
            lam,
            cliprange,
        )
        super().__init__(strategy, optimize_mode, _drawn(seed))
