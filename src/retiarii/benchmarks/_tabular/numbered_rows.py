"""`numbered_table`: the results of numbered architectures, from rows of a database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from retiarii.benchmarks._tabular.result_table import ResultTable
from retiarii.space import Architecture


def numbered_table(
    number_of: Callable[[Architecture], int],
    num_architectures: int,
    rows: Sequence[Sequence[Any]],
    groups: Mapping[str, int],
) -> ResultTable:
    """Return the results of architectures whose rows are their numbers, at one fidelity and without times.

    Args:
        number_of: Returns the number of an architecture.
        num_architectures: How many there are.
        rows: For each architecture its number, and the values of all metrics; None where there is none.
        groups: How many values, of as many seeds, each metric has, in the order of the columns.
    """
    values = np.array(rows, dtype=np.float64).reshape(-1, 1 + sum(groups.values()))
    columns = np.full((num_architectures, values.shape[1] - 1), np.nan)
    columns[values[:, 0].astype(np.int64)] = values[:, 1:]
    num_seeds, begin = max(groups.values()), 0
    metrics = {}
    for name, count in groups.items():
        found = columns[:, None, begin : begin + count]
        begin += count
        metrics[name] = np.broadcast_to(found, (num_architectures, 1, num_seeds)) if count == 1 else found
    return ResultTable(number_of, metrics)
