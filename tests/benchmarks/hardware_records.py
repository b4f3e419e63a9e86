"""The pickle of HW-NAS-Bench in the published layout."""

import csv
import gzip

import numpy as np

METRICS = (
    *("edgegpu_latency", "edgegpu_energy", "raspi4_latency", "edgetpu_latency", "pixel3_latency"),
    *("eyeriss_latency", "eyeriss_energy", "eyeriss_arithmetic_intensity", "fpga_latency", "fpga_energy"),
)
CLASSES = {"cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}


def content_of(archs, costs):
    """Return what the authors pickle.

    Args:
        archs: The published text of each network.
        costs: From dataset and metric to a value for each network.
    """
    parts = {}
    for dataset, num_classes in CLASSES.items():
        parts[dataset] = {
            "config": [
                {"name": "infer.tiny", "C": 16, "N": 5, "arch_str": arch, "num_classes": num_classes} for arch in archs
            ],
            **{metric: costs[dataset, metric] for metric in METRICS},
        }
    return {"nasbench201": parts, "fbnet": {"edgegpu_latency": {"FC_Cin1504_Cout100": np.float64(0.5)}}}


def real_content(shared_data):
    """Return the real costs of all 15,625 cells, of which some columns are lists and some are arrays."""
    with gzip.open(shared_data / "nb201_topology.csv.gz", "rt", newline="") as file:
        archs = [row["arch"] for row in csv.DictReader(file)]
    with gzip.open(shared_data / "hwnasbench_nb201.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    costs = {}
    for dataset in CLASSES:
        for metric in METRICS:
            name = f"{'in16' if dataset == 'ImageNet16-120' else dataset}__{metric}"
            values = [float(row[name] or "nan") for row in rows]
            costs[dataset, metric] = np.array(values) if metric.startswith("eyeriss") else values
    return content_of(archs, costs)
