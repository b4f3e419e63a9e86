"""`Nb201Table`: build, verify and describe the table of NAS-Bench-201."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from retiarii.benchmarks._tables.benchmark_table import BenchmarkTable, BuildReport, TableStatus
from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tables.published_files import PublishedFile, published_files
from retiarii.benchmarks.nasbench201._cell_codes import NUM_CELLS
from retiarii.benchmarks.nasbench201._nb201_database import NB201_FILE, add_cell, curves_of, published_indices
from retiarii.benchmarks.nasbench201._nb201_published import read_cell
from retiarii.benchmarks.nasbench201._nb201_records import CURVES, DATASETS, EPOCHS
from retiarii.errors import BenchmarkError

_BEST_TEST = {"cifar10": 94.3733, "cifar100": 73.5133, "imagenet16-120": 47.3111}
"""The best mean test accuracies after 200 epochs of the published table."""


class Nb201Table(BenchmarkTable):
    """The table of NAS-Bench-201: 15,625 cells, 4 datasets, 12 and 200 epochs, up to 3 seeds.

    Reference:
        Dong and Yang (2020), arXiv:2001.00326; the files are those of NATS-Bench (Dong et al., 2021),
        arXiv:2009.00437, topology space.
    """

    name = "nasbench201"
    title = "NAS-Bench-201"
    num_architectures = NUM_CELLS
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

    def status(self) -> TableStatus:
        """Return what is there.

        Raises:
            BenchmarkError: The file is damaged, or is not a table of this package.
        """
        return NB201_FILE.status(NUM_CELLS)

    def build(
        self, source: Path, *, partial: bool = False, on_progress: Callable[[int, int], None] | None = None
    ) -> BuildReport:
        """Import the published records into the table.

        Records are written to a file beside the table, which replaces the table at the end. After an interruption, the
        same call continues there. One record is in memory at a time.

        Args:
            source: The folder of the topology space, its archive or a single record.
            partial: Whether to make a table of fewer than 15,625 cells.
            on_progress: Called after each file, with the number of files so far and in all.

        Raises:
            BenchmarkError: A file is damaged, malicious or of another benchmark, cells are missing, or another process
                is building the table. The present table is left as it is.
        """
        with NB201_FILE.building():
            return _build(Path(source).expanduser(), NB201_FILE.path, partial=partial, on_progress=on_progress)

    def verify(self) -> list[str]:
        """Read the whole table, and return its problems.

        Raises:
            BenchmarkError: There is no table.
        """
        with closing(NB201_FILE.open()) as connection, NB201_FILE.reading():
            if damage := NB201_FILE.damage(connection):
                return damage
            problems = [*_gaps(connection), *_wrong_curves(connection)]
            if NB201_FILE.count_in(connection) == NUM_CELLS:
                found = _best(connection)
                problems += [
                    f"the best mean test accuracy on {dataset} is {found[dataset]:.4f}, published is {known}"
                    for dataset, known in _BEST_TEST.items()
                    if abs(found[dataset] - known) > 1e-4
                ]
            return problems

    def best(self) -> Mapping[str, float]:
        """Return the best mean test accuracy after 200 epochs on each dataset.

        Raises:
            BenchmarkError: There is no table, or it is damaged.
        """
        with closing(NB201_FILE.open()) as connection, NB201_FILE.reading():
            return {f"best test accuracy on {name}": value for name, value in _best(connection).items()}


def _build(source: Path, path: Path, *, partial: bool, on_progress: Callable[[int, int], None] | None) -> BuildReport:
    if path.is_file() and NB201_FILE.count_at(path) == NUM_CELLS:
        return BuildReport(path, 0, NUM_CELLS, NUM_CELLS)
    files, total = published_files(source)
    working = NB201_FILE.working
    with closing(_continued(path, working)) as connection, NB201_FILE.reading(working):
        known, num_added = published_indices(connection), 0
        num_before = len(known)
        for count, file in enumerate(files, start=1):
            if file.index not in known:
                _add(connection, file)
                known.add(file.index)
                num_added += 1
            if on_progress is not None:
                on_progress(count, total or NUM_CELLS)
        num_now, problems = NB201_FILE.count_in(connection), _gaps(connection)
        NB201_FILE.finish(connection)
    if problems:
        raise BenchmarkError(f"The new table {str(working)!r} is wrong: {problems[0]}. Delete it and build again.")
    if num_now < NUM_CELLS and not partial:
        raise BenchmarkError(
            f"{str(source)!r} gives {num_now:,} of {NUM_CELLS:,} architectures, which are kept in {str(working)!r}. "
            "Build again with the folder of the others, or with --partial for a table of these."
        )
    os.replace(working, path)
    return BuildReport(path, num_added, num_before, num_now)


def _add(connection: sqlite3.Connection, file: PublishedFile) -> None:
    cell = read_cell(file)
    try:
        add_cell(connection, file.index, cell)
    except (OverflowError, sqlite3.IntegrityError) as err:
        raise BenchmarkError(
            f"{file.name} does not fit the other records ({err}): each file has another cell, and trainings with "
            "different seeds. Download the file again."
        ) from err


def _continued(path: Path, working: Path) -> sqlite3.Connection:
    """Open the file of a build: that of an interrupted build, a copy of a partial table, or a new one."""
    if path.is_file() and not working.is_file():
        unfinished = working.with_name(f"{working.name}.copy")
        unfinished.unlink(missing_ok=True)
        with (
            closing(NB201_FILE.open(path)) as present,
            closing(sqlite3.connect(unfinished)) as copy,
            NB201_FILE.reading(path),
        ):
            present.backup(copy)
        os.replace(unfinished, working)
    return NB201_FILE.open_to_write(working)


def _gaps(connection: sqlite3.Connection) -> list[str]:
    """Return a line for each configuration that a cell lacks trials of."""
    expected = NB201_FILE.count_in(connection)
    problems = []
    for epochs in EPOCHS:
        for code, dataset in enumerate(DATASETS):
            statement = "SELECT COUNT(DISTINCT cell) FROM trials WHERE num_epochs = ? AND dataset = ?"
            (found,) = connection.execute(statement, (epochs, code)).fetchone()
            if found != expected:
                problems.append(f"{found:,} of {expected:,} cells have trials of {epochs} epochs on {dataset}")
    return problems


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


def _best(connection: sqlite3.Connection) -> dict[str, float]:
    statement = (
        "SELECT MAX(mean) FROM (SELECT AVG(test_acc) AS mean FROM trials "
        "WHERE num_epochs = 200 AND dataset = ? GROUP BY cell)"
    )
    found = {name: connection.execute(statement, (DATASETS.index(name),)).fetchone()[0] for name in _BEST_TEST}
    return {name: value for name, value in found.items() if value is not None}
