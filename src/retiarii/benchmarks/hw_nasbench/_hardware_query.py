"""`query_hwnas_stats`: the costs of a cell on six devices, or of all cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from retiarii.benchmarks._tables.query_arguments import chosen
from retiarii.benchmarks._tables.table_file import OpenedTable
from retiarii.benchmarks.hw_nasbench._hardware_database import HARDWARE_FILE
from retiarii.benchmarks.hw_nasbench._hardware_records import HARDWARE_DATASETS, HARDWARE_METRICS, HwNasStats
from retiarii.benchmarks.nasbench201._cell_codes import NUM_CELLS, cell_of_number, number_of_cell

_SELECT = f"SELECT cell, {', '.join(HARDWARE_METRICS)} FROM costs WHERE dataset = ?"


def query_hwnas_stats(arch: Mapping[str, str] | None, dataset: str | None) -> Iterator[HwNasStats]:
    """Return the costs of networks of NAS-Bench-201 on six devices, each as a dict.

    Args:
        arch: The operator of each edge, as in `HwNasConfig`; None for all architectures.
        dataset: ``"cifar10"``, ``"cifar100"`` or ``"imagenet16-120"``; None for all.

    Returns:
        An iterator over the networks, sorted by dataset.

    Raises:
        ArchitectureError: The architecture is not in the space.
        ConfigError: There is no such dataset.
        BenchmarkError: There is no table, it lacks the architecture, or it is damaged.

    Examples:
        >>> arch = {edge: "conv_3x3" for edge in ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")}
        >>> (costs,) = query_hwnas_stats(arch, "cifar10")
        >>> costs["edgegpu_latency"], costs["edgegpu_energy"]
    """
    number = None if arch is None else number_of_cell(arch)
    datasets = chosen("dataset", dataset, HARDWARE_DATASETS)
    table = HARDWARE_FILE.shared()
    if number is not None and table.num_architectures < NUM_CELLS:
        _check_is_there(table, number)
    return _costs(table, datasets, number)


def _costs(table: OpenedTable, datasets: Sequence[str], number: int | None) -> Iterator[HwNasStats]:
    statement = _SELECT if number is None else f"{_SELECT} AND cell = ?"
    with HARDWARE_FILE.reading(table.path):
        for name in datasets:
            values = (HARDWARE_DATASETS.index(name), *(() if number is None else (number,)))
            for cell, *costs in table.connection.execute(statement, values):
                config = {"arch": cell_of_number(cell), "dataset": name}
                yield cast("HwNasStats", {"config": config, **dict(zip(HARDWARE_METRICS, costs, strict=True))})


def _check_is_there(table: OpenedTable, number: int) -> None:
    with HARDWARE_FILE.reading(table.path):
        if table.connection.execute(f"{_SELECT} AND cell = ?", (0, number)).fetchone() is None:
            raise HARDWARE_FILE.lacking(table, cell_of_number(number), NUM_CELLS)
