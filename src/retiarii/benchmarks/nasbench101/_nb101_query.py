"""`query_nb101_trial_stats`: the trials of the table that meet conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple, cast

from retiarii.benchmarks._tables.query_arguments import chosen, means_wanted
from retiarii.benchmarks._tables.table_file import OpenedTable
from retiarii.benchmarks.nasbench101._nb101_cells import (
    NUM_CELLS,
    CellGraph,
    arch_of_cell,
    cell_in_space,
    cell_of_arch,
    cell_of_code,
)
from retiarii.benchmarks.nasbench101._nb101_database import NB101_FILE
from retiarii.benchmarks.nasbench101._nb101_hash import hash_of_cell
from retiarii.benchmarks.nasbench101._nb101_records import (
    ACCURACIES,
    EPOCHS,
    RESULTS,
    Nb101IntermediateStats,
    Nb101TrialConfig,
    Nb101TrialStats,
)
from retiarii.errors import BenchmarkError


class CellRow(NamedTuple):
    """A cell in the table.

    Attributes:
        cell: Its number in the table.
        code: The code of its graph.
        hash: Its published hash.
        parameters: Its trainable parameters.
    """

    cell: int
    code: int
    hash: bytes
    parameters: int


def query_nb101_trial_stats(
    arch: Mapping[str, Any] | None,
    num_epochs: int | None,
    isomorphism: bool = True,
    reduction: str | None = None,
    include_intermediates: bool = False,
) -> Iterator[Nb101TrialStats]:
    """Return the trials of NAS-Bench-101 that meet conditions, each as a dict.

    Args:
        arch: The cell, as in `Nb101TrialConfig`; None for all. Vertices are numbered along the edges.
        num_epochs: 4, 12, 36 or 108; None for all.
        isomorphism: Whether to find the cell under any numbering of its vertices, and with vertices that are on no path
            from input to output, which make no difference. Otherwise only the very dict that the table has is found.
        reduction: ``"mean"`` for the means over the three trainings of each configuration, None or ``"none"`` for all
            trials.
        include_intermediates: Whether to include the results halfway and at the end of the trainings.

    Returns:
        An iterator over the trials, sorted by epochs.

    Raises:
        ArchitectureError: The architecture is not in the space.
        ConfigError: Another argument has an impossible value.
        BenchmarkError: There is no table, it lacks the architecture or the number of epochs, or it is damaged.

    Examples:
        >>> arch = {"op1": CONV3X3_BN_RELU, "input1": [0], "input2": [0, 1]}
        >>> (trial,) = query_nb101_trial_stats(arch, 108, reduction="mean")
        >>> trial["test_acc"]
    """
    epochs = chosen("num_epochs", num_epochs, EPOCHS)
    is_mean = means_wanted(reduction)
    if arch is None:
        table = NB101_FILE.shared()
        return _all_trials(table, _trained(table, epochs), _selected(is_mean, include_intermediates), is_mean)
    cell = cell_in_space(arch)
    table = NB101_FILE.shared()
    row = find_cell(table, cell)
    if not isomorphism and cell_of_arch(arch) != cell_of_code(row.code):
        return _trials_of(row, ())
    return _trials_of(row, _results_of(table, row, epochs, _selected(is_mean, include_intermediates)))


def find_cell(table: OpenedTable, cell: CellGraph) -> CellRow:
    """Return the cell in the table that is isomorphic to a pruned cell.

    Raises:
        BenchmarkError: There is none.
    """
    with NB101_FILE.reading(table.path):
        code = cell.code()
        found = table.connection.execute("SELECT * FROM cells WHERE code = ?", (code,)).fetchone()
        if found is None:
            digest = digest_of_code(code)
            found = table.connection.execute("SELECT * FROM cells WHERE hash = ?", (digest,)).fetchone()
    if found is None:
        raise BenchmarkError(
            f"The table {str(table.path)!r} does not have the architecture {arch_of_cell(cell)!r}: it has "
            f"{table.num_architectures:,} of {NUM_CELLS:,}. {NB101_FILE.how_to_build}"
        )
    return CellRow(*found)


@lru_cache(maxsize=65536)
def digest_of_code(code: int) -> bytes:
    """Return the hash of the cell of a code, as 16 bytes."""
    return bytes.fromhex(hash_of_cell(cell_of_code(code)))


@cache
def _selected(is_mean: bool, include_intermediates: bool) -> str:
    """Return the SQL of the results: accuracies from 0 to 100."""
    columns = [f"{name} * 100" if name in ACCURACIES else name for name in RESULTS]
    columns += [f"halfway_{column}" for column in columns] if include_intermediates else []
    return ", ".join(f"AVG({column})" if is_mean else column for column in columns)


def _results_of(
    table: OpenedTable, row: CellRow, epochs: Sequence[int], selected: str
) -> list[tuple[int, Sequence[float]]]:
    """Return the results of a cell, each with its number of epochs.

    Raises:
        BenchmarkError: There are none.
    """
    found = []
    with NB101_FILE.reading(table.path):
        for count in epochs:
            statement = f"SELECT {selected} FROM trials_{count} WHERE cell = ?"
            rows = table.connection.execute(statement, (row.cell,)).fetchall()
            found += [(count, results) for results in rows if results[0] is not None]  # means of nothing
    if not found:
        raise _untrained(table, epochs, "this architecture has")
    return found


def _trained(table: OpenedTable, epochs: Sequence[int]) -> list[int]:
    """Return the numbers of epochs that the table has trainings of.

    Raises:
        BenchmarkError: There are none.
    """
    with NB101_FILE.reading(table.path):
        found = [count for count in epochs if table.connection.execute(f"SELECT 1 FROM trials_{count}").fetchone()]
    if not found:
        raise _untrained(table, epochs, "it has")
    return found


def _untrained(table: OpenedTable, epochs: Sequence[int], subject: str) -> BenchmarkError:
    return BenchmarkError(
        f"In the table {str(table.path)!r}, {subject} no trainings of {', '.join(map(str, epochs))} epochs. "
        f"nasbench_only108.tfrecord has those of 108 epochs, nasbench_full.tfrecord all. {NB101_FILE.how_to_build}"
    )


def _trials_of(row: CellRow, found: Sequence[tuple[int, Sequence[float]]]) -> Iterator[Nb101TrialStats]:
    for count, results in found:
        yield _trial(row, count, results)


def _all_trials(table: OpenedTable, epochs: Sequence[int], selected: str, is_mean: bool) -> Iterator[Nb101TrialStats]:
    grouped = "GROUP BY t.cell" if is_mean else ""
    with NB101_FILE.reading(table.path):
        for count in epochs:
            statement = f"SELECT c.*, {selected} FROM trials_{count} t CROSS JOIN cells c USING (cell) {grouped}"
            for cell, code, digest, parameters, *results in table.connection.execute(statement):
                yield _trial(CellRow(cell, code, digest, parameters), count, results)


def _trial(row: CellRow, num_epochs: int, results: Sequence[float]) -> Nb101TrialStats:
    train, valid, test, seconds, *halfway = results
    cell = cell_of_code(row.code)
    config: Nb101TrialConfig = {
        "arch": arch_of_cell(cell),
        "num_vertices": cell.num_vertices,
        "hash": row.hash.hex(),
        "num_epochs": num_epochs,
    }
    trial: Nb101TrialStats = {
        "config": config,
        "train_acc": train,
        "valid_acc": valid,
        "test_acc": test,
        "parameters": row.parameters / 1e6,
        "training_time": seconds,
    }
    if halfway:
        trial["intermediates"] = [
            _intermediate(num_epochs // 2, halfway),
            _intermediate(num_epochs, (train, valid, test, seconds)),
        ]
    return trial


def _intermediate(epoch: int, results: Sequence[float]) -> Nb101IntermediateStats:
    return cast("Nb101IntermediateStats", {"current_epoch": epoch, **dict(zip(RESULTS, results, strict=True))})
