"""`TrainingWriter`: writes published trainings to the table of NAS-Bench-101."""

from __future__ import annotations

import sqlite3
from array import array

from retiarii.benchmarks._tables._formats.tfrecord import RecordPosition
from retiarii.benchmarks.nasbench101._nb101_published import Nb101Training, cell_of_published
from retiarii.benchmarks.nasbench101._nb101_records import EPOCHS, NUM_SEEDS, RESULTS

_INSERTS = {epochs: f"INSERT INTO trials_{epochs} VALUES (?, ?{', ?' * (2 * len(RESULTS))})" for epochs in EPOCHS}
_NO_CELL = -1
_Row = tuple[int, int, float, float, float, float, float, float, float, float]


class TrainingWriter:
    """Adds trainings to a table, in batches.

    It keeps the hash and the code of each cell, and how many trainings there are of each configuration: about 250 bytes
    for a cell.

    Args:
        connection: The table.
        settled: The numbers of trainings from elsewhere, as `num_trainings` gives: where there are three, others are
            skipped.
    """

    def __init__(self, connection: sqlite3.Connection, settled: dict[int, bytearray]) -> None:
        self._connection = connection
        self._cells: dict[str, int] = {}
        self._codes = array("q")
        for cell, code, digest in connection.execute("SELECT cell, code, hash FROM cells ORDER BY cell"):
            self._cells[digest.hex()] = cell
            self._codes.extend([_NO_CELL] * (cell - len(self._codes)))
            self._codes.append(code)
        self._counts = num_trainings(connection)
        self._settled = settled
        self._known: tuple[str, str, str, int] = ("", "", "", -1)
        self._new_cells: list[tuple[int, int, bytes, int]] = []
        self._new_trials: dict[int, list[_Row]] = {epochs: [] for epochs in EPOCHS}

    def add(self, training: Nb101Training) -> None:
        """Add a training; skip it if its configuration is settled.

        Raises:
            ValueError: It contradicts those before.
        """
        cell, epochs = self._cell(training), training.num_epochs
        counts, settled = self._counts[epochs], self._settled.get(epochs, b"")
        if cell < len(settled) and settled[cell] == NUM_SEEDS:
            return
        repeat = counts[cell]
        if repeat == NUM_SEEDS:
            raise ValueError(f"it is a training of {epochs} epochs after {NUM_SEEDS} others of its cell")
        counts[cell] = repeat + 1
        self._new_trials[epochs].append((cell, repeat, *training.final, *training.halfway))

    def write(self, file: tuple[int, int], position: RecordPosition) -> None:
        """Write what was added, and where the published file goes on, in one transaction."""
        with self._connection as connection:
            connection.executemany("INSERT INTO cells VALUES (?, ?, ?, ?)", self._new_cells)
            for epochs, rows in self._new_trials.items():
                connection.executemany(_INSERTS[epochs], rows)
            connection.execute("DELETE FROM progress")
            connection.execute("INSERT INTO progress VALUES (?, ?, ?, ?)", (*file, position.number, position.offset))
        self._new_cells.clear()
        for rows in self._new_trials.values():
            rows.clear()

    def _cell(self, training: Nb101Training) -> int:
        known_hash, adjacency, operations, cell = self._known
        if training.hash == known_hash and training.adjacency == adjacency and training.operations == operations:
            return cell
        found = self._cells.get(training.hash)
        code = cell_of_published(training).code()
        if found is None:
            found = len(self._codes)
            self._cells[training.hash] = found
            self._codes.append(code)
            for counts in self._counts.values():
                counts.append(0)
            self._new_cells.append((found, code, bytes.fromhex(training.hash), training.parameters))
        elif self._codes[found] != code:
            raise ValueError(f"its cell has another adjacency than the records before with the hash {training.hash}")
        self._known = (training.hash, training.adjacency, training.operations, found)
        return found


def num_trainings(connection: sqlite3.Connection) -> dict[int, bytearray]:
    """Return for each number of epochs how many trainings each cell has."""
    (size,) = connection.execute("SELECT COALESCE(MAX(cell) + 1, 0) FROM cells").fetchone()
    counts = {epochs: bytearray(size) for epochs in EPOCHS}
    for epochs, of_cells in counts.items():
        for cell, count in connection.execute(f"SELECT cell, COUNT(*) FROM trials_{epochs} GROUP BY cell"):
            of_cells[cell] = count
    return counts


def progress_of(connection: sqlite3.Connection, file: tuple[int, int]) -> RecordPosition | None:
    """Return where the import of a published file goes on; None if it has not begun.

    Args:
        connection: The table.
        file: Size and modification time of the file.
    """
    row = connection.execute("SELECT number, offset FROM progress WHERE (file_size, file_time) = (?, ?)", file)
    found = row.fetchone()
    return None if found is None else RecordPosition(*found)


def drop_unfinished(connection: sqlite3.Connection) -> int:
    """Remove configurations with fewer than three trainings, and cells without any; return how many they were."""
    dropped = 0
    with connection:
        for epochs in EPOCHS:
            few = f"SELECT cell FROM trials_{epochs} GROUP BY cell HAVING COUNT(*) < {NUM_SEEDS}"
            dropped += int(connection.execute(f"SELECT COUNT(*) FROM ({few})").fetchone()[0])
            connection.execute(f"DELETE FROM trials_{epochs} WHERE cell IN ({few})")
        if dropped:
            trained = " UNION ALL ".join(f"SELECT cell FROM trials_{epochs}" for epochs in EPOCHS)
            connection.execute(f"DELETE FROM cells WHERE cell NOT IN ({trained})")
    return dropped
