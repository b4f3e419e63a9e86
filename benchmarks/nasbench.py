"""How fast the table of NAS-Bench-201 answers, on a synthetic table of all 15,625 cells.

Writes a table with the published counts of trainings (one seed for 12 epochs, three for 200; 4 datasets), opens it in a
new process, and measures point queries, means of single architectures and scans of all cells. Curves are those of one
epoch, as these queries do not read them. Prints one JSON line: medians over the repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version

from retiarii.benchmarks._tables._nats.nats_database import add_architecture
from retiarii.benchmarks._tables._nats.nats_record import PublishedArchitecture, PublishedTrial
from retiarii.benchmarks._tables._nats.nats_statistics import STATISTICS
from retiarii.benchmarks.nasbench201 import DATASETS, query_nb201_trial_stats
from retiarii.benchmarks.nasbench201._cell_codes import NUM_CELLS, cell_of_number
from retiarii.benchmarks.nasbench201._nb201_database import NB201_FILE

SEEDS = {12: (111,), 200: (777, 888, 999)}
QUERIES = 2000

OPENING = """
import time
begin = time.perf_counter()
from retiarii.benchmarks.nasbench201 import CONV_3X3, query_nb201_trial_stats
next(query_nb201_trial_stats(dict.fromkeys(("0_1", "0_2", "1_2", "0_3", "1_3", "2_3"), CONV_3X3), 200, "cifar100"))
print(time.perf_counter() - begin)
"""


def make_table(seed: int) -> None:
    """Write a table of all cells with random numbers."""
    draw = random.Random(seed)
    NB201_FILE.path.parent.mkdir(parents=True)
    with closing(NB201_FILE.open_to_write(NB201_FILE.path)) as connection:
        for number in range(NUM_CELLS):
            add_architecture(connection, number, PublishedArchitecture(number, [trial(draw, *key) for key in keys()]))
        NB201_FILE.finish(connection)


def keys() -> list[tuple[int, str, int]]:
    """Return epochs, dataset and seed of each training of a cell."""
    return [(epochs, dataset, seed) for epochs, seeds in SEEDS.items() for dataset in DATASETS for seed in seeds]


def trial(draw: random.Random, epochs: int, dataset: str, seed: int) -> PublishedTrial:
    """Return one training with random results."""
    values = tuple(draw.uniform(0, 100) for _ in STATISTICS)
    return PublishedTrial(epochs, dataset, seed, values, tuple([value] for value in values[:8]))


def point_queries(reduction: str | None) -> float:
    """Return the mean seconds of a query for one architecture, and check that it answers."""
    draw = random.Random(0)
    cells = [cell_of_number(draw.randrange(NUM_CELLS)) for _ in range(QUERIES)]
    begin = time.perf_counter()
    for cell in cells:
        found = list(query_nb201_trial_stats(cell, 200, "cifar100", reduction=reduction))
        assert len(found) == (1 if reduction else 3)
    return (time.perf_counter() - begin) / QUERIES


def scan(reduction: str | None, epochs: int) -> float:
    """Return the seconds of a scan of all cells."""
    begin = time.perf_counter()
    count = sum(1 for _ in query_nb201_trial_stats(None, epochs, "cifar100", reduction=reduction))
    assert count == NUM_CELLS * (1 if reduction else len(SEEDS[epochs]))
    return time.perf_counter() - begin


def opening() -> float:
    """Return the seconds in a new process from the import to the first answer."""
    run = subprocess.run([sys.executable, "-c", OPENING], check=True, capture_output=True, text=True)
    return float(run.stdout)


MEASURED: dict[str, Callable[[], float]] = {
    "open": opening,
    "point_mean": lambda: point_queries("mean"),
    "point_3_seeds": lambda: point_queries(None),
    "scan_12_epochs": lambda: scan(None, 12),
    "scan_200_epochs_mean": lambda: scan("mean", 200),
    "scan_200_epochs_3_seeds": lambda: scan(None, 200),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RETIARII_CACHE_HOME"] = folder
        begin = time.perf_counter()
        make_table(0)
        written_s = time.perf_counter() - begin
        medians = {
            name: statistics.median(measure() for _ in range(options.repeats)) for name, measure in MEASURED.items()
        }
        size = NB201_FILE.path.stat().st_size
    result = {
        "benchmark": "nasbench",
        "cells": NUM_CELLS,
        "repeats": options.repeats,
        "write_s": round(written_s, 2),
        "median_ms": {name: round(value * 1e3, 4) for name, value in medians.items()},
        "mib": round(size / 2**20, 1),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "retiarii": version("retiarii"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
