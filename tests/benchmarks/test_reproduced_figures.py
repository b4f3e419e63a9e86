"""Searches on the real results of NAS-Bench-201 give the figures that are known."""

from pathlib import Path

import pytest
from nb201_frame import LABELS, nb201_frame

from retiarii.benchmarks import TabularBenchmark
from retiarii.benchmarks.report import compare
from retiarii.strategy import Random, RegularizedEvolution
from retiarii.testing.tables import nas_bench_201_table

ROOT = Path(__file__).resolve().parents[2]
EVOLUTION = RegularizedEvolution(population_size=10, sample_size=3)
KNOWN = {"cifar10": (20_000, 93.88, 94.12), "cifar100": (40_000, 71.57, 72.36), "in16": (120_000, 45.28, 45.9)}


def benchmark(folder, dataset, metrics):
    return TabularBenchmark(nb201_frame(folder, dataset), choices=LABELS, metrics=metrics, seconds="seconds")


def searched(shared_data, dataset, seeds):
    """The mean test accuracies of random search and evolution in the time of NATS-Bench, and their standard errors."""
    evaluator = benchmark(shared_data, dataset, ["valid_12", "test_200"]).evaluator()
    strategies = {"random": Random(), "evolution": EVOLUTION}
    found = compare(strategies, evaluator, score="test_200", seconds=KNOWN[dataset][0], seeds=seeds, processes=1)
    return [(row.mean, row.standard_error) for row in found.standings()]


def check(shared_data, dataset, seeds):
    for (mean, error), known in zip(searched(shared_data, dataset, seeds), KNOWN[dataset][1:], strict=True):
        assert abs(mean - known) < 0.2
        assert abs(mean - known) < 4 * error + 0.1  # of a mean over 500 seeds, which is rounded


def test_few_searches_on_cifar10_come_near_the_known_figures(shared_data):
    check(shared_data, "cifar10", 25)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("dataset", KNOWN)
def test_many_searches_give_the_known_figures(shared_data, dataset):
    check(shared_data, dataset, 200)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [10, 100, 1000])
def test_the_mean_of_random_search_on_real_results_is_the_exact_expectation(shared_data, count):
    exact = nas_bench_201_table(ROOT).expected_best_of_random(count)
    evaluator = benchmark(shared_data, "cifar100", ["valid_200"]).evaluator()
    (row,) = compare({"random": Random()}, evaluator, trials=count, seeds=200, processes=1).standings()
    assert abs(row.mean - exact) < 4 * row.standard_error
