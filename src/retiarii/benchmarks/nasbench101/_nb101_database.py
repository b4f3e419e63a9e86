"""The SQLite file of NAS-Bench-101 and its tables.

There is a table of trials for each number of epochs, sorted by cell: a point query is one step down the tree, a scan of
all cells reads neighbouring pages, and a build only appends. Accuracies are kept as they are published, 0 to 1.
``arrays`` has the same results once more, so that tabular searches load them at once.
"""

from __future__ import annotations

import sqlite3

from retiarii.benchmarks._tables.table_file import TableFile
from retiarii.benchmarks.nasbench101._nb101_records import EPOCHS, NUM_SEEDS, RESULTS

_COLUMNS = ", ".join(f"{prefix}{name} REAL NOT NULL" for prefix in ("", "halfway_") for name in RESULTS)
_TRIALS = "".join(
    f"CREATE TABLE trials_{epochs} (cell INTEGER NOT NULL, repeat INTEGER NOT NULL, {_COLUMNS}, "
    "PRIMARY KEY (cell, repeat)) WITHOUT ROWID;"
    for epochs in EPOCHS
)

NB101_FILE = TableFile(
    name="nasbench101",
    title="NAS-Bench-101",
    application_id=0x6E623130,  # "nb10"
    version=1,
    schema=f"""
CREATE TABLE cells (
  cell INTEGER PRIMARY KEY, code INTEGER NOT NULL UNIQUE, hash BLOB NOT NULL UNIQUE, parameters INTEGER NOT NULL
);
CREATE TABLE arrays (num_epochs INTEGER PRIMARY KEY, results BLOB NOT NULL);
CREATE TABLE progress (file_size INTEGER, file_time INTEGER, number INTEGER, offset INTEGER);
{_TRIALS}
""",
    count="SELECT COUNT(*) FROM cells",
)
"""The file of the table."""


def num_configurations(connection: sqlite3.Connection, epochs: int) -> int:
    """Return how many cells have three trainings of these epochs."""
    statement = f"SELECT COUNT(*) FROM trials_{epochs} WHERE repeat = {NUM_SEEDS - 1}"
    return int(connection.execute(statement).fetchone()[0])
