"""How fast trials are written to a store and read back, and whether memory stays flat; try ``--trials 1000000``.

Writes each trial twice, as the loop of an experiment does (started, ended), then as many in batches into a second
experiment; counts, ranks and lists them in pages, loads the log that a resume needs and restores a search from it.
Times of writing include making the architectures. Prints one JSON line: medians over the repeats, and how much memory
grew in MiB while trials were written and listed (``growth``), for the log (``log``) and at most in all (``peak``).
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import psutil

from retiarii.space import Architecture, Categorical, SearchSpace
from retiarii.storage import ExperimentRecord, Store, open_store
from retiarii.strategy import Random
from retiarii.trial import Trial, TrialState

BATCH = 1000
PAGE = 100
OPERATIONS = ("conv3x3", "conv5x5", "skip", "pool", "none")


def make_space(labels: int) -> SearchSpace:
    """Return a space with a given number of choices."""
    return SearchSpace([Categorical(f"model.cells.{index}.op", OPERATIONS) for index in range(labels)])


def architecture(number: int, labels: int) -> Architecture:
    """Return a random architecture of that space."""
    draws = random.Random(number).choices(OPERATIONS, k=labels)
    return Architecture({f"model.cells.{index}.op": draw for index, draw in enumerate(draws)})


def started(number: int, labels: int) -> Trial:
    """Return a trial of that space."""
    return Trial(number, architecture(number, labels), started=1.7e9 + number, told_before=number)


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
    """Record the seconds that the block takes."""
    begin = time.perf_counter()
    yield
    times.setdefault(name, []).append(time.perf_counter() - begin)


def resident_mib() -> float:
    """Return the memory that this process has."""
    return float(psutil.Process().memory_info().rss / 2**20)


def num_in_pages(store: Store) -> int:
    """List all trials in pages; return how many there are."""
    count, after = 0, -1
    while page := store.list_trials("single", after=after, limit=PAGE):
        count, after = count + len(page), page[-1].number
    return count


def resume(store: Store, trials: int, labels: int, times: dict[str, list[float]]) -> float:
    """Restore a search from the log; return how much memory the log takes."""
    before = resident_mib()
    with timed(times, "load_log"):
        log = store.load_log("single")
    size = resident_mib() - before
    with timed(times, "read_log"):
        assert sum(1 for _ in log.told) == trials
    search = Random(dedup=False).search(make_space(labels))
    with timed(times, "replay"):
        search.replay(log.asked, log.told)
    assert search.num_told == trials
    return size


def measure(trials: int, labels: int, times: dict[str, list[float]]) -> dict[str, float]:
    """Run everything once; return mebibytes of memory and of the file."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store.db") as store:
        store.create_experiment(ExperimentRecord("single"))
        store.create_experiment(ExperimentRecord("batched"))
        store.write("batched", trials=[started(0, labels)])
        before = resident_mib()
        with timed(times, "write_one_by_one"):
            write_one_by_one(store, trials, labels)
        with timed(times, "write_batched"):
            write_batched(store, trials, labels)
        with timed(times, "iterate"):
            assert sum(1 for _ in store.iter_trials("single")) == trials
        with timed(times, "list_pages"):
            assert num_in_pages(store) == trials
        growth = resident_mib() - before
        for name, look in LOOKS.items():
            with timed(times, name):
                look(store)
        log = resume(store, trials, labels, times)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 - before
        size = (Path(folder) / "store.db").stat().st_size / 2**20
        return {"growth": growth, "log": log, "peak": peak, "file": size}


LOOKS: dict[str, Callable[[Store], object]] = {
    "count": lambda store: store.count_trials("single"),
    "best_10": lambda store: store.best_trials("single", 10),
    "running": lambda store: store.list_trials("single", states=[TrialState.RUNNING]),
    "failures": lambda store: store.failure_reasons("single"),
}
"""What people look at while a search runs."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=9)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    times: dict[str, list[float]] = {}
    sizes = [measure(options.trials, options.labels, times) for _ in range(options.repeats)]
    medians = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "benchmark": "store",
        "trials": options.trials,
        "labels": options.labels,
        "repeats": options.repeats,
        "median_s": {name: round(value, 4) for name, value in medians.items()},
        "us_per_write": round(medians["write_one_by_one"] / options.trials / 2 * 1e6, 1),
        "mib": {name: round(size, 1) for name, size in sizes[0].items()},
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "sqlalchemy": version("sqlalchemy"),
        "retiarii": version("retiarii"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
