"""How fast the trials of a large experiment become a table, and pages of it are found; try ``--trials 1000000``.

Writes trials with 19 categorical choices, a learning rate that differs in all of them, two metrics, and 5% failures;
reads them as the dashboard does for the first time and again after 50 more have ended; filters and sorts by each kind
of column; and makes a data frame. Prints one JSON line: seconds of the first part, of the first read and of the CPU in
it, milliseconds of a refresh (medians), of the slowest page, and by how many MiB memory grew with the table.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from retiarii.analysis import TrialFilter, TrialTable, TrialTableReader, data_frame
from retiarii.dashboard._reading.trial_page import trial_page
from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord, Store, open_store
from retiarii.trial import Failure, FailureKind, Objectives, Trial, TrialState

BATCH = 5000
NEW = 50
OPERATIONS = ("conv3x3", "conv5x5", "skip", "sep_conv_3x3")
WIDTHS = (8, 16, 32, 64)
COLUMNS = ("number", "metric:accuracy", "choice:lr", "choice:stage0/op", "state", "failure", "duration_s")
FAILURE = Failure(FailureKind.RAISED, "RuntimeError: CUDA out of memory", "Traceback ...\n" * 20)


def ended(number: int) -> Trial:
    """Return a trial that has ended."""
    draw = random.Random(number)
    values: dict[str, object] = {f"stage{stage}/op": draw.choice(OPERATIONS) for stage in range(10)}
    values |= {f"stage{stage}/width": draw.choice(WIDTHS) for stage in range(9)} | {"lr": draw.uniform(1e-4, 1e-1)}
    trial = Trial(
        number,
        Architecture(values),
        TrialState.COMPLETED,
        {"accuracy": draw.random(), "latency_ms": 10 * draw.random()},
        finish_order=number,
        started=1.7e9 + number,
        ended=1.7e9 + number + 5 * draw.random(),
        device=f"cuda:{number % 4}",
        output="epoch 1: loss 0.5\n" * 10,
        objective="accuracy",
    )
    return trial if number % 20 else trial.evolve(state=TrialState.FAILED, metrics=None, failure=FAILURE)


def write(store: Store, numbers: range) -> None:
    """Write trials that have ended."""
    for first in range(numbers.start, numbers.stop, BATCH):
        store.write("big", trials=[ended(number) for number in range(first, min(first + BATCH, numbers.stop))])


def refresh_ms(store: Store, reader: TrialTableReader, trials: int) -> Iterator[float]:
    """Write some trials, and read what is new, several times."""
    for first in range(trials, trials + 10 * NEW, NEW):
        write(store, range(first, first + NEW))
        yield 1000 * seconds(lambda: reader.refresh(store))


def page_ms(table: TrialTable) -> Iterator[float]:
    """Find the first page of a filtered table, sorted by each kind of column in both directions."""
    wanted = TrialFilter(choices={"stage0/op": ["skip", "conv3x3"]}, metrics={"accuracy": (0.2, 0.9)})
    for column in COLUMNS:
        for descending in (False, True):
            yield 1000 * seconds(lambda c=column, d=descending: trial_page(table, wanted, sort=c, descending=d))  # type: ignore[misc]


def seconds(act: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000)
    trials = parser.parse_args().trials
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store.db") as store:
        objectives = Objectives.of({"accuracy": "maximize", "latency_ms": "minimize"})
        store.create_experiment(ExperimentRecord("big", objectives=objectives))
        write(store, range(trials))
        TrialTableReader("big").refresh(store)  # the file is in the memory of the system, as after a search
        process, reader = psutil.Process(), TrialTableReader("big")
        memory, began, cpu = process.memory_info().rss, time.perf_counter(), time.process_time()
        steps = reader.steps(store)
        next(steps)
        first_s = time.perf_counter() - began
        (table,) = deque(steps, maxlen=1)  # only the last one
        read_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        grown = process.memory_info().rss - memory
        found = {
            "trials": trials,
            "first_part_s": round(first_s, 3),
            "read_s": round(read_s, 2),
            "read_cpu_s": round(cpu_s, 2),
            "refresh_ms": round(statistics.median(refresh_ms(store, reader, trials)), 1),
            "slowest_page_ms": round(max(page_ms(table)), 1),
            "data_frame_s": round(seconds(lambda: data_frame(table)), 2),
            "table_mib": round(grown / 2**20, 1),
            "python": platform.python_version(),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
