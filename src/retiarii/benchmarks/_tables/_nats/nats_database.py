"""The SQLite file of a space of NATS-Bench: its tables, and the rows in them.

``trials`` is sorted by epochs, dataset and cell, so that a point query is one step down the tree, and a scan of all
cells of one dataset reads neighbouring pages. The curves over epochs are large and rarely read: they are compressed in
a table of their own. A cell is an architecture of the space, also where the space has the same cell in all of them.
"""

from __future__ import annotations

import sqlite3

from retiarii.benchmarks._tables._nats.nats_record import PublishedArchitecture
from retiarii.benchmarks._tables._nats.nats_statistics import CURVES, DATASETS, STATISTICS
from retiarii.benchmarks._tables.curve_blobs import packed_curves, unpacked_curves
from retiarii.benchmarks._tables.table_file import TableFile

_INSERT = f"INSERT INTO trials VALUES ({', '.join('?' * (5 + len(STATISTICS)))})"


def nats_file(name: str, title: str, application_id: int) -> TableFile:
    """Return the file of a space.

    Args:
        name: The name of the table on the command line.
        title: The name in messages.
        application_id: The number that marks files of this table.
    """
    return TableFile(
        name=name,
        title=title,
        application_id=application_id,
        version=1,
        schema=f"""
CREATE TABLE cells (cell INTEGER PRIMARY KEY, published_index INTEGER NOT NULL UNIQUE);
CREATE TABLE curves (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE trials (
  num_epochs INTEGER NOT NULL, dataset INTEGER NOT NULL, cell INTEGER NOT NULL, seed INTEGER NOT NULL,
  curves INTEGER NOT NULL, {", ".join(f"{column} REAL" for column in STATISTICS)},
  PRIMARY KEY (num_epochs, dataset, cell, seed)
) WITHOUT ROWID
""",
        count="SELECT COUNT(*) FROM cells",
    )


def add_architecture(connection: sqlite3.Connection, index: int, found: PublishedArchitecture) -> None:
    """Write an architecture with its trials, in one transaction."""
    with connection:
        connection.execute("INSERT INTO cells VALUES (?, ?)", (found.number, index))
        for trial in found.trials:
            row = connection.execute("INSERT INTO curves (data) VALUES (?)", (packed_curves(trial.curves),)).lastrowid
            key = (trial.num_epochs, DATASETS.index(trial.dataset), found.number, trial.seed)
            connection.execute(_INSERT, (*key, row, *trial.statistics))


def published_indices(connection: sqlite3.Connection) -> set[int]:
    """Return the published numbers of the architectures that are there."""
    return {index for (index,) in connection.execute("SELECT published_index FROM cells")}


def curves_of(file: TableFile, connection: sqlite3.Connection, number: int) -> list[list[float | None]]:
    """Return the values after each epoch for each name of `CURVES`; None where there are none.

    Raises:
        BenchmarkError: They are damaged.
    """
    row = connection.execute("SELECT data FROM curves WHERE id = ?", (number,)).fetchone()
    problem = f"The curves {number} in the table"
    return unpacked_curves(row and row[0], len(CURVES), problem, file.how_to_build)
