"""The SQLite file of NAS-Bench-201: its tables, and the rows in them.

``trials`` is sorted by epochs, dataset and cell, so that a point query is one step down the tree, and a scan of all
cells of one dataset reads neighbouring pages. The curves over epochs are large and rarely read: they are compressed in
a table of their own.
"""

from __future__ import annotations

import math
import os
import sqlite3
import sys
import threading
import zlib
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from retiarii.benchmarks._tables.cache_folder import tables_folder
from retiarii.benchmarks.nasbench201._nb201_published import PublishedCell
from retiarii.benchmarks.nasbench201._nb201_records import CURVES, DATASETS, STATISTICS
from retiarii.errors import BenchmarkError

_APPLICATION_ID = 0x6E623230  # "nb20"
_VERSION = 1
_BUILD = "Build it with: retiarii benchmarks build nasbench201 FOLDER"
_SCHEMA = f"""
CREATE TABLE cells (cell INTEGER PRIMARY KEY, published_index INTEGER NOT NULL UNIQUE);
CREATE TABLE curves (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE trials (
  num_epochs INTEGER NOT NULL, dataset INTEGER NOT NULL, cell INTEGER NOT NULL, seed INTEGER NOT NULL,
  curves INTEGER NOT NULL, {", ".join(f"{name} REAL" for name in STATISTICS)},
  PRIMARY KEY (num_epochs, dataset, cell, seed)
) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""
_INSERT = f"INSERT INTO trials VALUES ({', '.join('?' * (5 + len(STATISTICS)))})"


def table_path() -> Path:
    """Return the path of the table."""
    return tables_folder() / "nasbench201.db"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise errors of SQLite as `BenchmarkError`."""
    try:
        yield
    except sqlite3.Error as err:
        raise BenchmarkError(
            f"The table {str(path)!r} cannot be read ({err}). If it is damaged, delete it. {_BUILD}"
        ) from err


@dataclass(frozen=True)
class OpenedTable:
    """A table that is open for queries.

    Attributes:
        path: The file.
        connection: The connection.
        num_cells: How many cells it has.
        identity: The process and the file of the connection.
    """

    path: Path
    connection: sqlite3.Connection
    num_cells: int
    identity: tuple[int, str, int, int]


class _Opened(threading.local):
    """The table that queries of one thread share."""

    table: OpenedTable | None = None


_OPENED = _Opened()


def shared_table() -> OpenedTable:
    """Return this thread's open table, opened anew after a fork and when the file was replaced.

    Raises:
        BenchmarkError: There is no table, or it is damaged.
    """
    path = table_path()
    try:
        found = os.stat(path)
    except OSError:
        raise _missing(path) from None
    identity = (os.getpid(), str(path), found.st_ino, found.st_mtime_ns)
    if _OPENED.table is None or _OPENED.table.identity != identity:
        connection = open_table(path)
        with reading(path):
            _OPENED.table = OpenedTable(path, connection, num_cells(connection), identity)
    return _OPENED.table


def open_table(path: Path) -> sqlite3.Connection:
    """Open a table for reading.

    Raises:
        BenchmarkError: There is none, it is damaged or another file.
    """
    if not path.is_file():
        raise _missing(path)
    with reading(path):
        # A query may be continued by another thread than began it, where SQLite itself is safe for that.
        one_thread = sqlite3.threadsafety < 3
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=one_thread)
        _check_identity(connection, path)
    return connection


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open a table that is being built, made if it is not there.

    Raises:
        BenchmarkError: It cannot be written, is damaged or another file.
    """
    is_new = not path.exists() or not path.stat().st_size
    with reading(path):
        connection = sqlite3.connect(path)
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")  # cheap transactions
        if is_new:
            connection.executescript(_SCHEMA)
        _check_identity(connection, path)
    return connection


def add_cell(connection: sqlite3.Connection, index: int, cell: PublishedCell) -> None:
    """Write a cell with its trials, in one transaction."""
    with connection:
        connection.execute("INSERT INTO cells VALUES (?, ?)", (cell.number, index))
        for trial in cell.trials:
            row = connection.execute("INSERT INTO curves (data) VALUES (?)", (_packed(trial.curves),)).lastrowid
            key = (trial.num_epochs, DATASETS.index(trial.dataset), cell.number, trial.seed)
            connection.execute(_INSERT, (*key, row, *trial.statistics))


def finish(connection: sqlite3.Connection) -> None:
    """Write everything to the one file of the table."""
    connection.execute("PRAGMA journal_mode = DELETE")


def published_indices(connection: sqlite3.Connection) -> set[int]:
    """Return the published numbers of the cells that are there."""
    return {index for (index,) in connection.execute("SELECT published_index FROM cells")}


def num_cells(connection: sqlite3.Connection) -> int:
    """Return how many cells there are."""
    return int(connection.execute("SELECT COUNT(*) FROM cells").fetchone()[0])


def curves_of(connection: sqlite3.Connection, number: int) -> list[list[float | None]]:
    """Return the values after each epoch for each name of `CURVES`; None where there are none.

    Raises:
        BenchmarkError: They are damaged.
    """
    row = connection.execute("SELECT data FROM curves WHERE id = ?", (number,)).fetchone()
    values = array("d")
    try:
        values.frombytes(zlib.decompress(row[0]))
    except (TypeError, ValueError, zlib.error) as err:
        raise BenchmarkError(f"The curves {number} in the table are damaged ({err}). Delete it. {_BUILD}") from err
    if sys.byteorder == "big":
        values.byteswap()
    epochs = len(values) // len(CURVES)
    numbers = [None if math.isnan(value) else value for value in values]
    return [numbers[start : start + epochs] for start in range(0, epochs * len(CURVES), epochs)]


def _packed(curves: Sequence[Sequence[float | None]]) -> bytes:
    values = array("d", (math.nan if value is None else value for curve in curves for value in curve))
    if sys.byteorder == "big":
        values.byteswap()
    return zlib.compress(values.tobytes())


def _check_identity(connection: sqlite3.Connection, path: Path) -> None:
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if found != _APPLICATION_ID:
        raise BenchmarkError(f"The file {str(path)!r} is not a table of NAS-Bench-201. Move it away. {_BUILD}")
    if version != _VERSION:
        raise BenchmarkError(
            f"The table {str(path)!r} has the format {version}, expected {_VERSION}: another version of retiarii built "
            f"it. Delete it. {_BUILD}"
        )


def _missing(path: Path) -> BenchmarkError:
    return BenchmarkError(f"There is no table of NAS-Bench-201 at {str(path)!r}. {_BUILD}")
