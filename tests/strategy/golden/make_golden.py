"""Write the golden traces: the proposals of each strategy for one seed and synthetic results.

The traces pin the exact proposals, so that a change which is not meant to change a search is seen, and an experiment
that was started with an older version can be resumed with a newer one. Run this file after a change that is meant to,
and say so in the changelog.
"""

import json
from pathlib import Path

from retiarii.strategy import (
    ASHA,
    NSGA2,
    GenerationalEvolution,
    GridSearch,
    Hyperband,
    MedianStop,
    PolicyBasedRL,
    Random,
    RegularizedEvolution,
)
from retiarii.testing.searches import TWO_OBJECTIVES, run, score, two_metrics
from retiarii.testing.spaces import SPACES

HERE = Path(__file__).parent
STRATEGIES = {
    "random": Random(),
    "random_repeating": Random(dedup=False),
    "grid": GridSearch(float_points=3),
    "grid_in_order": GridSearch(shuffle=False, float_points=3),
    "evolution": RegularizedEvolution(population_size=5, sample_size=3),
    "evolution_options": RegularizedEvolution(
        "minimize", population_size=5, sample_size=3, mutation_prob=0.4, on_failure="worst", crossover=True, dedup=True
    ),
    "generational": GenerationalEvolution(9, 5, num_select=2, num_mutation=2, num_crossover=2),
    "nsga2": NSGA2(population_size=5),
    "policy": PolicyBasedRL(trial_per_collect=3, learning_rate=0.05),
    "asha": ASHA(max_fidelity=4, reduction_factor=2),
    "hyperband": Hyperband(max_fidelity=4, reduction_factor=2),
    "median_stop": MedianStop(RegularizedEvolution(population_size=5, sample_size=3), min_trials=2),
}
TRACED_SPACES = ("flat", "nested", "subset", "constrained", "prior")  # no logarithms, whose last bit varies
SEED = 20_240_918
NUM_PROPOSALS = 16


def metric_of(architecture):
    """Return a made-up metric; about every seventh trial fails."""
    metric = score(architecture)
    return None if metric < 1 / 7 else metric


def metrics_of(architecture):
    """Return two made-up metrics; about every seventh trial fails."""
    metrics = two_metrics(architecture)
    return None if metrics["accuracy"] < 1 / 7 else metrics


def trace(strategy, space):
    """Return the values of what is proposed with two trials at a time."""
    if isinstance(strategy, NSGA2):
        search, evaluate = strategy.search(space, seed=SEED, objectives=TWO_OBJECTIVES), metrics_of
    else:
        search, evaluate = strategy.search(space, seed=SEED), metric_of
    return [plain(proposal) for proposal in run(search, evaluate, NUM_PROPOSALS, at_once=2)]


def plain(proposal):
    """Return a proposal as plain data: its architecture, with a fidelity and a parent where it has them."""
    values = proposal.architecture.to_json()
    if not proposal.fidelity:
        return values
    return {"architecture": values, "fidelity": dict(proposal.fidelity), "parent": proposal.parent}


def main():
    """Write one file per strategy."""
    for name, strategy in STRATEGIES.items():
        traces = {space: trace(strategy, SPACES[space]()) for space in TRACED_SPACES}
        lines = [
            f'  "{space}": [\n' + ",\n".join(f"    {json.dumps(values)}" for values in proposals) + "\n  ]"
            for space, proposals in traces.items()
        ]
        (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
