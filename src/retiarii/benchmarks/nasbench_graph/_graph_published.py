"""`reader_of`: the results of each dataset from the files of the package ``nas-bench-graph``.

The package has a pickle for each dataset, ``nas_bench_graph/light/cora.bench``: a dict from a network's number to a
dict with ``valid_perf``, ``perf``, ``latency`` and ``para``, which are numbers of Python or of numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from retiarii.benchmarks._tables._formats.named_files import NamedFiles
from retiarii.benchmarks._tables._formats.restricted_pickle import plain_content, shown
from retiarii.benchmarks._tables._formats.single_file import read_file
from retiarii.benchmarks.nasbench_graph._graph_codes import check_number
from retiarii.benchmarks.nasbench_graph._graph_records import GRAPH_DATASETS, RESULTS
from retiarii.errors import BenchmarkError

_EXPECTED = (
    "the wheel of nas-bench-graph 1.4.0 (from: pip download nas-bench-graph), its unpacked folder, or the folder of "
    "the installed package, with files such as cora.bench"
)
_WRONG = (AttributeError, KeyError, OverflowError, TypeError, ValueError)

_PACKAGE = "nas_bench_graph"
_LIMITS = (1.0, 1.0, 1e9, 1e9)

Row = tuple[int, float, float, float, float]


def reader_of(source: Path) -> Callable[[str], list[Row]]:
    """Return a function from a dataset to its rows: the number of a network and its `RESULTS`.

    The function raises a BenchmarkError for a file that is missing, damaged, malicious or something else.

    Args:
        source: The wheel, or a folder that has its content.

    Raises:
        BenchmarkError: There is neither a wheel nor such a folder.
    """
    unpacked = source / _PACKAGE
    names = [f"{dataset}.bench" for dataset in GRAPH_DATASETS]
    files = NamedFiles(unpacked if unpacked.is_dir() else source, names, _EXPECTED)

    def rows_of(dataset: str) -> list[Row]:
        name = f"{dataset}.bench"
        content = plain_content(read_file(files, name), name)
        try:
            return list(_rows(content))
        except _WRONG as err:
            reason = f"it has no {shown(err.args[0])}" if isinstance(err, KeyError) else str(err)
            raise BenchmarkError(f"{name} is not a file of NAS-Bench-Graph ({reason}). Expected {_EXPECTED}.") from err

    return rows_of


def _rows(content: Mapping[int, Mapping[str, Any]]) -> Iterator[Row]:
    for number, result in content.items():
        if type(number) is not int:
            raise TypeError(f"it has the network {shown(number)}, expected a number")
        check_number(number)
        valid, test, latency, para = (result[name] for name in RESULTS)
        for name, value, limit in zip(RESULTS, (valid, test, latency, para), _LIMITS, strict=True):
            if not 0 <= value <= limit:
                raise ValueError(f"{name} of the network {number} is {shown(value)}, expected 0 to {limit:g}")
        yield number, valid, test, latency, para
