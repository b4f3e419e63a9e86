import dataclasses
import pickle
import re
from functools import partial

import pytest

from retiarii.errors import ConfigError
from retiarii.oneshot import OneShotStrategy
from retiarii.strategy import (
    ASHA,
    NSGA2,
    BaseStrategy,
    GenerationalEvolution,
    GridSearch,
    Hyperband,
    MedianStop,
    Random,
    RegularizedEvolution,
    Strategy,
)
from retiarii.testing.spaces import tiny
from retiarii.trial import Direction

IMPOSSIBLE = [
    (Random, {"dedup": 1}, "Random(dedup=1): expected True or False."),
    (Random, {"variational": None}, "Random(variational=None): expected True or False."),
    (Random, {"model_filter": 3}, "Random(model_filter=3): expected None or a function"),
    (GridSearch, {"shuffle": "yes"}, "GridSearch(shuffle='yes'): expected True or False."),
    (GridSearch, {"float_points": 1}, "GridSearch(float_points=1): expected a whole number from 2 up."),
    (RegularizedEvolution, {"optimize_mode": "up"}, "expected None, 'maximize' or 'minimize'."),
    (RegularizedEvolution, {"population_size": 0}, "(population_size=0): expected a whole number from 1 up."),
    (RegularizedEvolution, {"sample_size": 0}, "expected a whole number from 1 to 100 (population_size)."),
    (RegularizedEvolution, {"sample_size": 101}, "(sample_size=101): expected a whole number from 1 to 100"),
    (RegularizedEvolution, {"population_size": 10}, "(sample_size=25): expected a whole number from 1 to 10"),
    (RegularizedEvolution, {"sample_size": 2.0}, "(sample_size=2.0): expected a whole number"),
    (RegularizedEvolution, {"sample_size": True}, "(sample_size=True): expected a whole number"),
    (RegularizedEvolution, {"cycles": 0}, "(cycles=0): expected a whole number from 1 up."),
    (RegularizedEvolution, {"mutation_prob": 0}, "(mutation_prob=0): expected None or a number above 0 and up to 1."),
    (RegularizedEvolution, {"mutation_prob": 1.5}, "(mutation_prob=1.5): expected None or a number"),
    (RegularizedEvolution, {"mutation_prob": float("nan")}, "(mutation_prob=nan): expected None or a number"),
    (RegularizedEvolution, {"on_failure": "retry"}, "(on_failure='retry'): expected 'ignore' or 'worst'."),
    (RegularizedEvolution, {"model_filter": "small"}, "expected None or a function"),
    (RegularizedEvolution, {"crossover": 1}, "(crossover=1): expected True or False."),
    (RegularizedEvolution, {"dedup": "no"}, "(dedup='no'): expected True or False."),
    (ASHA, {"fidelity": ""}, "ASHA(fidelity=''): expected a text that is not empty."),
    (ASHA, {"fidelity": None}, "ASHA(fidelity=None): expected a text"),
    (ASHA, {"min_fidelity": 0}, "ASHA(min_fidelity=0): expected a finite number above 0."),
    (ASHA, {"max_fidelity": float("inf")}, "ASHA(max_fidelity=inf): expected a finite number above 0."),
    (ASHA, {"max_fidelity": True}, "ASHA(max_fidelity=True): expected a finite number"),
    (ASHA, {"min_fidelity": 30}, "ASHA(max_fidelity=27): expected at least min_fidelity, which is 30."),
    (ASHA, {"reduction_factor": 1}, "ASHA(reduction_factor=1): expected a whole number from 2 up."),
    (ASHA, {"reduction_factor": 2.5}, "ASHA(reduction_factor=2.5): expected a whole number from 2 up."),
    (ASHA, {"max_architectures": 0}, "ASHA(max_architectures=0): expected a whole number from 1 up."),
    (ASHA, {"optimize_mode": "up"}, "expected None, 'maximize' or 'minimize'."),
    (ASHA, {"model_filter": "small"}, "expected None or a function"),
    (ASHA, {"dedup": "no"}, "(dedup='no'): expected True or False."),
    (Hyperband, {"fidelity": 3}, "Hyperband(fidelity=3): expected a text that is not empty."),
    (Hyperband, {"min_fidelity": -1}, "Hyperband(min_fidelity=-1): expected a finite number above 0."),
    (Hyperband, {"max_fidelity": 0.5}, "Hyperband(max_fidelity=0.5): expected at least min_fidelity, which is 1."),
    (Hyperband, {"reduction_factor": 0}, "Hyperband(reduction_factor=0): expected a whole number from 2 up."),
    (Hyperband, {"cycles": 0}, "Hyperband(cycles=0): expected a whole number from 1 up."),
    (Hyperband, {"optimize_mode": 1}, "expected None, 'maximize' or 'minimize'."),
    (Hyperband, {"model_filter": "small"}, "expected None or a function"),
    (GenerationalEvolution, {"num_generations": 0}, "num_generations=0): expected a whole number from 1 up."),
    (GenerationalEvolution, {"num_select": 51}, "num_select=51"),
    (GenerationalEvolution, {"mutation_prob": 1.1}, "mutation_prob=1.1"),
    (GenerationalEvolution, {"num_mutation": 26}, "together more than population_size=50"),
    (NSGA2, {"population_size": 1}, "NSGA2(population_size=1): expected a whole number from 2 up."),
    (NSGA2, {"crossover_prob": None}, "NSGA2(crossover_prob=None): expected a number from 0 to 1."),
    (NSGA2, {"crossover_prob": 1.1}, "NSGA2(crossover_prob=1.1): expected a number from 0 to 1."),
    (NSGA2, {"mutation_prob": 0}, "NSGA2(mutation_prob=0): expected None or a number above 0 and up to 1."),
    (NSGA2, {"model_filter": "small"}, "expected None or a function"),
    (NSGA2, {"dedup": 1}, "NSGA2(dedup=1): expected True or False."),
    (partial(MedianStop, Random()), {"warmup_steps": -1}, "warmup_steps=-1): expected a whole number from 0 up."),
    (partial(MedianStop, Random()), {"min_trials": 0}, "min_trials=0): expected a whole number from 1 up."),
]


