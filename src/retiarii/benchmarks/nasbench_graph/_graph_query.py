"""`query_nbgraph_stats`: the results of a network of NAS-Bench-Graph, or of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from retiarii.benchmarks._tables.query_arguments import chosen
from retiarii.benchmarks._tables.table_file import OpenedTable
from retiarii.benchmarks.nasbench_graph._graph_codes import NUM_NETWORKS, network_of_number, number_of_network
from retiarii.benchmarks.nasbench_graph._graph_database import GRAPH_FILE
from retiarii.benchmarks.nasbench_graph._graph_records import GRAPH_DATASETS, RESULTS, NbGraphStats

_SELECT = f"SELECT network, {', '.join(RESULTS)} FROM results WHERE dataset = ?"


def query_nbgraph_stats(arch: Mapping[str, str] | None, dataset: str | None) -> Iterator[NbGraphStats]:
    """Return results of NAS-Bench-Graph, each as a dict.

    Architectures that are the same network have the same results, see `NbGraphTable`.

    Args:
        arch: The links and operators, as in `NbGraphConfig`; None for all networks.
        dataset: A dataset of `NbGraphConfig`; None for all. On ``"proteins"``, networks with other operators than
            `PROTEINS_OPERATORS` were not trained, and have no result.

    Returns:
        An iterator over the results, sorted by dataset.

    Raises:
        ArchitectureError: The architecture is not in the space.
        ConfigError: There is no such dataset.
        BenchmarkError: There is no table, it lacks the architecture, or it is damaged.

    Examples:
        >>> arch = {"links": "0012", "op_1": "gcn", "op_2": "gat", "op_3": "skip", "op_4": "fc"}
        >>> (result,) = query_nbgraph_stats(arch, "cora")
        >>> result["valid_perf"], result["perf"]
    """
    number = None if arch is None else number_of_network(arch)
    datasets = chosen("dataset", dataset, GRAPH_DATASETS)
    table = GRAPH_FILE.shared()
    if number is not None and table.num_architectures < NUM_NETWORKS:
        _check_is_there(table, number)
    return _results(table, datasets, number)


def _results(table: OpenedTable, datasets: Sequence[str], number: int | None) -> Iterator[NbGraphStats]:
    statement = _SELECT if number is None else f"{_SELECT} AND network = ?"
    with GRAPH_FILE.reading(table.path):
        for name in datasets:
            values = (GRAPH_DATASETS.index(name), *(() if number is None else (number,)))
            for network, *results in table.connection.execute(statement, values):
                config = {"arch": network_of_number(network), "dataset": name}
                yield cast("NbGraphStats", {"config": config, **dict(zip(RESULTS, results, strict=True))})


def _check_is_there(table: OpenedTable, number: int) -> None:
    with GRAPH_FILE.reading(table.path):
        if table.connection.execute(f"{_SELECT} AND network = ?", (0, number)).fetchone() is None:
            raise GRAPH_FILE.lacking(table, network_of_number(number), NUM_NETWORKS)
