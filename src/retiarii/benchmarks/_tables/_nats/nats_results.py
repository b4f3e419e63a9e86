"""`nats_results`: the results of a space of NATS-Bench on one dataset, as arrays for tabular searches."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retiarii.benchmarks._tables._nats.nats_space import NatsSpace
from retiarii.benchmarks._tables._nats.nats_statistics import DATASETS, STATISTICS
from retiarii.benchmarks._tabular.result_table import Numbers, ResultTable, means_over_seeds
from retiarii.errors import BenchmarkError
from retiarii.space import Architecture

_VALIDATION = "cifar10-valid"  # has the validation accuracies for CIFAR-10
_TEST = ("test_acc", "test_loss", "ori_test_acc", "ori_test_loss", "test_evaluation_time", "ori_test_evaluation_time")


def nats_results(nats: NatsSpace, row_of: Callable[[Architecture], int], dataset: str) -> ResultTable:
    """Return the results of all architectures on one dataset, read once for each state of the file.

    For ``"cifar10"``, the test results are those of the trainings on all 50,000 images, and everything else is of the
    trainings on one half of them (``"cifar10-valid"``), as in NATS-Bench's own searches.

    Args:
        nats: The space.
        row_of: Returns the number of an architecture in the space; the same function in each call.
        dataset: The dataset.

    Raises:
        BenchmarkError: There is no table, or it is damaged.
    """
    path = nats.file.path
    changed = path.stat().st_mtime_ns if nats.file.is_there(path) else 0
    return _read(nats, row_of, dataset, path, changed)


@lru_cache(maxsize=len(DATASETS))
def _read(
    nats: NatsSpace, row_of: Callable[[Architecture], int], dataset: str, path: Path, changed: int
) -> ResultTable:
    with closing(nats.file.open()) as connection, nats.file.reading():
        if dataset != "cifar10":
            metrics = _columns(nats, connection, dataset)
        else:
            metrics = _columns(nats, connection, _VALIDATION)
            tests = _columns(nats, connection, dataset)
            metrics.update({name: tests[name] for name in _TEST})
    seconds = means_over_seeds(metrics["training_time"])
    if np.any(np.all(np.isnan(seconds), axis=0)):
        raise BenchmarkError(
            f"The table {str(path)!r} has no trainings on {dataset!r}. Delete it. {nats.file.how_to_build}"
        )
    return ResultTable(row_of, metrics, tuple(map(float, nats.epochs)), "epochs", seconds)


def _columns(nats: NatsSpace, connection: sqlite3.Connection, dataset: str) -> dict[str, Numbers]:
    """Return an array ``[architectures, epochs, seeds]`` for each statistic; seeds are in ascending order."""
    statement = (
        f"SELECT cell, seed, {', '.join(STATISTICS)} FROM trials WHERE num_epochs = ? AND dataset = ? "
        "ORDER BY cell, seed"
    )
    stages: list[tuple[NDArray[np.int64], NDArray[np.int64], Numbers]] = []
    for epochs in nats.epochs:
        found = connection.execute(statement, (epochs, DATASETS.index(dataset))).fetchall()
        rows = np.array(found, dtype=np.float64).reshape(-1, 2 + len(STATISTICS))
        numbers = rows[:, 0].astype(np.int64)
        seeds = np.arange(len(numbers)) - np.searchsorted(numbers, numbers)  # 0, 1, ... for each architecture
        stages.append((numbers, seeds, rows[:, 2:]))
    num_seeds = max(int(seeds.max(initial=0)) for _, seeds, _ in stages) + 1
    columns = np.full((len(STATISTICS), nats.num_architectures, len(nats.epochs), num_seeds), np.nan)
    for stage, (numbers, seeds, values) in enumerate(stages):
        columns[:, numbers, stage, seeds] = values.T
    return dict(zip(STATISTICS, columns, strict=True))
