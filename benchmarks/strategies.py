"""How many architectures per second a strategy proposes, and whether a proposal costs more as a search grows.

Searches a space of the size of DARTS (34 choices) one trial at a time, without building models. Only `Search.ask` and
`Search.tell` are timed; the metric is made up. Then measures how long a restored search takes to be ready. Prints one
JSON line: medians over the seeds.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from collections.abc import Sequence
from time import perf_counter

from retiarii import __version__
from retiarii.strategy import (
    ASHA,
    NSGA2,
    GridSearch,
    Hyperband,
    MedianStop,
    PolicyBasedRL,
    Random,
    RegularizedEvolution,
    Strategy,
)
from retiarii.testing.searches import finished
from retiarii.testing.spaces import darts

STRATEGIES: dict[str, Strategy] = {
    "random": Random(dedup=True),
    "evolution": RegularizedEvolution(cycles=10**9),
    "evolution_dedup": RegularizedEvolution(cycles=10**9, dedup=True),
    "grid": GridSearch(),
    "nsga2": NSGA2(),
    "policy": PolicyBasedRL(max_collect=10**9),
    "asha": ASHA(),
    "hyperband": Hyperband(),
    "median_stop": MedianStop(Random()),
}
WINDOW = 500  # proposals before a mark whose mean is the cost at that mark


def search_once(strategy: Strategy, seed: int, num_trials: int) -> tuple[list[float], float]:
    """Return the seconds that each proposal took, told included, and those that a replay of all takes."""
    space = darts()
    search = strategy.search(space, seed=seed)
    seconds, trials = [], []
    for number in range(num_trials):
        begin = perf_counter()
        [proposal] = search.ask(1)
        asked = perf_counter()
        metric = number * 2_654_435_761 % 2**32 / 2**32
        trial = finished(number, proposal, metric)
        trials.append(trial)
        told = perf_counter()
        search.tell(trial)
        seconds.append(perf_counter() - told + asked - begin)
    begin = perf_counter()
    restored = strategy.search(space, seed=seed)
    restored.replay([trial.proposal for trial in trials], trials)
    replay = perf_counter() - begin
    assert restored.ask(1) == search.ask(1)
    return seconds, replay


def measure(strategy: Strategy, seeds: Sequence[int], marks: Sequence[int]) -> dict[str, object]:
    """Return medians over the seeds: proposals per second, microseconds per proposal at each mark, replay."""
    runs = [search_once(strategy, seed, max(marks)) for seed in seeds]

    def cost_at(mark: int) -> float:
        return statistics.median(statistics.fmean(seconds[max(0, mark - WINDOW) : mark]) for seconds, _ in runs)

    return {
        "proposals_per_s": round(statistics.median(len(seconds) / sum(seconds) for seconds, _ in runs)),
        "us_per_proposal_at": {str(mark): round(cost_at(mark) * 1e6, 1) for mark in marks},
        "replay_s": round(statistics.median(replay for _, replay in runs), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--marks", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    options = parser.parse_args()
    result = {
        "benchmark": "strategies",
        "space": f"{len(darts())} choices, {darts().size:.2g} architectures",
        "seeds": options.seeds,
        "trials": max(options.marks),
        **{name: measure(STRATEGIES[name], options.seeds, options.marks) for name in options.strategies},
        "targets": {"random": 25_000, "evolution": 15_000, "asha": 15_000},
        "python": platform.python_version(),
        "retiarii": __version__,
        "machine": platform.machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
