"""How good the best of 200 trials is under each strategy, on the results of NAS-Bench-201.

Nothing is trained: the metric of an architecture is looked up, the mean CIFAR-100 validation accuracy after 200 epochs.
The file of the results is looked for as the tests do, see `retiarii.testing.tables`. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from retiarii import __version__
from retiarii.strategy import NSGA2, PolicyBasedRL, Random, RegularizedEvolution, Strategy
from retiarii.testing.searches import run
from retiarii.testing.spaces import nas_bench_201
from retiarii.testing.tables import Table, nas_bench_201_table

STRATEGIES: dict[str, Strategy] = {
    "random": Random(),
    "evolution": RegularizedEvolution(),
    "evolution_small_population": RegularizedEvolution(population_size=20, sample_size=5),
    "nsga2": NSGA2(population_size=20),
    "policy": PolicyBasedRL(),
    "policy_repeating": PolicyBasedRL(dedup=False),
}


def measure(strategy: Strategy, table: Table, seeds: int, trials: int) -> dict[str, float]:
    """Return the mean of the best accuracies over the seeds, their standard deviation, and how many are the optimum."""
    bests = []
    for seed in range(seeds):
        search = strategy.search(nas_bench_201(), seed=seed)
        list(run(search, table, trials))
        assert search.best is not None
        bests.append(table(search.best.architecture))
    optimum = max(table.metrics.values())
    return {
        "mean": round(statistics.fmean(bests), 3),
        "deviation": round(statistics.pstdev(bests), 3),
        "lowest": round(min(bests), 3),
        "found_the_best": sum(best == optimum for best in bests),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    options = parser.parse_args()
    table = nas_bench_201_table(Path(__file__).resolve().parents[1])
    result = {
        "benchmark": "strategy_quality",
        "metric": "NAS-Bench-201, CIFAR-100 validation accuracy (%) after 200 epochs",
        "trials": options.trials,
        "seeds": options.seeds,
        "best_of_all": round(max(table.metrics.values()), 3),
        "random_expected": round(table.expected_best_of_random(options.trials), 3),
        **{name: measure(STRATEGIES[name], table, options.seeds, options.trials) for name in options.strategies},
        "retiarii": __version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
