"""How fast architectures are drawn, changed, numbered, checked and built into models.

Works on a space of the size of DARTS (34 choices) and on one that is nested 50 levels deep. Prints one JSON line: operations
per second and milliseconds, medians over the seeds. With ``--model`` it also fixes a model of that size
(see `model_metrics`).
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import random
import statistics
from collections.abc import Callable, Sequence
from time import perf_counter

from retiarii import __version__
from retiarii.space import ALWAYS, Architecture, Categorical, Choice, SearchSpace, Test, rng_for
from retiarii.testing.spaces import darts

LEVELS = 50


def nested() -> SearchSpace:
    """Return a space in which each level is active only if the level above says so."""
    choices: list[Choice] = []
    condition = ALWAYS
    for level in range(LEVELS):
        choices.append(Categorical(f"op{level}", ("inner", "conv", "pool"), condition=condition))
        choices.append(Categorical(f"width{level}", (16, 32, 64, 128), condition=condition))
        condition = frozenset({frozenset({Test(f"op{level}", frozenset({"inner"}))})})
    return SearchSpace(choices)


def per_second(operation: Callable[[], object], count: int) -> float:
    """Return how often an operation runs per second."""
    begin = perf_counter()
    for _ in range(count):
        operation()
    return count / (perf_counter() - begin)


def milliseconds(operation: Callable[[], object]) -> float:
    """Return the time that an operation takes once."""
    begin = perf_counter()
    operation()
    return (perf_counter() - begin) * 1e3


def rates(space: SearchSpace, rng: random.Random, count: int) -> dict[str, float]:
    """Return the operations per second on one space."""
    parents = itertools.cycle([space.sample(rng) for _ in range(100)])
    raw = itertools.cycle([space.sample(rng).to_json() for _ in range(100)])
    grid = iter(space.grid())
    return {
        "sample": per_second(lambda: space.sample(rng), count),
        "mutate": per_second(lambda: space.mutate(next(parents), rng), count),
        "crossover": per_second(lambda: space.crossover(next(parents), next(parents), rng), count),
        "grid": per_second(lambda: next(grid), count),
        "validate": per_second(lambda: space.architecture(next(raw)), count),
        "encode": per_second(lambda: space.encode(next(parents)), count),
        "key": per_second(lambda: Architecture(next(parents)).key, count),
    }


def counting(make: Callable[[], SearchSpace]) -> dict[str, float]:
    """Return the milliseconds that the first count of a new space and one numbered architecture take."""
    space = make()
    return {
        "size_ms": milliseconds(lambda: space.size),
        "at_ms": milliseconds(lambda: space.at(int(space.size) * 2 // 3)),
    }


def medians(runs: Sequence[dict[str, float]], digits: int) -> dict[str, float]:
    """Return the median of each number over the runs."""
    return {name: round(statistics.median(run[name] for run in runs), digits) for name in runs[0]}


def model_metrics(seeds: Sequence[int]) -> dict[str, float]:
    """Return how fast a model of the size of DARTS is fixed to an architecture."""
    return {}


def main() -> None:
    """Measure each space with each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="operations per measurement")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    result = {
        "benchmark": "space_ops",
        "per_second": {
            make.__name__: medians([rates(make(), rng_for(seed), options.count) for seed in options.seeds], 0)
            for make in (darts, nested)
        },
        "counting": {make.__name__: medians([counting(make) for _ in options.seeds], 3) for make in (darts, nested)},
        "model": model_metrics(options.seeds),
        "count": options.count,
        "seeds": options.seeds,
        "python": platform.python_version(),
        "retiarii": __version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
