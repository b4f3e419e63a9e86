"""How fast searches on a table are, on a synthetic benchmark with the size of NAS-Bench-201.

- ``simulated_*``: an experiment with 8 simulated workers and an SQLite store; ``in_process_random``: trials one after
  the other on the platform ``"in_process"``, in the same run.
- ``simulate_*``: `retiarii.benchmarks.simulate`, without an experiment and a store.

Prints one JSON line: medians over the repeats, in milliseconds of wall time per trial, and ratios to the second.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import product
from pathlib import Path

from retiarii import RetiariiExeConfig, RetiariiExperiment
from retiarii.benchmarks import TabularBenchmark, simulate
from retiarii.strategy import Random, RegularizedEvolution, Strategy

OPERATORS = ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
EDGES = ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")
SEED = 0


def make_benchmark() -> TabularBenchmark:
    """Return a benchmark of 15,625 cells with random results."""
    draw = random.Random(SEED)
    cells = list(product(OPERATORS, repeat=len(EDGES)))
    frame: dict[str, list[object]] = {edge: [cell[place] for cell in cells] for place, edge in enumerate(EDGES)}
    for name, low, high in (("valid", 10, 95), ("test", 10, 95), ("seconds", 500, 3000)):
        frame[name] = [draw.uniform(low, high) for _ in cells]
    return TabularBenchmark(frame, choices=EDGES, metrics=["valid", "test"], seconds="seconds")


def experiment_ms(benchmark: TabularBenchmark, strategy: Strategy, name: str, trials: int, workers: int) -> float:
    """Return the milliseconds that each trial of an experiment takes."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = RetiariiExperiment(benchmark.space, benchmark.evaluator(), strategy=strategy)
        config = RetiariiExeConfig(name, trial_concurrency=workers, max_trial_number=trials, seed=SEED, progress=False)
        config.storage = Path(folder) / "store.db"
        begin = time.perf_counter()
        experiment.run(config)
        return (time.perf_counter() - begin) / trials * 1e3


def simulate_ms(benchmark: TabularBenchmark, strategy: Strategy, trials: int) -> float:
    """Return the milliseconds that each trial of `simulate` takes."""
    evaluator = benchmark.evaluator()
    begin = time.perf_counter()
    simulate(strategy.search(benchmark.space, seed=SEED), evaluator, workers=8, trials=trials)
    return (time.perf_counter() - begin) / trials * 1e3


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    benchmark, trials = make_benchmark(), options.trials
    evolution = RegularizedEvolution(population_size=100, sample_size=10)
    measured: dict[str, Callable[[], float]] = {
        "in_process_random": lambda: experiment_ms(benchmark, Random(), "in_process", trials // 5, 1),
        "simulated_random": lambda: experiment_ms(benchmark, Random(), "simulated", trials, 8),
        "simulated_evolution": lambda: experiment_ms(benchmark, evolution, "simulated", trials, 8),
        "simulate_random": lambda: simulate_ms(benchmark, Random(), trials),
        "simulate_evolution": lambda: simulate_ms(benchmark, evolution, trials),
    }
    runs = [{name: measure() for name, measure in measured.items()} for _ in range(options.repeats)]
    ms = {name: statistics.median(run[name] for run in runs) for name in measured}
    ratios = {name: statistics.median(run[name] / run["in_process_random"] for run in runs) for name in measured}
    result = {
        "benchmark": "tabular",
        "trials": trials,
        "repeats": options.repeats,
        "ms_per_trial": {name: round(value, 4) for name, value in ms.items()},
        "ratio_to_in_process": {name: round(value, 3) for name, value in ratios.items()},
        "seed": SEED,
        "python": platform.python_version(),
        "retiarii": version("retiarii"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
