"""The time that an experiment adds to its trials: strategy, store, executor and freezing together.

- ``isolated_ms``: wall time per no-op trial in a process of its own, two at a time, after the first one ended.
- ``until_first_end_s``: from ``run`` to the end of the first isolated trial, torch's import in the template included.
- ``in_process_ms``: time per no-op trial in this process, less the time that freezing the same models takes.

Prints one JSON line; medians over the repeats.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import retiarii.nn.pytorch as nn
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment, extract_space, freeze
from retiarii.strategy import Random

SEED = 0


def make_model() -> nn.Module:
    """Return a small model with two choices and 40,000 architectures."""
    widths: Any = list(range(1, 201))
    return nn.Sequential(
        nn.Linear(4, nn.ValueChoice(widths, label="first")), nn.Linear(2, nn.ValueChoice(widths, label="second"))
    )


def no_op(model: nn.Module) -> float:
    """Evaluate nothing."""
    return 1.0


def run(platform_name: str, trials: int, concurrency: int, folder: Path) -> tuple[float, float]:
    """Return the seconds until the first trial ended, and those of each trial after it."""
    experiment = RetiariiExperiment(make_model(), FunctionalEvaluator(no_op), [], Random())
    config = RetiariiExeConfig(platform_name, trial_concurrency=concurrency, max_trial_number=trials, seed=SEED)
    config.storage, config.progress = folder / f"{platform_name}.db", False
    start = time.time()
    experiment.run(config)
    ends = sorted(trial.ended for trial in experiment.trials() if trial.ended is not None)
    return ends[0] - start, (ends[-1] - ends[0]) / (trials - 1)


def freezing_s(count: int) -> float:
    """Return the seconds that freezing one of the models takes."""
    model = make_model()
    space = extract_space(model)
    rng = random.Random(SEED)
    architectures = [space.sample(rng) for _ in range(count)]
    start = time.perf_counter()
    for architecture in architectures:
        freeze(model, architecture)
    return (time.perf_counter() - start) / count


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=101)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    first, isolated, in_process = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.repeats):
            until_first, each = run("local", options.trials, 2, Path(folder))
            first.append(until_first)
            isolated.append(each)
            in_process.append(run("in_process", 1000, 1, Path(folder))[1] - freezing_s(1000))
    result = {
        "benchmark": "experiment_overhead",
        "isolated_ms": round(statistics.median(isolated) * 1e3, 2),
        "until_first_end_s": round(statistics.median(first), 2),
        "in_process_ms": round(statistics.median(in_process) * 1e3, 3),
        "trials": options.trials,
        "repeats": options.repeats,
        "seed": SEED,
        "python": platform.python_version(),
        "torch": version("torch"),
        "retiarii": version("retiarii"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
