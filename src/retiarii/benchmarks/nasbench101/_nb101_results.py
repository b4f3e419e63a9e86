"""`nb101_results`: the results of all cells in the table, as arrays for tabular searches."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retiarii.benchmarks._tabular.result_table import Numbers, ResultTable
from retiarii.benchmarks.nasbench101._nb101_cells import NUM_CELLS, arch_of_cell
from retiarii.benchmarks.nasbench101._nb101_database import NB101_FILE, num_configurations
from retiarii.benchmarks.nasbench101._nb101_query import digest_of_code
from retiarii.benchmarks.nasbench101._nb101_records import ACCURACIES, EPOCHS, NUM_SEEDS, RESULTS
from retiarii.benchmarks.nasbench101._nb101_space import cell_of_architecture
from retiarii.errors import BenchmarkError
from retiarii.space import Architecture


def nb101_results() -> ResultTable:
    """Return the results of all cells, read once for each state of the file.

    Accuracies are from 0 to 1 as in the published file, parameters in millions, times in seconds.

    Raises:
        BenchmarkError: There is no table, or it is damaged.
    """
    path = NB101_FILE.path
    return _read(path, path.stat().st_mtime_ns if NB101_FILE.is_there(path) else 0)


@lru_cache(maxsize=1)
def _read(path: Path, changed: int) -> ResultTable:
    del changed  # it tells states of the file apart
    with closing(NB101_FILE.open(path)) as connection, NB101_FILE.reading(path):
        cells = connection.execute("SELECT code, hash, parameters FROM cells ORDER BY cell").fetchall()
        epochs = [number for (number,) in connection.execute("SELECT num_epochs FROM arrays ORDER BY num_epochs")]
        results = np.empty((len(RESULTS), len(cells), len(epochs), NUM_SEEDS))
        for stage, number in enumerate(epochs):
            query = "SELECT results FROM arrays WHERE num_epochs = ?"
            results[:, :, stage] = _unpacked(connection.execute(query, (number,)).fetchone()[0], len(cells))
    codes, digests, parameters = zip(*cells, strict=True)
    metrics = dict(zip(ACCURACIES, results, strict=False))
    millions = np.array(parameters, np.float64) / 1e6
    metrics["parameters"] = np.broadcast_to(millions[:, None, None], results[0].shape)
    seconds = results[RESULTS.index("training_time")].mean(axis=2)
    amounts = tuple(map(float, epochs))
    return ResultTable(CellRows(np.array(codes, np.int64), digests), metrics, amounts, "epochs", seconds)


def _unpacked(packed: bytes, num_cells: int) -> Numbers:
    """Return the results of one number of epochs, ``[statistics, cells, seeds]``.

    Raises:
        BenchmarkError: They are damaged.
    """
    try:
        return np.frombuffer(packed, "<f8").reshape(len(RESULTS), num_cells, NUM_SEEDS)
    except ValueError as err:
        raise BenchmarkError(
            f"The arrays in the table {str(NB101_FILE.path)!r} are damaged ({err}). Delete it. "
            f"{NB101_FILE.how_to_build}"
        ) from err


def pack_arrays(connection: sqlite3.Connection) -> None:
    """Keep the results of all trials as arrays, too, from which `nb101_results` reads them in a moment."""
    numbers = _numbers(connection)
    with connection:
        connection.execute("DELETE FROM arrays")
        for epochs in EPOCHS:
            if num_configurations(connection, epochs):
                packed = _of_trials(connection, epochs, numbers).astype("<f8").tobytes()
                connection.execute("INSERT INTO arrays VALUES (?, ?)", (epochs, packed))


def wrong_arrays(connection: sqlite3.Connection) -> list[int]:
    """Return the numbers of epochs whose arrays are not the results of the trials."""
    numbers, kept = _numbers(connection), dict(connection.execute("SELECT * FROM arrays").fetchall())
    return [
        epochs
        for epochs in EPOCHS
        if (kept.get(epochs) is not None or num_configurations(connection, epochs))
        and kept.get(epochs) != _of_trials(connection, epochs, numbers).astype("<f8").tobytes()
    ]


def _numbers(connection: sqlite3.Connection) -> NDArray[np.int64]:
    return np.fromiter(chain.from_iterable(connection.execute("SELECT cell FROM cells ORDER BY cell")), np.int64)


def _of_trials(connection: sqlite3.Connection, epochs: int, numbers: NDArray[np.int64]) -> Numbers:
    """Return the results of trainings, ``[statistics, cells, seeds]``, NaN where there are none."""
    rows = connection.execute(f"SELECT cell, repeat, {', '.join(RESULTS)} FROM trials_{epochs}")
    found = np.fromiter(chain.from_iterable(rows), np.float64).reshape(-1, 2 + len(RESULTS))
    results = np.full((len(RESULTS), len(numbers), NUM_SEEDS), np.nan)
    results[:, np.searchsorted(numbers, found[:, 0].astype(np.int64)), found[:, 1].astype(np.int64)] = found[:, 2:].T
    return results


class CellRows:
    """Finds the row of a cell, under any numbering of its vertices.

    Args:
        codes: The code of each cell, by its row.
        digests: The hash of each cell, as 16 bytes.
    """

    def __init__(self, codes: NDArray[np.int64], digests: Sequence[bytes]) -> None:
        self._by_code = np.argsort(codes)
        self._codes = codes[self._by_code]
        heads = np.frombuffer(b"".join(digests), "<u8")[::2]  # no two of the 423,624 are the same
        self._by_hash = np.argsort(heads)
        self._heads = heads[self._by_hash]

    def __call__(self, architecture: Architecture) -> int:
        """Return the row.

        Raises:
            ArchitectureError: The architecture is no valid cell.
            BenchmarkError: The table lacks the cell.
        """
        cell = cell_of_architecture(architecture)
        code = cell.code()
        place = int(self._codes.searchsorted(code))
        if place < len(self._codes) and self._codes[place] == code:
            return int(self._by_code[place])
        head = np.frombuffer(digest_of_code(code), "<u8")[0]
        place = int(self._heads.searchsorted(head))
        if place < len(self._heads) and self._heads[place] == head:
            return int(self._by_hash[place])
        raise BenchmarkError(
            f"The table of NAS-Bench-101 does not have the architecture {arch_of_cell(cell)!r}: it has "
            f"{len(self._codes):,} of {NUM_CELLS:,}. {NB101_FILE.how_to_build}"
        )
