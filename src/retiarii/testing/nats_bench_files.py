"""The table of NAS-Bench-201 as files in the format in which NATS-Bench publishes it.

`write_nats_bench` makes them from the table of means that tests read (see `retiarii.testing.tables`). Importers,
queries and searches run on the real results of all 15,625 cells this way, without a download. No pytest is needed.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import math
import pickle
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

SEED = 777
"""The seed of the one training that stands for the means over seeds."""

# Column of the table -> datasets, the seconds of each relative to the column's, the evaluation of every epoch, and the
# columns' parts with the final values of all evaluations.
_DATASETS = {
    "cifar10-valid": ("cifar10", 1.0, {"x-valid": "valid", "ori-test": "test"}),
    "cifar10": ("cifar10", 2.0, {"ori-test": "test"}),
    "cifar100": ("cifar100", 1.0, {"ori-test": "test", "x-valid": "valid", "x-test": "test"}),
    "ImageNet16-120": ("in16", 1.0, {"ori-test": "test", "x-valid": "valid", "x-test": "test"}),
}
_EPOCHS = (12, 200)
_RISE = {epochs: [1 - 0.9 * (1 - (e + 1) / epochs) ** 2 for e in range(epochs)] for epochs in _EPOCHS}
_KEYS = {
    (name, epochs): [f"{name}@{epoch}" for epoch in range(epochs)]
    for name in ("x-valid", "ori-test")
    for epochs in _EPOCHS
}


def write_nats_bench(table: Path, folder: Path, indices: Collection[int] | None = None) -> int:
    """Write a record for each cell of the table of means, and return their number.

    A record has one training per dataset and number of epochs. Its final accuracies are the table's means, its times
    are the table's, with NaN where the table has none. What the table does not have is made up: the accuracies of
    earlier epochs rise to the final one, training accuracies are those of the first evaluation, losses are 1 minus the
    accuracy's fraction, and ``ori-test`` is the test of the table.

    Args:
        table: The file ``nb201_topology.csv.gz``.
        folder: The folder for the files; it is made if it is not there.
        indices: The published numbers of the cells; None for all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for row in _rows(table):
        index = int(row["index"])
        if indices is None or index in indices:
            content = pickle.dumps(_record(index, row), protocol=4)
            (folder / f"{index:06}.pickle.pbz2").write_bytes(bz2.compress(content, 1))
            count += 1
    return count


def best_cells(table: Path) -> dict[str, int]:
    """Return the published number of the cell with the best mean test accuracy on each dataset, after 200 epochs."""
    rows = list(_rows(table))
    columns = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16-120": "in16"}
    return {
        name: int(max(rows, key=lambda row: float(row[f"{column}_test_200"]))["index"])
        for name, column in columns.items()
    }


def _rows(table: Path) -> Iterator[dict[str, str]]:
    with gzip.open(table, "rt", newline="") as file:
        yield from csv.DictReader(file)


def _record(index: int, row: Mapping[str, str]) -> dict[str, Any]:
    return {
        f"{epochs:02}": {
            "arch_index": index,
            "arch_str": row["arch"],
            "all_results": {(dataset, SEED): _training(row, dataset, epochs) for dataset in _DATASETS},
        }
        for epochs in _EPOCHS
    }


def _training(row: Mapping[str, str], dataset: str, epochs: int) -> dict[str, Any]:
    column, slower, evaluations = _DATASETS[dataset]
    first, *others = evaluations
    final = {name: float(row[f"{column}_{part}_{epochs}"]) for name, part in evaluations.items()}
    curve = [final[first] * share for share in _RISE[epochs]]
    loss = [1 - accuracy / 100 for accuracy in curve]
    seconds = _number(row[f"{column}_train_time_200"]) / 200 * slower
    last = [f"{name}@{epochs - 1}" for name in others]
    keys = _KEYS[first, epochs]
    return {
        "train_acc1es": dict(enumerate(curve)),
        "train_losses": dict(enumerate(loss)),
        "train_times": dict.fromkeys(range(epochs), seconds),
        "params": float(row[f"{column}_params"]) / 1e6,
        "flop": float(row["cifar10_mflops"]) / (4 if column == "in16" else 1),
        "seed": SEED,
        "epochs": epochs,
        "latency": [_number(row[f"{column}_latency_s"])] if row[f"{column}_latency_s"] else [],
        "eval_acc1es": {
            **dict(zip(keys, curve, strict=True)),
            **{key: final[name] for key, name in zip(last, others, strict=True)},
        },
        "eval_losses": {
            **dict(zip(keys, loss, strict=True)),
            **{key: 1 - final[name] / 100 for key, name in zip(last, others, strict=True)},
        },
        "eval_times": {},
        "net_state_dict": None,
    }


def _number(text: str) -> float:
    return float(text) if text else math.nan
