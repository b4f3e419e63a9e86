"""The real table of NAS-Bench-201 as columns of a data frame."""

import csv
import gzip
from functools import cache

EDGES = ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")
OPERATORS = ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
LABELS = tuple(f"cell/{edge}" for edge in EDGES)


@cache
def nb201_frame(folder, dataset="cifar100"):
    """Choices, accuracies after 12 and 200 epochs, and 12/200 of the training time."""
    with gzip.open(folder / "nb201_topology.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    frame = {label: [OPERATORS[int(row["ops"][place])] for row in rows] for place, label in enumerate(LABELS)}
    for name in ("valid_12", "valid_200", "test_200"):
        frame[name] = [float(row[f"{dataset}_{name}"]) for row in rows]
    times = [float(row[f"{dataset}_train_time_200"] or "nan") for row in rows]
    return {**frame, "seconds": [12 / 200 * time for time in times]}
