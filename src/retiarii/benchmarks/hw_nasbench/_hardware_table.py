"""`HwNasTable`: build, verify and describe the table of HW-NAS-Bench."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tables.sqlite_table import SqliteTable
from retiarii.benchmarks.hw_nasbench._hardware_database import HARDWARE_FILE
from retiarii.benchmarks.hw_nasbench._hardware_published import PUBLISHED_NAME, read_costs
from retiarii.benchmarks.hw_nasbench._hardware_records import HARDWARE_DATASETS, HARDWARE_METRICS
from retiarii.benchmarks.nasbench201 import Nb201Table
from retiarii.benchmarks.nasbench201._cell_codes import NUM_CELLS
from retiarii.space import SearchSpace

if TYPE_CHECKING:
    from retiarii.benchmarks._tabular.result_table import ResultTable

_INSERT = f"INSERT OR REPLACE INTO costs VALUES ({', '.join('?' * (2 + len(HARDWARE_METRICS)))})"
_NEVER_MISSING = [name for name in HARDWARE_METRICS if name != "edgetpu_latency"]


class HwNasTable(SqliteTable):
    """The table of HW-NAS-Bench: latency and energy of the 15,625 cells of NAS-Bench-201 on six devices.

    Reference:
        Li et al. (2021), arXiv:2103.10584; the costs of FBNet's space are not read.
    """

    name = "hw_nasbench"
    title = "HW-NAS-Bench"
    num_architectures = NUM_CELLS
    facts = MappingProxyType(
        {
            "paper": "Li et al. (2021), arXiv:2103.10584",
            "files": f"{PUBLISHED_NAME}, from https://github.com/GATECH-EIC/HW-NAS-Bench",
            "licence": "MIT",
            "datasets": ", ".join(HARDWARE_DATASETS),
            "devices": "edgegpu, raspi4, edgetpu, pixel3, eyeriss, fpga",
        }
    )
    downloads = (
        Download(
            PUBLISHED_NAME,
            url=f"https://raw.githubusercontent.com/GATECH-EIC/HW-NAS-Bench/main/{PUBLISHED_NAME}",
        ),
    )
    file = HARDWARE_FILE
    datasets = HARDWARE_DATASETS
    metric = HARDWARE_METRICS[0]

    @property
    def space(self) -> SearchSpace:
        """The cells of NAS-Bench-201."""
        return Nb201Table().space

    def table(self, dataset: str) -> ResultTable:
        """Return the costs of all cells on one dataset; there are no trainings, and so no times.

        Raises:
            BenchmarkError: There is no table, or it is damaged.
        """
        from retiarii.benchmarks._tables.stored_results import stored_results  # slow to import, unlike queries

        statement = f"SELECT cell, {', '.join(HARDWARE_METRICS)} FROM costs WHERE dataset = ?"
        position, groups = HARDWARE_DATASETS.index(dataset), dict.fromkeys(HARDWARE_METRICS, 1)
        return stored_results(HARDWARE_FILE, statement, position, Nb201Table._row_of, NUM_CELLS, groups)

    def _import(
        self, source: Path, connection: sqlite3.Connection, on_progress: Callable[[int, int], None] | None
    ) -> None:
        rows = read_costs(source)
        with connection:
            connection.executemany(_INSERT, rows)
        if on_progress is not None:
            on_progress(1, 1)

    def _gaps(self, connection: sqlite3.Connection, *, partial: bool) -> list[str]:
        expected, problems = HARDWARE_FILE.count_in(connection), []
        for code, dataset in enumerate(HARDWARE_DATASETS):
            for name in _NEVER_MISSING:
                statement = f"SELECT COUNT({name}) FROM costs WHERE dataset = ?"
                (found,) = connection.execute(statement, (code,)).fetchone()
                if found != expected:
                    problems.append(f"{found:,} of {expected:,} cells have {name} on {dataset}")
        return problems

    def _wrong_values(self, connection: sqlite3.Connection) -> list[str]:
        return []

    def _best(self, connection: sqlite3.Connection) -> dict[str, float]:
        names = ("edgegpu_latency", "edgegpu_energy")
        least = ", ".join(f"MIN({name})" for name in names)
        found = connection.execute(f"SELECT {least} FROM costs WHERE dataset = 0").fetchone()
        return {
            f"least {name} on cifar10": value for name, value in zip(names, found, strict=True) if value is not None
        }
