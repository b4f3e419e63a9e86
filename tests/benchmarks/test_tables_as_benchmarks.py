"""Tables as benchmarks: their spaces and evaluators have the numbers of the queries."""

import numpy as np
import pytest

from retiarii.benchmarks import BENCHMARKS, Benchmark, BenchmarkTable, get_benchmark
from retiarii.benchmarks.nasbench201 import query_nb201_trial_stats
from retiarii.errors import BenchmarkError, ConfigError
from retiarii.evaluator import TrialContext
from retiarii.trial import Fidelity


def evaluated(evaluator, architecture, **context):
    reports = []
    told = TrialContext(on_report=reports.append, **context)
    result = evaluator.evaluate(architecture, told)
    return [*reports, result], evaluator.seconds(architecture, told)


def mean(arch, epochs, dataset):
    (found,) = query_nb201_trial_stats(arch, epochs, dataset, reduction="mean")
    return found


@pytest.mark.parametrize("name", [name for name in BENCHMARKS.names() if name != "nds"])
def test_every_table_of_a_whole_space_is_a_benchmark(name):
    benchmark = get_benchmark(name)
    assert isinstance(benchmark, BenchmarkTable)
    assert isinstance(benchmark, Benchmark)
    assert benchmark.datasets
    assert benchmark.space.size >= benchmark.num_architectures
    with pytest.raises(BenchmarkError, match=f"retiarii benchmarks build {name}"):
        benchmark.evaluator()


def test_an_unknown_name_is_named():
    with pytest.raises(ConfigError, match="Did you mean 'nasbench201'"):
        get_benchmark("nasbench210")


@pytest.mark.parametrize("dataset", ["cifar100", "imagenet16-120", "cifar10-valid"])
def test_a_cell_has_the_means_of_its_seeds(table, dataset):
    cell = next(query_nb201_trial_stats(None, 200, dataset))["config"]["arch"]
    architecture = table.space.architecture({f"cell/{edge}": name for edge, name in cell.items()})
    [short, found], seconds = evaluated(table.evaluator(dataset), architecture)
    long = mean(cell, 200, dataset)
    for name in ("valid_acc", "test_acc", "train_acc", "parameters", "flops", "latency"):
        assert short[name] == pytest.approx(mean(cell, 12, dataset)[name], rel=1e-12)
        assert found[name] == pytest.approx(long[name], rel=1e-12)
    assert found["default"] == found["valid_acc"]
    assert seconds == pytest.approx([mean(cell, 12, dataset)["training_time"], long["training_time"]])
    cheap = table.evaluator(dataset, fidelity=12, cost="proportional", metrics=["test_acc@200"])
    [told], [spent] = evaluated(cheap, architecture)
    expected = mean(cell, 12, dataset)["valid_acc"]
    assert told == pytest.approx({"valid_acc": expected, "default": expected, "test_acc@200": long["test_acc"]})
    assert spent == pytest.approx(long["training_time"] * 12 / 200)


def test_cifar10_has_the_validation_of_one_half_and_the_test_of_all_images(table):
    cell = next(query_nb201_trial_stats(None, 200, "cifar10"))["config"]["arch"]
    architecture = table.space.architecture({f"cell/{edge}": name for edge, name in cell.items()})
    [_, found], seconds = evaluated(table.evaluator(), architecture)
    half, whole = mean(cell, 200, "cifar10-valid"), mean(cell, 200, "cifar10")
    assert (found["valid_acc"], found["test_acc"]) == pytest.approx((half["valid_acc"], whole["test_acc"]))
    assert seconds[-1] == pytest.approx(half["training_time"])


def test_a_seed_is_one_training(table):
    cell = next(query_nb201_trial_stats(None, 200, "cifar100"))["config"]["arch"]
    architecture = table.space.architecture({f"cell/{edge}": name for edge, name in cell.items()})
    evaluator = table.evaluator("cifar100", noise="seed")
    trials = {trial["valid_acc"]: trial["test_acc"] for trial in query_nb201_trial_stats(cell, 200, "cifar100")}
    drawn = [evaluated(evaluator, architecture, seed=seed, fidelity=Fidelity(epochs=200))[0][-1] for seed in range(30)]
    assert {told["valid_acc"]: told["test_acc"] for told in drawn} == trials
    assert len(trials) == 3


def test_cells_that_a_partial_table_lacks_have_no_results(table):
    evaluator = table.evaluator("cifar100")
    absent = table.space.architecture(dict.fromkeys([choice.label for choice in table.space], "conv_1x1"))
    with pytest.raises(BenchmarkError, match="no 'valid_acc'"):
        evaluated(evaluator, absent)
    assert np.isfinite(evaluator.seconds(absent, TrialContext())).all()  # the median
