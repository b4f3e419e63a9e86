"""`query_nb101_trial_stats`: the trials of the table that meet conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
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
    EPOCHS,
    RESULTS,
    Nb101IntermediateStats,
    Nb101TrialConfig,
    Nb101TrialStats,
)
from retiarii.errors import BenchmarkError

_FINAL = [name if name == "training_time" else f"{name} * 100" for name in RESULTS]
_HALFWAY = [f"halfway_{column}" for column in _FINAL]


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
    columns = [*_FINAL, *(_HALFWAY if include_intermediates else ())]
    if arch is None:
        table = NB101_FILE.shared()
        return _all_trials(table, _with_trainings(table, epochs), columns, is_mean=is_mean)
    cell = cell_in_space(arch)
    table = NB101_FILE.shared()
    row = find_cell(table, cell)
    if not isomorphism and cell_of_arch(arch) != cell_of_code(row.code):
        return iter(())
    return _trials_of(table, row, _with_trainings(table, epochs, row.cell), columns, is_mean=is_mean)


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
            f"{table.num_architectures:,} of {NUM_CELLS:,}. Add the others with: "
            "retiarii benchmarks build nasbench101 FOLDER"
        )
    return CellRow(*found)


@lru_cache(maxsize=65536)
def digest_of_code(code: int) -> bytes:
    """Return the hash of the cell of a code, as 16 bytes."""
    return bytes.fromhex(hash_of_cell(cell_of_code(code)))


def _with_trainings(table: OpenedTable, epochs: Sequence[int], cell: int | None = None) -> list[int]:
    """Return the numbers of epochs that a cell, or the table, has trainings of.

    Raises:
        BenchmarkError: There are none.
    """
    where, values = ("", ()) if cell is None else ("WHERE cell = ?", (cell,))
    with NB101_FILE.reading(table.path):
        found = [
            count
            for count in epochs
            if table.connection.execute(f"SELECT 1 FROM trials_{count} {where} LIMIT 1", values).fetchone()
        ]
    if not found:
        raise BenchmarkError(
            f"The table {str(table.path)!r} has no trainings of {', '.join(map(str, epochs))} epochs"
            f"{'' if cell is None else ' for this architecture'}: nasbench_only108.tfrecord has those of 108 epochs, "
            "nasbench_full.tfrecord all. Build it with: retiarii benchmarks build nasbench101 FOLDER"
        )
    return found


def _trials_of(
    table: OpenedTable, row: CellRow, epochs: Sequence[int], columns: Sequence[str], *, is_mean: bool
) -> Iterator[Nb101TrialStats]:
    selected = ", ".join(f"AVG({column})" if is_mean else column for column in columns)
    with NB101_FILE.reading(table.path):
        for count in epochs:
            statement = f"SELECT {selected} FROM trials_{count} WHERE cell = ?"
            for results in table.connection.execute(statement, (row.cell,)):
                yield _trial(row, count, results)


def _all_trials(
    table: OpenedTable, epochs: Sequence[int], columns: Sequence[str], *, is_mean: bool
) -> Iterator[Nb101TrialStats]:
    selected = ", ".join(f"AVG({column})" if is_mean else column for column in columns)
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
