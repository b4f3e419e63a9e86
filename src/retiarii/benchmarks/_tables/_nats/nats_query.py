"""`nats_trials`: the trials of a space of NATS-Bench that meet conditions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from retiarii.benchmarks._tables._nats.nats_database import curves_of
from retiarii.benchmarks._tables._nats.nats_space import NatsSpace
from retiarii.benchmarks._tables._nats.nats_statistics import COSTS, CURVES, DATASETS, STATISTICS
from retiarii.benchmarks._tables.query_arguments import chosen, means_wanted
from retiarii.benchmarks._tables.table_file import OpenedTable, TableFile


def _mean_of_column(name: str) -> str:
    """Return the SQL of a mean; costs that are equal for all seeds stay as they are, without a rounding error."""
    mean = f"AVG({name})"
    return f"CASE WHEN MIN({name}) = MAX({name}) THEN MIN({name}) ELSE {mean} END" if name in COSTS else mean


_KEYS = ("config", "seed", *STATISTICS)
_WHERE = "FROM trials WHERE num_epochs = ? AND dataset = ?"
_ALL = f"SELECT curves, cell, seed, {', '.join(STATISTICS)} {_WHERE}"
_MEANS = f"SELECT GROUP_CONCAT(curves), cell, NULL, {', '.join(map(_mean_of_column, STATISTICS))} {_WHERE}"

Config = Callable[[int, int, str], Any]
"""Returns the configuration of a trial from the architecture's number, the epochs and the dataset."""


def nats_trials(
    space: NatsSpace,
    config: Config,
    arch: Any,
    num_epochs: int | None,
    dataset: str | None,
    reduction: str | None,
    include_intermediates: bool,
) -> Iterator[dict[str, Any]]:
    """Return the trials that meet conditions, each as a dict; None is a wildcard.

    Args:
        space: The space.
        config: Makes the ``config`` of a trial.
        arch: An architecture.
        num_epochs: One of the space's epochs.
        dataset: One of `DATASETS`.
        reduction: ``"mean"`` for the means over the seeds of each configuration.
        include_intermediates: Whether to include the results after each epoch.

    Raises:
        ArchitectureError: The architecture is not in the space.
        ConfigError: Another argument has an impossible value.
        BenchmarkError: There is no table, it lacks the architecture, or it is damaged.
    """
    number = None if arch is None else space.number_of(arch)
    epochs = chosen("num_epochs", num_epochs, space.epochs)
    datasets = chosen("dataset", dataset, DATASETS)
    is_mean = means_wanted(reduction)
    table = space.file.shared()
    if number is not None and table.num_architectures < space.num_architectures:
        _check_is_there(space, table, number)
    configs = [(count, name) for count in epochs for name in datasets]
    return _trials(space.file, config, table, configs, number, is_mean, include_intermediates)


def _trials(
    file: TableFile,
    config: Config,
    table: OpenedTable,
    configs: Sequence[tuple[int, str]],
    number: int | None,
    is_mean: bool,
    include_intermediates: bool,
) -> Iterator[dict[str, Any]]:
    statement = _MEANS if is_mean else _ALL
    statement += " AND cell = ?" if number is not None else ""
    statement += " GROUP BY cell" if is_mean else ""
    with file.reading(table.path):
        for count, name in configs:
            values = (count, DATASETS.index(name), *(() if number is None else (number,)))
            for curves, cell, *rest in table.connection.execute(statement, values):
                trial = dict(zip(_KEYS, (config(cell, count, name), *rest), strict=True))
                if include_intermediates:
                    trial["intermediates"] = _intermediates(file, table.connection, curves)
                yield trial


def _intermediates(file: TableFile, connection: sqlite3.Connection, curves: int | str) -> list[dict[str, Any]]:
    """Return the results after each epoch, averaged over the curves of several trials."""
    of_trials = [curves_of(file, connection, int(number)) for number in str(curves).split(",")]
    columns = [[_mean(values) for values in zip(*of_seeds, strict=True)] for of_seeds in zip(*of_trials, strict=True)]
    return [
        {"current_epoch": epoch, **dict(zip(CURVES, values, strict=True))}
        for epoch, values in enumerate(zip(*columns, strict=True), start=1)
        if any(value is not None for value in values)
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _check_is_there(space: NatsSpace, table: OpenedTable, number: int) -> None:
    with space.file.reading(table.path):
        if table.connection.execute("SELECT 1 FROM cells WHERE cell = ?", (number,)).fetchone() is None:
            raise space.file.lacking(table, space.architecture(number), space.num_architectures)
