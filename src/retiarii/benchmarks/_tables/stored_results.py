"""`stored_results`: the rows of an SQLite file as a `ResultTable`, read once for each state of the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from retiarii.benchmarks._tables.table_file import TableFile
from retiarii.benchmarks._tabular.numbered_rows import numbered_table
from retiarii.benchmarks._tabular.result_table import ResultTable
from retiarii.space import Architecture


def stored_results(
    file: TableFile,
    statement: str,
    dataset: int | None,
    number_of: Callable[[Architecture], int],
    num_architectures: int,
    groups: Mapping[str, int],
) -> ResultTable:
    """Return results of numbered architectures, see `numbered_table`. The same state of the file gives the same object.

    Args:
        file: The file.
        statement: The SQL that selects the number of each architecture and its values.
        dataset: The parameter of the statement; None if it has none.
        number_of: Returns the number of an architecture; the same function in each call.
        num_architectures: How many numbers there are.
        groups: How many values each metric has, in the order of the columns.

    Raises:
        BenchmarkError: There is no table, or it is damaged.
    """
    path = file.path
    changed = path.stat().st_mtime_ns if file.is_there(path) else 0
    return _read(file, statement, dataset, number_of, num_architectures, tuple(groups.items()), path, changed)


@lru_cache(maxsize=16)
def _read(
    file: TableFile,
    statement: str,
    dataset: int | None,
    number_of: Callable[[Architecture], int],
    num_architectures: int,
    groups: tuple[tuple[str, int], ...],
    path: Path,
    changed: int,
) -> ResultTable:
    with closing(file.open(path)) as connection, file.reading(path):
        rows = connection.execute(statement, () if dataset is None else (dataset,)).fetchall()
    return numbered_table(number_of, num_architectures, rows, dict(groups))
