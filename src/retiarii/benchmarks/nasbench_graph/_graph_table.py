"""`NbGraphTable`: build, verify and describe the table of NAS-Bench-Graph."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from retiarii.benchmarks._tables.download import Download
from retiarii.benchmarks._tables.sqlite_table import SqliteTable
from retiarii.benchmarks.nasbench_graph._graph_codes import (
    NODES,
    NUM_NETWORKS,
    NUMBER_BELOW,
    OPERATORS,
    PROTEINS_OPERATORS,
    SHAPES,
    number_of_network,
)
from retiarii.benchmarks.nasbench_graph._graph_database import GRAPH_FILE
from retiarii.benchmarks.nasbench_graph._graph_published import reader_of
from retiarii.benchmarks.nasbench_graph._graph_records import GRAPH_DATASETS, RESULTS
from retiarii.errors import ConfigError
from retiarii.space import Architecture, Categorical, SearchSpace, nearest

if TYPE_CHECKING:
    from retiarii.benchmarks._tabular.result_table import ResultTable

_NUM_PROTEINS = 2_021
_BEST_TEST = {
    "cora": 0.831333,
    "citeseer": 0.715667,
    "pubmed": 0.786000,
    "cs": 0.912624,
    "physics": 0.930049,
    "photo": 0.927896,
    "computers": 0.855834,
    "arxiv": 0.723865,
    "proteins": 0.792634,
}
"""The best test performances in version 1.4.0 of the package, to six decimals."""

_INSERT = f"INSERT OR REPLACE INTO results VALUES ({', '.join('?' * (2 + len(RESULTS)))})"


class NbGraphTable(SqliteTable):
    """The table of NAS-Bench-Graph: 26,206 graph neural networks on eight datasets, and 2,021 of them on ``proteins``.

    A network has four computing nodes, each with one operator and one input. The 59,049 architectures of nine shapes
    and nine operators are 26,206 different networks (and one that computes nothing, and was not trained): those that
    differ in the order of nodes, or in the places of identities that change nothing, share one row.

    Args:
        operators: The operators of the space, for searches; `PROTEINS_OPERATORS` for those on ``proteins``.

    Raises:
        ConfigError: There is no such operator.

    Reference:
        Qin et al. (2022), arXiv:2206.09166; the files are those of the package ``nas-bench-graph`` 1.4.0, which has
        final results. Curves over epochs are published elsewhere, and are not read.
    """

    name = "nasbench_graph"
    title = "NAS-Bench-Graph"
    num_architectures = NUM_NETWORKS
    facts = MappingProxyType(
        {
            "paper": "Qin et al. (2022), arXiv:2206.09166",
            "files": "the Python package nas-bench-graph 1.4.0, installed or as a wheel",
            "licence": "Apache-2.0",
            "datasets": ", ".join(GRAPH_DATASETS),
        }
    )
    downloads = (
        Download(
            "nas_bench_graph-1.4.0-py3-none-any.whl",
            by_hand="Run: pip install nas-bench-graph==1.4.0 (it needs nothing else). Then build the table without "
            "naming a folder: retiarii benchmarks build nasbench_graph",
        ),
    )
    package = "nas_bench_graph"
    file = GRAPH_FILE
    datasets = GRAPH_DATASETS
    metric = "valid_perf"

    def __init__(self, operators: Sequence[str] = OPERATORS) -> None:
        if unknown := [name for name in operators if name not in OPERATORS]:
            raise ConfigError(
                f"The operator {unknown[0]!r} is not one of NAS-Bench-Graph, expected some of {list(OPERATORS)}."
                f"{nearest(unknown[0], OPERATORS)}"
            )
        self.operators = tuple(operators)

    @property
    def space(self) -> SearchSpace:
        """The links and operators, with the labels of `NbGraphConfig`; one of the operators is no identity."""
        operators = [Categorical(node, self.operators, by_index=True) for node in NODES]
        return SearchSpace([Categorical("links", SHAPES), *operators], [computes_something])

    def table(self, dataset: str) -> ResultTable:
        """Return the results on one dataset; no times of trainings were published.

        Raises:
            BenchmarkError: There is no table, or it is damaged.
            ConfigError: The space has networks that were not trained on ``"proteins"``.
        """
        from retiarii.benchmarks._tables.stored_results import stored_results  # slow to import, unlike queries

        if dataset == "proteins" and not {*self.operators} <= {*PROTEINS_OPERATORS}:
            raise ConfigError(
                f"On 'proteins' only networks of {list(PROTEINS_OPERATORS)} were trained. Make a space of these: "
                "NbGraphTable(PROTEINS_OPERATORS)."
            )
        statement = f"SELECT network, {', '.join(RESULTS)} FROM results WHERE dataset = ?"
        position, groups = GRAPH_DATASETS.index(dataset), dict.fromkeys(RESULTS, 1)
        return stored_results(GRAPH_FILE, statement, position, number_of_network, NUMBER_BELOW, groups)

    def _import(
        self, source: Path, connection: sqlite3.Connection, on_progress: Callable[[int, int], None] | None
    ) -> None:
        rows_of = reader_of(source)
        with connection:
            for code, dataset in enumerate(GRAPH_DATASETS):
                connection.executemany(_INSERT, ((code, *row) for row in rows_of(dataset)))
                if on_progress is not None:
                    on_progress(code + 1, len(GRAPH_DATASETS))

    def _gaps(self, connection: sqlite3.Connection, *, partial: bool) -> list[str]:
        whole = GRAPH_FILE.count_in(connection)
        problems = []
        for code, dataset in enumerate(GRAPH_DATASETS):
            (found,) = connection.execute("SELECT COUNT(*) FROM results WHERE dataset = ?", (code,)).fetchone()
            expected = _NUM_PROTEINS if dataset == "proteins" else whole
            if found != expected and not (partial and dataset == "proteins"):
                problems.append(f"{found:,} of {expected:,} networks have results on {dataset}")
        return problems

    def _wrong_values(self, connection: sqlite3.Connection) -> list[str]:
        if GRAPH_FILE.count_in(connection) < NUM_NETWORKS:
            return []
        found = self._best(connection)
        return [
            f"the best test performance on {dataset} is {found[f'best perf on {dataset}']:.6f}, published is {known}"
            for dataset, known in _BEST_TEST.items()
            if abs(found[f"best perf on {dataset}"] - known) > 1e-6
        ]

    def _best(self, connection: sqlite3.Connection) -> dict[str, float]:
        found = dict(connection.execute("SELECT dataset, MAX(perf) FROM results GROUP BY dataset").fetchall())
        return {f"best perf on {name}": found[code] for code, name in enumerate(GRAPH_DATASETS) if code in found}


def computes_something(architecture: Architecture) -> bool:
    """Return whether an operator of an architecture is not the identity; the others were not trained."""
    return any(architecture[node] != "skip" for node in NODES)
