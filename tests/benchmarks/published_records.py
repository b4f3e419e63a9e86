"""Records of NAS-Bench-201 in the published format, with numbers that can be computed by hand."""

import bz2
import pickle
from collections import OrderedDict

import numpy as np

PUBLISHED_ARCHS = [
    "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|none~2|",
]
SPLITS = {"cifar10-valid": ("x-valid", "ori-test"), "cifar10": ("ori-test",)}
SEEDS = {12: (111,), 200: (777, 888, 999)}


def accuracy(index, epoch, seed):
    """A number between 0 and 100 that differs for each cell, epoch and seed."""
    return index * 10 + epoch / 10 + seed / 1000


def training(index, dataset, seed, epochs):
    """One training as NATS-Bench publishes it: evaluations of every epoch, and of the last one only."""
    first, *others = SPLITS.get(dataset, ("ori-test", "x-valid", "x-test"))
    keys = [f"{first}@{epoch}" for epoch in range(epochs)] + [f"{other}@{epochs - 1}" for other in others]
    bonus = {"x-valid": 0.25, "x-test": 0.5, "ori-test": 0.75}
    values = {key: accuracy(index, int(key.split("@")[1]), seed) + bonus[key.split("@")[0]] for key in keys}
    return {
        "train_acc1es": {epoch: accuracy(index, epoch, seed) for epoch in range(epochs)},
        "train_losses": {epoch: float("nan") if seed == 888 else 2.0 for epoch in range(epochs)},
        "train_times": OrderedDict((epoch, 1.5) for epoch in range(epochs)),
        "params": np.float64(0.1),
        "flop": 15.5,
        "seed": f"{seed:04}",
        "epochs": epochs,
        "latency": [np.float64(0.01)],
        "eval_acc1es": values,
        "eval_losses": {key: value / 100 for key, value in values.items()},
        "eval_times": dict.fromkeys(keys, 0.5),
        "net_state_dict": None,
    }


def record(index, arch_str=None):
    """The content of a published file."""
    arch_str = arch_str or PUBLISHED_ARCHS[index]
    parts = OrderedDict()
    for epochs, seeds in SEEDS.items():
        results = {
            (dataset, seed): training(index, dataset, seed, epochs)
            for dataset in ("cifar10-valid", "cifar10", "cifar100", "ImageNet16-120")
            for seed in seeds
        }
        parts[f"{epochs:02}"] = {"arch_index": index, "arch_str": arch_str, "all_results": results}
    return parts


def write(path, content):
    path.write_bytes(bz2.compress(pickle.dumps(content, protocol=4)))


def write_folder(parent):
    """Make a folder with three records and a file that is no record."""
    folder = parent / "NATS-tss-v1_0-3ffb9-simple"
    folder.mkdir()
    for index in range(3):
        write(folder / f"{index:06}.pickle.pbz2", record(index))
    write(folder / "meta.pickle.pbz2", {"total_archs": 3})
    return folder
