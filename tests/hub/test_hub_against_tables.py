"""Ready spaces against the published tables of their networks."""

import csv
import gzip
import random

import numpy as np
import pytest
import torch

from retiarii.benchmarks import get_benchmark
from retiarii.hub.pytorch import NasBench101, NasBench201
from retiarii.nn.pytorch import extract_space, freeze
from retiarii.nn.pytorch.engine import count_flops, count_params
from retiarii.space import Architecture

DATASETS = {"cifar10": 10, "cifar100": 100, "in16": 120}
EDGES = ("0_1", "0_2", "1_2", "0_3", "1_3", "2_3")
OPERATIONS = ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
NUM_CELLS = 5**6


def architecture(row):
    return Architecture({f"cell/{edge}": OPERATIONS[int(code)] for edge, code in zip(EDGES, row["ops"], strict=True)})


@pytest.fixture(scope="module")
def nas_bench_201_rows(shared_data):
    with gzip.open(shared_data / "nb201_topology.csv.gz", "rt", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("count", [1, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_networks_of_nas_bench_201_have_the_parameters_and_flops_of_the_table(nas_bench_201_rows, count):
    assert len(nas_bench_201_rows) == NUM_CELLS
    models = {dataset: NasBench201(num_labels=num_labels) for dataset, num_labels in DATASETS.items()}
    for row in random.Random(0).sample(nas_bench_201_rows, count):
        for dataset, model in models.items():
            network = freeze(model, architecture(row), weights="fresh")
            assert count_params(network) == int(row[f"{dataset}_params"]), (dataset, row["arch"])
            if dataset == "cifar10":
                multiply_adds = count_flops(network, torch.zeros(1, 3, 32, 32)) / 2
                assert multiply_adds / 1e6 == pytest.approx(float(row["cifar10_mflops"]), rel=1e-5), row["arch"]


def test_the_published_cells_of_nas_bench_201_are_the_best_of_the_table(nas_bench_201_rows):
    for dataset, name in {"cifar10": "cifar10", "cifar100": "cifar100", "in16": "imagenet16-120"}.items():
        best = max(nas_bench_201_rows, key=lambda row: float(row[f"{dataset}_test_200"]))
        assert NasBench201.published(f"best-{name}") == architecture(best)


def test_the_published_cell_of_nas_bench_101_is_the_best_of_the_subset(shared_data):
    table = np.load(shared_data / "nb101_1shot1.npz")
    best = int(table["test"][:, -1].mean(axis=1).argmax())
    count, names = int(table["num_vertices"][best]), table["op_names"]
    published = NasBench101.published("best-1shot1")
    assert published["cell/num_nodes"] == count
    for vertex in range(1, count):
        sources = np.flatnonzero(table["adjacency"][best][:vertex, vertex])
        assert published[f"cell/input{vertex}"] == tuple(sources.tolist())
        if vertex < count - 1:
            assert published[f"cell/op{vertex}"] == names[table["ops"][best][vertex]]


@pytest.mark.parametrize(("name", "model"), [("nasbench101", NasBench101), ("nasbench201", NasBench201)])
def test_the_space_of_a_table_is_that_of_the_model(name, model):
    assert extract_space(model()) == get_benchmark(name).space
