"""How fast trials are written to a store and read back, and whether memory stays flat.

Writes each trial twice, as the loop of an experiment does (started, ended), then as many in batches into a second
experiment; lists, ranks and loads the log that a resume needs. Times of writing include making the architectures.
Prints one JSON line: medians over the repeats.
"""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import psutil

from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord, Store, open_store
from retiarii.trial import Trial, TrialState

BATCH = 1000


def started(number: int, labels: int) -> Trial:
    """Return a trial of a space with so many labels."""
    values = {
        f"model.cells.{index}.op": ("conv3x3", "conv5x5", "skip")[(number + index) % 3] for index in range(labels)
    }
    return Trial(number, Architecture(values | {"number": number}), started=1.7e9 + number, told_before=number)


def ended(trial: Trial) -> Trial:
    """Return the same trial after a good end."""
    return trial.evolve(
        state=TrialState.COMPLETED,
        metrics={"default": trial.number % 1000 / 1000},
        finish_order=trial.number,
        ended=1.7e9 + trial.number + 1,
        device="cpu",
        output="epoch 1: loss 0.5\n",
    )


def write_one_by_one(store: Store, trials: int, labels: int) -> None:
    """Write as the loop does with one trial at a time."""
    for number in range(trials):
        trial = started(number, labels)
        store.write("single", trials=[trial])
        store.write("single", trials=[ended(trial)])


def write_batched(store: Store, trials: int, labels: int) -> None:
    """Write many finished trials per transaction."""
    for first in range(0, trials, BATCH):
        store.write("batched", trials=[ended(started(number, labels)) for number in range(first, first + BATCH)])


@contextmanager
def timed(times: dict[str, list[float]], name: str) -> Iterator[None]:
    """Note the seconds that the block takes."""
    begin = time.perf_counter()
    yield
    times.setdefault(name, []).append(time.perf_counter() - begin)


def measure(trials: int, labels: int, times: dict[str, list[float]]) -> tuple[float, float]:
    """Run everything once; return the growth of memory in MiB while writing, and the size of the file."""
    resident: Callable[[], float] = lambda: psutil.Process().memory_info().rss / 2**20  # noqa: E731 - used twice below
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store.db") as store:
        store.create_experiment(ExperimentRecord("single"))
        store.create_experiment(ExperimentRecord("batched"))
        store.write("batched", trials=[started(0, labels)])
        before = resident()
        with timed(times, "write_one_by_one"):
            write_one_by_one(store, trials, labels)
        with timed(times, "write_batched"):
            write_batched(store, trials, labels)
        with timed(times, "iterate"):
            assert sum(1 for _ in store.iter_trials("single")) == trials
        growth = resident() - before
        with timed(times, "count"):
            store.count_trials("single")
        with timed(times, "best_10"):
            store.best_trials("single", 10)
        with timed(times, "load_log"):
            log = store.load_log("single")
        assert len(log.told) == trials
        del log
        with timed(times, "list"):
            assert len(store.list_trials("single")) == trials
        return growth, (Path(folder) / "store.db").stat().st_size / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    times: dict[str, list[float]] = {}
    sizes = [measure(options.trials, options.labels, times) for _ in range(options.repeats)]
    medians = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "benchmark": "store",
        "trials": options.trials,
        "labels": options.labels + 1,
        "repeats": options.repeats,
        "median_s": {name: round(value, 4) for name, value in medians.items()},
        "us_per_write": round(medians["write_one_by_one"] / options.trials / 2 * 1e6, 1),
        "memory_growth_mib": round(sizes[0][0], 1),
        "file_mib": round(statistics.median(size for _, size in sizes), 1),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "sqlalchemy": version("sqlalchemy"),
        "retiarii": version("retiarii"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
