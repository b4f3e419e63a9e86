"""`Nb201Table`: build, verify and describe the table of NAS-Bench-201."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tables.published_files import PublishedFile, published_files
from retiarii.benchmarks._tables.sqlite_table import SqliteTable
from retiarii.benchmarks.nasbench201._cell_codes import NUM_CELLS
from retiarii.benchmarks.nasbench201._nb201_database import NB201_FILE, add_cell, curves_of, published_indices
from retiarii.benchmarks.nasbench201._nb201_published import read_cell
from retiarii.benchmarks.nasbench201._nb201_records import CURVES, DATASETS, EPOCHS
from retiarii.errors import BenchmarkError

_BEST_TEST = {"cifar10": 94.3733, "cifar100": 73.5133, "imagenet16-120": 47.3111}
"""The best mean test accuracies after 200 epochs of the published table."""


class Nb201Table(SqliteTable):
    """The table of NAS-Bench-201: 15,625 cells, 4 datasets, 12 and 200 epochs, up to 3 seeds.

    Reference:
        Dong and Yang (2020), arXiv:2001.00326; the files are those of NATS-Bench (Dong et al., 2021),
        arXiv:2009.00437, topology space.
    """

    name = "nasbench201"
    title = "NAS-Bench-201"
    num_architectures = NUM_CELLS
    file = NB201_FILE
    facts = MappingProxyType(
        {
            "paper": "Dong and Yang (2020), arXiv:2001.00326; NATS-Bench, arXiv:2009.00437 (topology space)",
            "files": "NATS-tss-v1_0-3ffb9-simple (folder or tar), from https://github.com/D-X-Y/NATS-Bench",
            "licence": "MIT",
            "datasets": ", ".join(DATASETS),
            "epochs": " and ".join(map(str, EPOCHS)),
        }
    )
    downloads = (
        Download(
            "NATS-tss-v1_0-3ffb9-simple.tar",
            by_hand="Open https://drive.google.com/file/d/17_saCsj_krKjlCBLOJEpNtzPXArMCqxU/view in a browser. It is "
            "the address in https://github.com/D-X-Y/NATS-Bench; Google Drive asks before it gives large files.",
        ),
    )

    def _import(
        self, source: Path, connection: sqlite3.Connection, on_progress: Callable[[int, int], None] | None
    ) -> None:
        files, total = published_files(source)
        known = published_indices(connection)
        for count, file in enumerate(files, start=1):
            if file.index not in known:
                _add(connection, file)
                known.add(file.index)
            if on_progress is not None:
                on_progress(count, total or NUM_CELLS)

    def _gaps(self, connection: sqlite3.Connection, *, partial: bool) -> list[str]:
        del partial  # each record has all configurations of its cell
        expected = self.file.count_in(connection)
        problems = []
        for epochs in EPOCHS:
            for code, dataset in enumerate(DATASETS):
                statement = "SELECT COUNT(DISTINCT cell) FROM trials WHERE num_epochs = ? AND dataset = ?"
                (found,) = connection.execute(statement, (epochs, code)).fetchone()
                if found != expected:
                    problems.append(f"{found:,} of {expected:,} cells have trials of {epochs} epochs on {dataset}")
        return problems

    def _wrong_values(self, connection: sqlite3.Connection) -> list[str]:
        problems = _wrong_curves(connection)
        if self.file.count_in(connection) == NUM_CELLS:
            found = _best_test(connection)
            problems += [
                f"the best mean test accuracy on {dataset} is {found[dataset]:.4f}, published is {known}"
                for dataset, known in _BEST_TEST.items()
                if abs(found[dataset] - known) > 1e-4
            ]
        return problems

    def _best(self, connection: sqlite3.Connection) -> dict[str, float]:
        return {f"best test accuracy on {name}": value for name, value in _best_test(connection).items()}


def _add(connection: sqlite3.Connection, file: PublishedFile) -> None:
    cell = read_cell(file)
    try:
        add_cell(connection, file.index, cell)
    except (OverflowError, sqlite3.IntegrityError) as err:
        raise BenchmarkError(
            f"{file.name} does not fit the other records ({err}): each file has another cell, and trainings with "
            "different seeds. Download the file again."
        ) from err


def _wrong_curves(connection: sqlite3.Connection) -> list[str]:
    """Return a line for each trial whose curves are damaged or do not end with its results."""
    problems = []
    columns = ", ".join(CURVES)
    for number, cell, *final in connection.execute(f"SELECT curves, cell, {columns} FROM trials"):
        try:
            ends = [curve[-1] for curve in curves_of(connection, number)]
        except BenchmarkError as err:
            problems.append(str(err))
        else:
            if ends != final:
                problems.append(f"the curves of a trial of cell {cell} end with {ends}, its results are {final}")
    return problems


def _best_test(connection: sqlite3.Connection) -> dict[str, float]:
    statement = (
        "SELECT MAX(mean) FROM (SELECT AVG(test_acc) AS mean FROM trials "
        "WHERE num_epochs = 200 AND dataset = ? GROUP BY cell)"
    )
    found = {name: connection.execute(statement, (DATASETS.index(name),)).fetchone()[0] for name in _BEST_TEST}
    return {name: value for name, value in found.items() if value is not None}