@pytest.mark.parametrize(("strategy", "options", "message"), IMPOSSIBLE, ids=str)
def test_impossible_options_are_refused_by_name_and_range(strategy, options, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        strategy(**options)


@pytest.mark.parametrize(
    "strategy", [Random(), GridSearch(), RegularizedEvolution(), ASHA(), Hyperband(), NSGA2()], ids=repr
)
def test_strategies_are_values(strategy):
    assert pickle.loads(pickle.dumps(strategy)) == strategy == type(strategy)()
    assert isinstance(strategy, BaseStrategy)
    with pytest.raises(dataclasses.FrozenInstanceError):
        strategy.seed = 3


def test_nni_spelling_of_the_base_class_stands_for_both_families():
    assert issubclass(Strategy, BaseStrategy)
    assert issubclass(OneShotStrategy, BaseStrategy)


def test_positional_order_of_nni():
    def keep(architecture):
        return True

    assert GridSearch(False).shuffle is False
    assert Random(False, False, keep) == Random(dedup=False, model_filter=keep)
    assert RegularizedEvolution("minimize", 50, 10, 500, 0.05, "worst", keep) == RegularizedEvolution(
        optimize_mode="minimize",
        population_size=50,
        sample_size=10,
        cycles=500,
        mutation_prob=0.05,
        on_failure="worst",
        model_filter=keep,
    )


def test_variational_is_accepted_with_a_note_that_points_to_the_caller():
    with pytest.warns(DeprecationWarning, match="has no effect") as caught:
        strategy = Random(variational=True, dedup=False)
    assert caught[0].filename == __file__
    assert strategy.variational


def test_optimize_mode_fixes_the_direction():
    assert RegularizedEvolution().direction is None
    assert RegularizedEvolution("minimize").direction is Direction.MINIMIZE
    assert Random().direction is None
    for kind in (ASHA, Hyperband):
        assert kind().direction is None
        strategy = kind(optimize_mode="minimize")
        assert strategy.direction is strategy.search(tiny(), objectives="maximize").direction is Direction.MINIMIZE
        assert MedianStop(strategy).direction is Direction.MINIMIZE
