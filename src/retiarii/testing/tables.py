"""Tables of real results: the accuracy of every architecture of a space."""

from __future__ import annotations

import csv
import gzip
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from retiarii.space import Architecture
from retiarii.testing._extra import pytest
from retiarii.testing.spaces import NAS_BENCH_201_EDGES, NAS_BENCH_201_OPERATIONS

DATA_VARIABLE = "RETIARII_TEST_DATA"
"""The environment variable that names the folder of the test data."""


@dataclass(frozen=True)
class Table:
    """Every architecture of a space with its metric.

    Attributes:
        metrics: From the architecture's values, in the order of its space, to the metric.
    """

    metrics: dict[tuple[str, ...], float]

    def __call__(self, architecture: Architecture) -> float:
        """Look up the metric of an architecture."""
        return self.metrics[tuple(architecture.values())]

    def expected_best_of_random(self, count: int) -> float:
        """Return the expected maximum of ``count`` different architectures drawn at random, exactly.

        With the metrics in ascending order, the maximum is at most the ``i``-th with probability
        ``C(i, count) / C(n, count)``.
        """
        ascending = sorted(self.metrics.values())
        expectation, at_most = 0.0, 1.0
        for size in range(len(ascending), count - 1, -1):
            below = at_most * (size - count) / size
            expectation += (at_most - below) * ascending[size - 1]
            at_most = below
        return expectation


def nas_bench_201_table(root: Path, column: str = "cifar100_valid_200") -> Table:
    """Return a column of NAS-Bench-201 for all its cells: mean CIFAR-100 validation accuracy (%) after 200 epochs.

    The file is looked for in the folder that the environment variable `DATA_VARIABLE` names, or else in
    ``../shared/data`` next to ``root``. Without it, the calling test is skipped.

    Args:
        root: The root of the repository.
        column: Another column: ``"cifar100_params"`` has numbers of parameters.
    """
    folder = Path(os.environ.get(DATA_VARIABLE) or root.parent / "shared" / "data")
    path = folder / "nb201_topology.csv.gz"
    if not path.is_file():
        pytest.skip(f"needs {path} (set {DATA_VARIABLE} to the folder that has it)")
    return _read_nas_bench_201(path, column)


@lru_cache(maxsize=2)
def _read_nas_bench_201(path: Path, column: str) -> Table:
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(len(row["ops"]) == len(NAS_BENCH_201_EDGES) for row in rows)
    return Table(
        {tuple(NAS_BENCH_201_OPERATIONS[int(code)] for code in row["ops"]): float(row[column]) for row in rows}
    )
