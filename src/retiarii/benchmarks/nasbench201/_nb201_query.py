"""`query_nb201_trial_stats`: the trials of the table that meet conditions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from retiarii.benchmarks._tables.query_arguments import chosen, means_wanted
from retiarii.benchmarks._tables.table_file import OpenedTable
from retiarii.benchmarks.nasbench201._cell_codes import NUM_CELLS, cell_of_number, number_of_cell
from retiarii.benchmarks.nasbench201._nb201_database import NB201_FILE, curves_of
from retiarii.benchmarks.nasbench201._nb201_records import (
    COSTS,
    CURVES,
    DATASETS,
    EPOCHS,
    STATISTICS,
    Nb201IntermediateStats,
    Nb201TrialConfig,
    Nb201TrialStats,
)


def _mean_of_column(name: str) -> str:
    """Return the SQL of a mean; costs that are equal for all seeds stay as they are, without a rounding error."""
    mean = f"AVG({name})"
    return f"CASE WHEN MIN({name}) = MAX({name}) THEN MIN({name}) ELSE {mean} END" if name in COSTS else mean


_KEYS = ("config", "seed", *STATISTICS)
_WHERE = "FROM trials WHERE num_epochs = ? AND dataset = ?"
_ALL = f"SELECT curves, cell, seed, {', '.join(STATISTICS)} {_WHERE}"
_MEANS = f"SELECT GROUP_CONCAT(curves), cell, NULL, {', '.join(map(_mean_of_column, STATISTICS))} {_WHERE}"


def query_nb201_trial_stats(
    arch: Mapping[str, str] | None,
    num_epochs: int | None,
    dataset: str | None,
    reduction: str | None = None,
    include_intermediates: bool = False,
) -> Iterator[Nb201TrialStats]:
    """Return the trials of NAS-Bench-201 that meet conditions, each as a dict.

    Args:
        arch: The operator of each edge, as in `Nb201TrialConfig`; None for all architectures.
        num_epochs: 12 or 200; None for both.
        dataset: A dataset of `Nb201TrialConfig`; None for all.
        reduction: ``"mean"`` for the means over the seeds of each configuration, None or ``"none"`` for all trials.
        include_intermediates: Whether to include the results after each epoch.

    Returns:
        An iterator over the trials, sorted by epochs and dataset.

    Raises:
        ArchitectureError: The architecture is not in the space.
        ConfigError: Another argument has an impossible value.
        BenchmarkError: There is no table, it lacks the architecture, or it is damaged.

    Examples:
        >>> arch = {edge: CONV_3X3 for edge in ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")}
        >>> (trial,) = query_nb201_trial_stats(arch, 200, "cifar100", reduction="mean")
        >>> trial["test_acc"]
    """
    number = None if arch is None else number_of_cell(arch)
    epochs = chosen("num_epochs", num_epochs, EPOCHS)
    datasets = chosen("dataset", dataset, DATASETS)
    is_mean = means_wanted(reduction)
    table = NB201_FILE.shared()
    if number is not None and table.num_architectures < NUM_CELLS:
        _check_is_there(table, number)
    configs = [(count, name) for count in epochs for name in datasets]
    return _trials(table, configs, number, is_mean=is_mean, include_intermediates=include_intermediates)


def _trials(
    table: OpenedTable,
    configs: Sequence[tuple[int, str]],
    number: int | None,
    *,
    is_mean: bool,
    include_intermediates: bool,
) -> Iterator[Nb201TrialStats]:
    statement = _MEANS if is_mean else _ALL
    statement += " AND cell = ?" if number is not None else ""
    statement += " GROUP BY cell" if is_mean else ""
    with NB201_FILE.reading(table.path):
        for count, name in configs:
            values = (count, DATASETS.index(name), *(() if number is None else (number,)))
            for curves, cell, *rest in table.connection.execute(statement, values):
                trial = dict(zip(_KEYS, (_config(cell, count, name), *rest), strict=True))
                if include_intermediates:
                    trial["intermediates"] = _intermediates(table.connection, curves)
                yield cast("Nb201TrialStats", trial)


def _config(cell: int, num_epochs: int, dataset: str) -> Nb201TrialConfig:
    return {
        "arch": cell_of_number(cell),
        "num_epochs": num_epochs,
        "num_channels": 16,
        "num_cells": 5,
        "dataset": dataset,
    }


def _intermediates(connection: sqlite3.Connection, curves: int | str) -> list[Nb201IntermediateStats]:
    """Return the results after each epoch, averaged over the curves of several trials."""
    of_trials = [curves_of(connection, int(number)) for number in str(curves).split(",")]
    columns = [[_mean(values) for values in zip(*of_seeds, strict=True)] for of_seeds in zip(*of_trials, strict=True)]
    found = [
        {"current_epoch": epoch, **dict(zip(CURVES, values, strict=True))}
        for epoch, values in enumerate(zip(*columns, strict=True), start=1)
        if any(value is not None for value in values)
    ]
    return cast("list[Nb201IntermediateStats]", found)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _check_is_there(table: OpenedTable, number: int) -> None:
    with NB201_FILE.reading(table.path):
        if table.connection.execute("SELECT 1 FROM cells WHERE cell = ?", (number,)).fetchone() is None:
            raise NB201_FILE.lacking(table, cell_of_number(number), NUM_CELLS)
