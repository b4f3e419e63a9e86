"""How long it takes to resume an experiment of 100,000 trials.

Runs that many trials that do nothing, in this process, with random search (no duplicates) and with evolution, and then
resumes each for one more trial. Prints one JSON line: seconds from ``resume`` to the end of that trial, and how much
this process's memory grew while the trials ran.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

import retiarii.nn.pytorch as nn
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import Random, RegularizedEvolution, Strategy

SEED = 0
NUM_LABELS = 9


def no_op(model: nn.Module) -> float:
    """Evaluate nothing."""
    return 1.0


def measure(strategy: Strategy, trials: int, path: Path) -> dict[str, float]:
    """Run many trials, resume for one more, and return seconds and mebibytes."""
    values: Any = list(range(1, 9))
    model = nn.Sequential(*(nn.Dropout(nn.ValueChoice(values, label=f"choice{i}") / 10) for i in range(NUM_LABELS)))
    config = RetiariiExeConfig("in_process", max_trial_number=trials, seed=SEED, storage=path, progress=False)
    experiment = RetiariiExperiment(model, FunctionalEvaluator(no_op), [], strategy)
    process = psutil.Process()
    before = process.memory_info().rss
    start = time.perf_counter()
    experiment.run(config)
    run_s = time.perf_counter() - start
    grown = process.memory_info().rss - before
    start = time.perf_counter()
    RetiariiExperiment.resume(str(experiment.id), storage=path, max_trial_number=trials + 1)
    resume_s = time.perf_counter() - start
    return {"run_s": round(run_s, 1), "resume_s": round(resume_s, 2), "memory_growth_mib": round(grown / 2**20, 1)}


def main() -> None:
    """Measure both strategies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000)
    trials = parser.parse_args().trials
    strategies = {"random": Random(), "evolution": RegularizedEvolution(cycles=trials + 10)}
    with tempfile.TemporaryDirectory() as folder:
        results = {
            name: measure(strategy, trials, Path(folder) / f"{name}.db") for name, strategy in strategies.items()
        }
    versions = {"python": platform.python_version(), "torch": version("torch"), "retiarii": version("retiarii")}
    print(json.dumps({"benchmark": "resume", "trials": trials, **results, "seed": SEED, **versions}))


if __name__ == "__main__":
    main()
