"""`NatsTable`: build and verify the table of a space of NATS-Bench."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from retiarii.benchmarks._tables._formats.published_files import PublishedFile, published_files
from retiarii.benchmarks._tables._nats.nats_database import add_architecture, curves_of, published_indices
from retiarii.benchmarks._tables._nats.nats_record import read_architecture
from retiarii.benchmarks._tables._nats.nats_space import NatsSpace
from retiarii.benchmarks._tables._nats.nats_statistics import CURVES, DATASETS
from retiarii.benchmarks._tables.sqlite_table import SqliteTable
from retiarii.benchmarks._tables.table_file import TableFile
from retiarii.errors import BenchmarkError
from retiarii.space import Architecture

if TYPE_CHECKING:
    from retiarii.benchmarks._tabular.result_table import ResultTable


class NatsTable(SqliteTable):
    """A table that is built from the records of a space of NATS-Bench, one record in memory at a time.

    Attributes:
        nats: The space.
        labels: The labels of architectures, by their keys in queries.
        known_best_test: The best mean test accuracy of the complete table after the longest training, by dataset, as
            far as it is published.
        known_mean_test: The mean of all architectures instead, likewise.
    """

    nats: ClassVar[NatsSpace]
    labels: ClassVar[Mapping[str, str]]
    known_best_test: ClassVar[dict[str, float]] = {}
    known_mean_test: ClassVar[dict[str, float]] = {}
    datasets = ("cifar10", "cifar100", "imagenet16-120", "cifar10-valid")
    metric = "valid_acc"

    def table(self, dataset: str) -> ResultTable:
        """Return the results on one dataset, with the metrics that queries return.

        On ``"cifar10"``, test results are those of trainings on all 50,000 images, and everything else is of trainings
        on one half of them (``"cifar10-valid"``), as in the searches of NATS-Bench.

        Raises:
            BenchmarkError: There is no table, or it is damaged.
        """
        from retiarii.benchmarks._tables._nats.nats_results import nats_results  # slow to import, unlike queries

        return nats_results(self.nats, type(self)._row_of, dataset)

    @classmethod
    def _row_of(cls, architecture: Architecture) -> int:
        return cls.nats.number_of({key: architecture.get(label) for key, label in cls.labels.items()})

    def _import(
        self, source: Path, connection: sqlite3.Connection, on_progress: Callable[[int, int], None] | None
    ) -> None:
        files, total = published_files(source, self.nats.folder)
        known = published_indices(connection)
        for count, file in enumerate(files, start=1):
            if file.index not in known:
                self._add(connection, file)
                known.add(file.index)
            if on_progress is not None:
                on_progress(count, total or self.num_architectures)

    def _add(self, connection: sqlite3.Connection, file: PublishedFile) -> None:
        found = read_architecture(file, self.nats)
        try:
            add_architecture(connection, file.index, found)
        except (OverflowError, sqlite3.IntegrityError) as err:
            raise BenchmarkError(
                f"{file.name} does not fit the other records ({err}): each file has another cell, and trainings with "
                "different seeds. Download the file again."
            ) from err

    def _gaps(self, connection: sqlite3.Connection, *, partial: bool) -> list[str]:
        del partial  # each record has all configurations of its cell
        expected = self.file.count_in(connection)
        problems = []
        for epochs in self.nats.epochs:
            for code, dataset in enumerate(DATASETS):
                statement = "SELECT COUNT(DISTINCT cell) FROM trials WHERE num_epochs = ? AND dataset = ?"
                (found,) = connection.execute(statement, (epochs, code)).fetchone()
                if found != expected:
                    problems.append(f"{found:,} of {expected:,} cells have trials of {epochs} epochs on {dataset}")
        return problems

    def _wrong_values(self, connection: sqlite3.Connection) -> list[str]:
        problems = _wrong_curves(self.file, connection)
        if self.file.count_in(connection) == self.num_architectures:
            for word, reduction, known, places in (
                ("best mean", "MAX", self.known_best_test, 4),
                ("average", "AVG", self.known_mean_test, 2),
            ):
                found = self._test_accuracies(connection, reduction)
                problems += [
                    f"the {word} test accuracy on {dataset} is {found[dataset]:.{places}f}, published is {value}"
                    for dataset, value in known.items()
                    if abs(found[dataset] - value) > 10.0**-places
                ]
        return problems

    def _best(self, connection: sqlite3.Connection) -> dict[str, float]:
        return {
            f"best test accuracy on {name}": value for name, value in self._test_accuracies(connection, "MAX").items()
        }

    def _test_accuracies(self, connection: sqlite3.Connection, reduction: str) -> dict[str, float]:
        statement = (
            f"SELECT {reduction}(mean) FROM (SELECT AVG(test_acc) AS mean FROM trials "
            "WHERE num_epochs = ? AND dataset = ? GROUP BY cell)"
        )
        values = {
            name: connection.execute(statement, (self.nats.epochs[-1], code)).fetchone()[0]
            for code, name in enumerate(DATASETS)
            if name != "cifar10-valid"
        }
        return {name: value for name, value in values.items() if value is not None}


def _wrong_curves(file: TableFile, connection: sqlite3.Connection) -> list[str]:
    """Return a line for each trial whose curves are damaged or do not end with its results."""
    problems = []
    columns = ", ".join(CURVES)
    for number, cell, *final in connection.execute(f"SELECT curves, cell, {columns} FROM trials"):
        try:
            ends = [curve[-1] for curve in curves_of(file, connection, number)]
        except BenchmarkError as err:
            problems.append(str(err))
        else:
            if ends != final:
                problems.append(f"the curves of a trial of cell {cell} end with {ends}, its results are {final}")
    return problems
