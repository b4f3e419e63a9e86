"""`read_costs`: the costs of all cells in the published pickle of HW-NAS-Bench.

The pickle is a dict: ``content["nasbench201"][dataset]`` has a list (or an array) for each metric, and the list
``config``, in which row ``i`` is the network ``i`` as a dict with its ``arch_str``. The rows are in NAS-Bench-201's own
order, which is random; the architectures of ``config`` make the table independent of it. The part ``"fbnet"``, which
has the costs of layers in FBNet's space, is not read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from retiarii.benchmarks._tables._formats.restricted_pickle import plain_content, shown
from retiarii.benchmarks._tables._formats.single_file import read_single_file
from retiarii.benchmarks.hw_nasbench._hardware_records import HARDWARE_DATASETS, HARDWARE_METRICS, PUBLISHED_DATASETS
from retiarii.benchmarks.nasbench201._cell_codes import number_of_published
from retiarii.errors import BenchmarkError

PUBLISHED_NAME = "HW-NAS-Bench-v1_0.pickle"
_WRONG = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


def read_costs(source: Path) -> list[tuple[float | None, ...]]:
    """Return a row for each dataset and cell: the dataset's position, the cell's number and its costs.

    Args:
        source: The published file, or the folder or archive that has it.

    Raises:
        BenchmarkError: The file is missing, damaged, malicious, or not the file of HW-NAS-Bench.
    """
    name, data = read_single_file(source, PUBLISHED_NAME)
    content = plain_content(data, name, arrays=True)
    try:
        part = content["nasbench201"]
        return [
            row for code, name in enumerate(HARDWARE_DATASETS) for row in _rows(code, part[PUBLISHED_DATASETS[name]])
        ]
    except _WRONG as err:
        reason = f"it has no {shown(err.args[0])}" if isinstance(err, KeyError) else str(err)
        raise BenchmarkError(f"{name} is not the pickle of HW-NAS-Bench ({reason}). Download it again.") from err


def _rows(code: int, part: Mapping[str, Any]) -> Iterator[tuple[float | None, ...]]:
    cells = _cells(part["config"])
    columns = [_column(name, part[name], len(cells)) for name in HARDWARE_METRICS]
    for cell, *costs in zip(cells, *columns, strict=True):
        yield code, cell, *costs


def _cells(configs: Any) -> list[int]:
    """Return the numbers of the cells of all rows, in their order."""
    cells = [number_of_published(row["arch_str"]) for row in _in_order(configs)]
    if len({*cells}) != len(cells):
        raise ValueError(f"{len(cells) - len({*cells})} of its {len(cells)} networks are there twice")
    return cells


def _column(name: str, values: Sequence[Any], num_rows: int) -> list[float | None]:
    if len(values) != num_rows:
        raise ValueError(f"there are {len(values)} values of {name}, expected {num_rows}, one for each network")
    return [_cost(value) for value in _in_order(values)]


def _in_order(rows: Any) -> list[Any]:
    """Return the rows of a list, or of a dict by index."""
    return [rows[row] for row in range(len(rows))]


def _cost(value: Any) -> float | None:
    """Return a cost; None for what was not measured, which is NaN, zero or missing in the file."""
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if value is None or not math.isfinite(value) or value <= 0:
        return None
    return float(value)
