"""`NbMacroTable`: build, verify and describe the table of NAS-Bench-Macro."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tables.sqlite_table import SqliteTable
from retiarii.benchmarks.nasbench_macro._macro_codes import BLOCKS, LAYERS, NETWORKS
from retiarii.benchmarks.nasbench_macro._macro_database import MACRO_FILE
from retiarii.benchmarks.nasbench_macro._macro_published import NUM_TRAININGS, PUBLISHED_NAME, read_networks
from retiarii.space import Categorical, SearchSpace

if TYPE_CHECKING:
    from retiarii.benchmarks._tabular.result_table import ResultTable

_BEST_TEST = 93.1267
"""The best mean test accuracy of the published table."""

_MEAN = "(test_acc_0 + test_acc_1 + test_acc_2) / 3"


class NbMacroTable(SqliteTable):
    """The table of NAS-Bench-Macro: 6,561 networks, three trainings of 50 epochs each on CIFAR-10.

    Networks that differ only in the places of identities after the first layer of a stage are the same: the authors
    trained one of them, and published its results for all.

    Reference:
        Su et al. (2021), arXiv:2103.11922.
    """

    name = "nasbench_macro"
    title = "NAS-Bench-Macro"
    num_architectures = NETWORKS.size
    facts = MappingProxyType(
        {
            "paper": "Su et al. (2021), arXiv:2103.11922",
            "files": f"{PUBLISHED_NAME}, from https://github.com/xiusu/NAS-Bench-Macro",
            "licence": "Apache-2.0",
            "datasets": "cifar10",
            "epochs": "50",
        }
    )
    downloads = (
        Download(
            PUBLISHED_NAME,
            url=f"https://raw.githubusercontent.com/xiusu/NAS-Bench-Macro/master/data/{PUBLISHED_NAME}",
        ),
    )
    file = MACRO_FILE
    datasets = ("cifar10",)
    metric = "test_acc"

    @property
    def space(self) -> SearchSpace:
        """The blocks of the eight layers, with the labels ``layer_0`` to ``layer_7``."""
        return SearchSpace([Categorical(layer, BLOCKS, by_index=True) for layer in LAYERS])

    def table(self, dataset: str) -> ResultTable:
        """Return the test accuracies of three trainings, the parameters and the FLOPs; no times were published.

        Raises:
            BenchmarkError: There is no table, or it is damaged.
        """
        from retiarii.benchmarks._tables.stored_results import stored_results  # slow to import, unlike queries

        groups = {"test_acc": NUM_TRAININGS, "params": 1, "flops": 1}
        return stored_results(MACRO_FILE, "SELECT * FROM networks", None, NETWORKS.number, NETWORKS.size, groups)

    def _import(
        self, source: Path, connection: sqlite3.Connection, on_progress: Callable[[int, int], None] | None
    ) -> None:
        rows = read_networks(source)
        with connection:
            connection.executemany("INSERT OR REPLACE INTO networks VALUES (?, ?, ?, ?, ?, ?)", rows)
        if on_progress is not None:
            on_progress(1, 1)

    def _gaps(self, connection: sqlite3.Connection, *, partial: bool) -> list[str]:
        return []  # a row has everything

    def _wrong_values(self, connection: sqlite3.Connection) -> list[str]:
        if MACRO_FILE.count_in(connection) < self.num_architectures:
            return []
        found = self._best(connection)["best mean test accuracy"]
        if abs(found - _BEST_TEST) > 1e-4:
            return [f"the best mean test accuracy is {found:.4f}, published is {_BEST_TEST}"]
        return []

    def _best(self, connection: sqlite3.Connection) -> dict[str, float]:
        (best,) = connection.execute(f"SELECT MAX({_MEAN}) FROM networks").fetchone()
        return {} if best is None else {"best mean test accuracy": best}
