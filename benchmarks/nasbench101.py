"""How fast the table of NAS-Bench-101 is built and answers, with all 423,624 cells.

Enumerates the cells of the space, writes a file of 5,083,488 records in the published format (2 GB) with random
results, builds the table in a new process, and measures queries. Prints one JSON line: medians over the repeats. Takes
about ten minutes and 3 GB of disk; ``--cells 20000`` takes seconds. Times of queries are those of the processor, so
that other processes do not count; ``wall_ms`` has those of the clock.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import os
import platform
import random
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np

from retiarii.benchmarks._tables._formats.crc32c import crc32c_of
from retiarii.benchmarks.nasbench101 import Nb101Table, query_nb101_trial_stats
from retiarii.benchmarks.nasbench101._nb101_cells import MAX_EDGES, OPERATORS, CellGraph, arch_of_cell
from retiarii.benchmarks.nasbench101._nb101_hash import hash_of_cell
from retiarii.benchmarks.nasbench101._nb101_records import EPOCHS, NUM_SEEDS

QUERIES = 2000
EVALUATION = struct.Struct("<BBBdBdBdBdBd").pack

BUILD = """
import json, resource, sys, time
from pathlib import Path
from retiarii.benchmarks.nasbench101 import Nb101Table
begin, cpu = time.perf_counter(), time.process_time()
report = Nb101Table().build(Path(sys.argv[1]), partial=True)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([report.num_architectures, time.perf_counter() - begin, time.process_time() - cpu, peak]))
"""

OPENING = """
import time
begin = time.perf_counter()
from retiarii.benchmarks.nasbench101 import CONV3X3_BN_RELU, query_nb101_trial_stats
next(query_nb101_trial_stats({"op1": CONV3X3_BN_RELU, "input1": [0], "input2": [1]}, 108))
print(time.perf_counter() - begin)
"""

LOADING = """
import json, resource, time
from retiarii.benchmarks.nasbench101 import Nb101Table
begin = time.perf_counter()
table = Nb101Table()
table.evaluator()
table.space
print(json.dumps([time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def cells() -> Iterator[tuple[str, CellGraph]]:
    """Yield all cells of the space with their hashes, one of each class of isomorphic ones."""
    for last in range(1, 7):
        found: set[str] = set()
        for inputs in graphs(last):
            for ops in itertools.product(range(len(OPERATORS)), repeat=last - 1):
                cell = CellGraph(inputs, ops)
                digest = hash_of_cell(cell)
                if digest not in found:
                    found.add(digest)
                    yield digest, cell


def graphs(last: int) -> list[tuple[int, ...]]:
    """Return one of each class of isomorphic graphs with a number of vertices."""
    found: dict[str, tuple[int, ...]] = {}
    for inputs in itertools.product(*(range(1, 1 << vertex) for vertex in range(1, last + 1))):
        if sum(mask.bit_count() for mask in inputs) <= MAX_EDGES:
            cell = CellGraph(inputs, (0,) * (last - 1))
            if cell.pruned() == cell:
                found.setdefault(hash_of_cell(cell), inputs)
    return list(found.values())


def records(cell: CellGraph, digest: str, draw: random.Random) -> Iterator[bytes]:
    """Yield the records of a cell, with random results."""
    size = cell.num_vertices
    columns = [0, *cell.inputs]
    adjacency = "".join(str(columns[target] >> source & 1) for source in range(size) for target in range(size))
    operations = ",".join(["input", *(OPERATORS[op] for op in cell.ops), "output"])
    uniform = draw.random
    for epochs in EPOCHS:
        for _ in range(NUM_SEEDS):
            evaluations = [evaluation(epochs * share, uniform(), uniform(), uniform()) for share in (0.0, 0.5, 1.0)]
            message = b"".join(evaluations) + b"\x10\xc0\x84\x3d\x19" + struct.pack("<d", 2000.0)
            encoded = base64.b64encode(message).decode()
            yield f'["{digest}", {epochs}, "{adjacency}", "{operations}", "{encoded}"]'.encode()


def evaluation(epoch: float, train: float, valid: float, test: float) -> bytes:
    """Return an evaluation in a message, with its tag."""
    return EVALUATION(10, 45, 9, epoch, 17, 15.0 * epoch, 25, train, 33, valid, 41, test)


def write_file(path: Path, chosen: list[tuple[str, CellGraph]]) -> int:
    """Write the records of the cells in TFRecord frames, and return how many they are."""
    draw, count = random.Random(0), 0
    with path.open("wb") as file:
        for start in range(0, len(chosen), 1000):
            block = [data for digest, cell in chosen[start : start + 1000] for data in records(cell, digest, draw)]
            heads = [struct.pack("<Q", len(data)) for data in block]
            sums = zip(masked(heads), masked(block), strict=True)
            for head, data, (of_head, of_data) in zip(heads, block, sums, strict=True):
                file.write(head + struct.pack("<I", of_head) + data + struct.pack("<I", of_data))
            count += len(block)
    return count


def masked(parts: list[bytes]) -> list[int]:
    """Return the masked checksums of some data."""
    crc = crc32c_of(parts).astype(np.uint64)
    return ((((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF).tolist()


def renumbered(cell: CellGraph) -> CellGraph:
    """Return the cell with its first two neighbouring vertices swapped that are not joined by an edge."""
    for vertex in range(1, len(cell.inputs) - 1):
        if not cell.inputs[vertex] >> vertex & 1:
            swap = {vertex: vertex + 1, vertex + 1: vertex}
            order = [swap.get(v, v) for v in range(cell.num_vertices)]
            inputs = [
                sum((cell.inputs[old - 1] >> order[source] & 1) << source for source in range(cell.num_vertices))
                for old in order[1:]
            ]
            return CellGraph(tuple(inputs), tuple(cell.ops[order[v] - 1] for v in range(1, len(cell.inputs))))
    return cell


def point_queries(chosen: list[CellGraph], reduction: str | None) -> int:
    """Query each architecture, check that there are answers, and return how many queries there were."""
    for cell in chosen:
        found = list(query_nb101_trial_stats(arch_of_cell(cell), 108, reduction=reduction))
        assert len(found) == (1 if reduction else NUM_SEEDS)
    return len(chosen)


def scan(reduction: str | None, num_cells: int) -> int:
    """Scan all cells in one query."""
    count = sum(1 for _ in query_nb101_trial_stats(None, 108, reduction=reduction))
    assert count == num_cells * (1 if reduction else NUM_SEEDS)
    return 1


def run(code: str, *arguments: str) -> str:
    """Run code in a new process, and return what it prints."""
    return subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True).stdout


def timed(call: Callable[[], int]) -> tuple[float, float]:
    """Return the seconds of the processor and of the clock for one of the queries that a call makes."""
    cpu, begin = time.process_time(), time.perf_counter()
    count = call()
    return (time.process_time() - cpu) / count, (time.perf_counter() - begin) / count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, help="how many cells; all if left out")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--verify", action="store_true", help="verify the table, too")
    options = parser.parse_args()
    begin = time.perf_counter()
    every = list(itertools.islice(cells(), options.cells))
    enumerated_s = time.perf_counter() - begin
    sample = [cell for _, cell in random.Random(1).sample(every, min(QUERIES, len(every)))]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RETIARII_CACHE_HOME"] = folder
        path = Path(folder) / "nasbench_full.tfrecord"
        begin = time.perf_counter()
        num_records = write_file(path, every)
        written_s = time.perf_counter() - begin
        built, build_s, build_cpu_s, build_mib = json.loads(run(BUILD, str(path)))
        assert built == len(every)
        others = [renumbered(cell) for cell in sample]
        queries: dict[str, Callable[[], int]] = {
            "point_mean": lambda: point_queries(sample, "mean"),
            "point_3_seeds": lambda: point_queries(sample, None),
            "point_renumbered_new": lambda: point_queries(others, "mean"),
            "point_renumbered_again": lambda: point_queries(others, "mean"),
            "scan_108_epochs_mean": lambda: scan("mean", len(every)),
            "scan_108_epochs_3_seeds": lambda: scan(None, len(every)),
        }
        seconds = {"open": statistics.median(float(run(OPENING)) for _ in range(options.repeats))}
        wall = {}
        for name, query in queries.items():
            repeats = 1 if name.endswith("new") else options.repeats
            taken = [timed(query) for _ in range(repeats)]
            seconds[name], wall[name] = (statistics.median(values) for values in zip(*taken, strict=True))
        load_s, load_mib = json.loads(run(LOADING))
        verified_s = timed(lambda: len(Nb101Table().verify()) or 1)[0] if options.verify else None
        result = {
            "benchmark": "nasbench101",
            "cells": len(every),
            "records": num_records,
            "enumerate_s": round(enumerated_s, 1),
            "file_mb": round(path.stat().st_size / 1e6),
            "write_file_s": round(written_s, 1),
            "build_s": round(build_s, 1),
            "build_cpu_s": round(build_cpu_s, 1),
            "build_peak_mib": round(build_mib),
            "table_mb": round(Nb101Table().status().size_bytes / 1e6),
            "verify_s": verified_s and round(verified_s, 1),
            "load_evaluator_s": round(load_s, 2),
            "load_evaluator_peak_mib": round(load_mib),
            "repeats": options.repeats,
            "median_ms": {name: round(value * 1e3, 4) for name, value in seconds.items()},
            "wall_ms": {name: round(value * 1e3, 4) for name, value in wall.items()},
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "retiarii": version("retiarii"),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
