"""`Nb101Table`: build, verify and describe the table of NAS-Bench-101."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tables.sqlite_table import SqliteTable
from retiarii.benchmarks.nasbench101._nb101_cells import NUM_CELLS, cell_of_code
from retiarii.benchmarks.nasbench101._nb101_database import NB101_FILE, num_configurations
from retiarii.benchmarks.nasbench101._nb101_hash import hash_of_cell
from retiarii.benchmarks.nasbench101._nb101_records import ACCURACIES, EPOCHS, NUM_SEEDS
from retiarii.errors import BenchmarkError

if TYPE_CHECKING:
    from retiarii.benchmarks._tabular.result_table import ResultTable
    from retiarii.space import SearchSpace

_FILES = ("nasbench_full.tfrecord", "nasbench_only108.tfrecord")
_EXPECTED = " or ".join(_FILES)
_ADDRESS = "https://storage.googleapis.com/nasbench/"
_BEST = {"valid_acc": 0.95055423, "test_acc": 0.94317575}
"""The best mean accuracies after 108 epochs of the published table, as its users report them."""


class Nb101Table(SqliteTable):
    """The table of NAS-Bench-101: 423,624 cells on CIFAR-10, 4, 12, 36 and 108 epochs, 3 trainings each.

    Reference:
        Ying et al. (2019), arXiv:1902.09635. The best mean accuracies that `verify` compares are those of
        https://github.com/automl/nas_benchmarks (``tabular_benchmarks/nas_cifar10.py``).
    """

    name = "nasbench101"
    title = "NAS-Bench-101"
    num_architectures = NUM_CELLS
    file = NB101_FILE
    progress_unit = "MB"
    facts = MappingProxyType(
        {
            "paper": "Ying et al. (2019), arXiv:1902.09635",
            "files": f"{_EXPECTED}, from https://github.com/google-research/nasbench",
            "licence": "Apache-2.0",
            "datasets": "cifar10",
            "epochs": ", ".join(map(str, EPOCHS)),
        }
    )
    downloads = (
        Download(
            _FILES[0],
            url=_ADDRESS + _FILES[0],
            sha256="3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
        ),
    )

    datasets = ("cifar10",)
    metric = "valid_acc"

    @property
    def space(self) -> SearchSpace:
        """The cells, with the labels of `retiarii.hub.pytorch.NasBench101`.

        A partial table has the space of its cells. The space of a complete one has each cell with every numbering of
        its vertices.
        """
        from retiarii.benchmarks.nasbench101._nb101_space import present_space  # slow to import, unlike queries

        return present_space()

    def table(self, dataset: str) -> ResultTable:
        """Return the results; accuracies are from 0 to 1, as published.

        Raises:
            BenchmarkError: There is no table, or it is damaged.
        """
        from retiarii.benchmarks.nasbench101._nb101_results import nb101_results  # slow to import, unlike queries

        return nb101_results()

    def _import(
        self, source: Path, connection: sqlite3.Connection, on_progress: Callable[[int, int], None] | None
    ) -> None:
        from retiarii.benchmarks.nasbench101._nb101_import import import_file  # slow to import, unlike queries

        import_file(_published_file(source), connection, on_progress)

    def _goes_on(self, source: Path, connection: sqlite3.Connection) -> bool:
        from retiarii.benchmarks.nasbench101._nb101_import import has_begun

        return has_begun(_published_file(source), connection)

    def _is_complete(self, connection: sqlite3.Connection) -> bool:
        return all(num_configurations(connection, epochs) == NUM_CELLS for epochs in EPOCHS)

    def _gaps(self, connection: sqlite3.Connection, *, partial: bool) -> list[str]:
        trained = {epochs: num_configurations(connection, epochs) for epochs in EPOCHS}
        problems = []
        for epochs, count in trained.items():
            (rows,) = connection.execute(f"SELECT COUNT(*) FROM trials_{epochs}").fetchone()
            if rows != count * NUM_SEEDS:
                problems.append(f"{count:,} cells have {rows:,} trainings of {epochs} epochs, expected 3 for each")
            if count not in (0, NUM_CELLS) and not partial:
                problems.append(f"{count:,} of {NUM_CELLS:,} cells have trainings of {epochs} epochs")
        if not any(trained.values()):
            problems.append("no cell has three trainings of any number of epochs")
        return problems

    def _wrong_values(self, connection: sqlite3.Connection) -> list[str]:
        from retiarii.benchmarks.nasbench101._nb101_results import wrong_arrays

        problems = [
            f"the hash of cell {cell} is {digest.hex()}, that of its graph is {expected}"
            for cell, code, digest in connection.execute("SELECT cell, code, hash FROM cells")
            if (expected := hash_of_cell(cell_of_code(code))) != digest.hex()
        ]
        problems += [
            f"the arrays of {epochs} epochs are not the results of the trials" for epochs in wrong_arrays(connection)
        ]
        right = " AND ".join(f"{prefix}{name} BETWEEN 0 AND 1" for prefix in ("", "halfway_") for name in ACCURACIES)
        for epochs in EPOCHS:
            rows = connection.execute(f"SELECT cell, repeat FROM trials_{epochs} WHERE NOT ({right})")
            problems += [f"cell {cell} has an accuracy outside 0 to 1 in training {repeat}" for cell, repeat in rows]
        if num_configurations(connection, 108) == NUM_CELLS:
            problems += [
                f"the best mean {name} is {best_mean(connection, name):.8f}, published is {known}"
                for name, known in _BEST.items()
                if abs(best_mean(connection, name) - known) > 1e-7
            ]
        return problems

    def _best(self, connection: sqlite3.Connection) -> dict[str, float]:
        names = {"valid_acc": "best validation accuracy (%)", "test_acc": "best test accuracy (%)"}
        if not num_configurations(connection, 108):
            return {}
        return {f"{title} after 108 epochs": 100 * best_mean(connection, name) for name, title in names.items()}


def best_mean(connection: sqlite3.Connection, name: str) -> float:
    """Return the best mean accuracy (0 to 1) after 108 epochs."""
    statement = f"SELECT MAX(mean) FROM (SELECT AVG({name}) AS mean FROM trials_108 GROUP BY cell)"
    return float(connection.execute(statement).fetchone()[0])


def _published_file(source: Path) -> Path:
    """Return the published file at a path or in a folder.

    Raises:
        BenchmarkError: There is none.
    """
    if source.is_dir():
        for name in _FILES:
            if (source / name).is_file():
                return source / name
        raise BenchmarkError(f"There is no published file in {str(source)!r}. Expected {_EXPECTED}.")
    if not source.is_file():
        raise BenchmarkError(f"There is no file or folder {str(source)!r}. Expected {_EXPECTED}.")
    return source
