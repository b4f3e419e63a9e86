"""Published figures of random search and evolution on NAS-Bench-201, reproduced in simulated time.

The protocol is that of NATS-Bench (Dong et al., arXiv:2009.00437). Strategies see the validation accuracy after 12
epochs, and a trial is charged with 12/200 of the time of 200 epochs (architectures without a time: the median). The
result of a search is the test accuracy after 200 epochs of the architecture with the best signal when the time is up.
Trials that have not ended by then do not count. Architectures that are proposed again are paid for again.

Uses the table in the cache folder (`retiarii benchmarks build nasbench201 FOLDER`). If it is not there, a temporary one
is built from the means that tests read, see `retiarii.testing.tables`. Prints a Markdown table and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retiarii import __version__
from retiarii.benchmarks import TableState
from retiarii.benchmarks.nasbench201 import Nb201Table
from retiarii.benchmarks.report import Comparison, compare, plot_regret
from retiarii.strategy import Random, RegularizedEvolution
from retiarii.testing.nats_bench_files import write_nats_bench
from retiarii.testing.tables import DATA_VARIABLE

STRATEGIES = {"random": Random(), "evolution": RegularizedEvolution(population_size=10, sample_size=3)}
SECONDS = {"cifar10": 20_000, "cifar100": 40_000, "imagenet16-120": 120_000}
PUBLISHED = {
    "cifar10": {"random": 93.86, "evolution": 94.02},
    "cifar100": {"random": 71.55, "evolution": 72.23},
    "imagenet16-120": {"random": 45.28, "evolution": 45.77},
}
"""Means over 500 searches that NATS-Bench published."""
EXPECTED = {
    "cifar10": {"random": 93.88, "evolution": 94.12},
    "cifar100": {"random": 71.57, "evolution": 72.36},
    "imagenet16-120": {"random": 45.28, "evolution": 45.9},
}
"""A reference run of the same protocol by other code, on the means over seeds."""
TOLERANCE = 0.2


@contextmanager
def complete_table() -> Iterator[str]:
    """Make sure that the whole table is there; yield where it is from."""
    if Nb201Table().status().state is TableState.COMPLETE:
        yield "the cache folder"
        return
    root = Path(__file__).resolve().parents[1]
    means = Path(os.environ.get(DATA_VARIABLE) or root.parent / "shared" / "data") / "nb201_topology.csv.gz"
    if not means.is_file():
        raise SystemExit("There is no complete table. Build it with: retiarii benchmarks build nasbench201 FOLDER")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RETIARII_CACHE_HOME"] = folder
        write_nats_bench(means, Path(folder, "records"))
        Nb201Table().build(Path(folder, "records"))
        yield "means over seeds"


def search(dataset: str, seeds: int, processes: int | None) -> Comparison:
    """Run both strategies on one dataset."""
    evaluator = Nb201Table().evaluator(dataset, metric="valid_acc", metrics=[], fidelity=12, cost="proportional")
    return compare(
        STRATEGIES, evaluator, score="test_acc@200", seconds=SECONDS[dataset], seeds=seeds, processes=processes
    )


def figures(comparison: Comparison) -> dict[str, dict[str, object]]:
    """Return the result of each strategy beside those of others."""
    found: dict[str, dict[str, object]] = {}
    for row in comparison.standings():
        expected = EXPECTED[comparison.dataset][row.strategy]
        trials = [search.num_trials for search in comparison.searches if search.strategy == row.strategy]
        found[row.strategy] = {
            "mean": round(row.mean, 3),
            "standard_error": round(row.standard_error, 3),
            "trials": round(sum(trials) / len(trials), 1),
            "published": PUBLISHED[comparison.dataset][row.strategy],
            "expected": expected,
            "holds": abs(row.mean - expected) <= TOLERANCE,
        }
    return found


def markdown(results: dict[str, dict[str, dict[str, object]]]) -> str:
    """Return the results as a table."""
    lines = [
        "| dataset | simulated time (s) | strategy | trials | test accuracy (%) | NATS-Bench | reference run |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    for dataset, of_strategies in results.items():
        for strategy, found in of_strategies.items():
            lines.append(
                f"| {dataset} | {SECONDS[dataset]:,} | {strategy} | {found['trials']} | {found['mean']:.2f} ± "
                f"{found['standard_error']:.2f} | {found['published']:.2f} | {found['expected']:.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Search, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--processes", type=int)
    parser.add_argument("--plot", type=Path, help="a file for the curves of regret, such as regret.svg")
    options = parser.parse_args()
    with complete_table() as source:
        begin = time.perf_counter()
        comparisons = [search(dataset, options.seeds, options.processes) for dataset in SECONDS]
        wall_s = time.perf_counter() - begin
    results = {comparison.dataset: figures(comparison) for comparison in comparisons}
    if options.plot is not None:
        plot_regret(comparisons, options.plot)
    print(markdown(results))
    result = {
        "benchmark": "nasbench201_reference",
        "seeds": options.seeds,
        "table": source,
        "figures": results,
        "all_hold": all(found["holds"] for of_strategies in results.values() for found in of_strategies.values()),
        "trials": sum(search.num_trials for comparison in comparisons for search in comparison.searches),
        "wall_s": round(wall_s, 1),
        "python": platform.python_version(),
        "retiarii": __version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
