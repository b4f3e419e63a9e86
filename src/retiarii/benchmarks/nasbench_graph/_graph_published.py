"""`read_results`: the results of one dataset from the files of the package ``nas-bench-graph``.

The package has a pickle for each dataset, ``nas_bench_graph/light/cora.bench``: a dict from a network's number to a
dict with ``valid_perf``, ``perf``, ``latency`` and ``para``, which are numbers of Python or of numpy.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from retiarii.benchmarks._tables.restricted_pickle import plain_content, shown
from retiarii.benchmarks.nasbench_graph._graph_codes import check_number
from retiarii.benchmarks.nasbench_graph._graph_records import RESULTS
from retiarii.errors import BenchmarkError

_MAX_BYTES = 64 * 2**20  # a file has 2 MB; far more is an attack on the memory
_EXPECTED = (
    "Expected the wheel of nas-bench-graph 1.4.0 (from: pip download nas-bench-graph), its unpacked folder, or the "
    "folder of the installed package."
)
_UNREADABLE = (EOFError, KeyError, NotImplementedError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error)
_WRONG = (AttributeError, KeyError, OverflowError, TypeError, ValueError)

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
    read = _files_of(source)

    def rows_of(dataset: str) -> list[Row]:
        name = f"{dataset}.bench"
        content = plain_content(read(name), name)
        try:
            return list(_rows(content))
        except _WRONG as err:
            reason = f"it has no {shown(err.args[0])}" if isinstance(err, KeyError) else str(err)
            raise BenchmarkError(f"{name} is not a file of NAS-Bench-Graph ({reason}). {_EXPECTED}") from err

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


def _files_of(source: Path) -> Callable[[str], bytes]:
    """Return a function from the name of a file to its content."""
    if source.is_dir():
        return _files_in_folder(source)
    try:
        if source.is_file() and zipfile.is_zipfile(source):
            return lambda name: _in_wheel(source, name)
    except OSError as err:
        raise BenchmarkError(f"{str(source)!r} cannot be read ({err}).") from err
    what = "is not a wheel" if source.is_file() else "does not exist"
    raise BenchmarkError(f"{str(source)!r} {what}. {_EXPECTED}")


def _files_in_folder(source: Path) -> Callable[[str], bytes]:
    places = (source / "nas_bench_graph" / "light", source / "light", source)
    folder = next((place for place in places if any(place.glob("*.bench"))), None)
    if folder is None:
        raise BenchmarkError(f"There are no files such as light/cora.bench in {str(source)!r}. {_EXPECTED}")

    def read(name: str) -> bytes:
        path = folder / name
        if not path.is_file():
            raise BenchmarkError(f"There is no {name} in {str(folder)!r}. {_EXPECTED}")
        try:
            with path.open("rb") as file:
                return _bounded(file.read(_MAX_BYTES + 1), name)
        except OSError as err:
            raise BenchmarkError(f"{str(path)!r} cannot be read ({err}).") from err

    return read


def _in_wheel(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as wheel, wheel.open(f"nas_bench_graph/light/{name}") as file:
            return _bounded(file.read(_MAX_BYTES + 1), name)
    except _UNREADABLE as err:
        raise BenchmarkError(f"{name} cannot be read from {str(path)!r} ({err}). {_EXPECTED}") from err


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > _MAX_BYTES:
        raise BenchmarkError(f"{name} is larger than {_MAX_BYTES // 2**20} MiB. It was not read.")
    return data
