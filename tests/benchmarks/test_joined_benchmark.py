"""Benchmarks joined on their architectures, and costs for constraints."""

import csv
import gzip
import pickle
import random
import re
from pathlib import Path

import numpy as np
import pytest
from hardware_records import real_content
from nb201_frame import LABELS, nb201_frame

from retiarii import RetiariiExeConfig, RetiariiExperiment, at_least, at_most
from retiarii.benchmarks import JoinedBenchmark, MetricCost, TabularBenchmark, get_benchmark
from retiarii.benchmarks.hw_nasbench import HARDWARE_METRICS, HwNasTable, query_hwnas_stats
from retiarii.benchmarks.nasbench201 import Nb201Table
from retiarii.errors import BenchmarkError, ConfigError
from retiarii.evaluator import TrialContext
from retiarii.strategy import GridSearch, Random

ACCURACIES = [
    {"op": op, "width": width, "accuracy": accuracy, "epochs": epochs}
    for op, width, epochs, accuracy in [
        ("conv", 1, 1, 0.5),
        ("conv", 1, 9, 0.75),
        ("conv", 2, 1, 0.625),
        ("conv", 2, 9, 0.875),
        ("skip", 1, 1, 0.125),
        ("skip", 1, 9, 0.25),
    ]
]
LATENCIES = [
    {"width": 2, "op": "skip", "latency": 1.0, "seed": 0},
    {"width": 2, "op": "conv", "latency": 4.0, "seed": 0},
    {"width": 2, "op": "conv", "latency": 6.0, "seed": 1},
    {"width": 1, "op": "conv", "latency": 3.0, "seed": 0},
]


def accuracies():
    return TabularBenchmark(ACCURACIES, choices=["op", "width"], metrics=["accuracy"], fidelity="epochs", name="own")


def latencies(name="phone", metric="latency"):
    rows = [{metric if key == "latency" else key: value for key, value in row.items()} for row in LATENCIES]
    return TabularBenchmark(rows, choices=["op", "width"], metrics=[metric], seed="seed", name=name)


def told(benchmark, **values):
    reports = []
    result = benchmark.evaluator().evaluate(
        benchmark.space.architecture(values), TrialContext(on_report=reports.append)
    )
    return [*reports, result]


def test_metrics_are_joined_on_architectures_in_whatever_order_the_tables_have_them():
    joined = JoinedBenchmark(accuracies(), latencies(), latencies("board", "board_latency"))
    assert (joined.name, joined.metric, joined.datasets) == ("own+phone+board", "accuracy", ("default",))
    assert joined.space == accuracies().space
    short, long = told(joined, op="conv", width=2)
    assert long == {"accuracy": 0.875, "default": 0.875, "latency": 5.0, "board_latency": 5.0}
    assert (short["accuracy"], short["latency"]) == (0.625, 5.0)
    assert told(joined, op="conv", width=1)[-1]["latency"] == 3.0
    assert "latency" not in told(joined, op="skip", width=1)[-1]
    assert joined.table("default") is joined.table("default")
    assert joined.fidelities() == {"epochs": (1.0, 9.0)}


def test_what_cannot_be_joined_is_named():
    other = TabularBenchmark([{"op": "conv", "depth": 1, "latency": 1.0}], choices=["op", "depth"], metrics=["latency"])
    with pytest.raises(ConfigError, match=r"'own' and 'table' cannot be joined: .*'width'.*'depth'"):
        JoinedBenchmark(accuracies(), other)
    with pytest.raises(BenchmarkError, match="metric 'latency' of the benchmark 'board' is there already"):
        JoinedBenchmark(accuracies(), latencies(), latencies("board")).evaluator()
    with pytest.raises(ConfigError, match="no dataset 'cifar10'"):
        JoinedBenchmark(accuracies(), latencies()).evaluator("cifar10")


def test_a_cost_is_the_mean_at_the_highest_fidelity_or_at_that_of_its_name():
    joined = JoinedBenchmark(accuracies(), latencies())
    architecture = joined.space.architecture({"op": "conv", "width": 2})
    for benchmark in (joined, pickle.loads(pickle.dumps(joined))):
        cost = pickle.loads(pickle.dumps(benchmark.cost("latency")))
        assert isinstance(cost, MetricCost)
        assert cost(architecture) == 5.0
        assert benchmark.cost("accuracy")(architecture) == 0.875
        assert benchmark.cost("accuracy@1", "default")(architecture) == 0.625
    with pytest.raises(BenchmarkError, match=r"no metric 'latencies'.*Did you mean 'latency'"):
        joined.cost("latencies")
    assert str(at_most(joined.cost("latency"), 4)) == "latency <= 4"


def test_an_architecture_without_a_cost_keeps_no_bound():
    joined = JoinedBenchmark(accuracies(), latencies())
    absent = joined.space.architecture({"op": "skip", "width": 1})
    assert not at_most(joined.cost("latency"), 1e9)(absent)
    assert not at_least(joined.cost("latency"), -1e9)(absent)


def test_constraints_on_costs_are_checked_while_sampling():
    joined = JoinedBenchmark(accuracies(), latencies())
    config = RetiariiExeConfig("in_process", max_trial_number=2, constraints=[at_most(joined.cost("latency"), 4)])
    experiment = RetiariiExperiment(joined.space, joined.evaluator(), strategy=Random())
    experiment.run(config)
    found = [dict(trial.architecture) for trial in experiment.trials()]
    assert found == [{"op": "conv", "width": 1}] * len(found)
    assert found


def test_a_constraint_on_the_name_of_a_metric_is_kept_by_the_best():
    joined = JoinedBenchmark(accuracies(), latencies())
    config = RetiariiExeConfig("in_process", max_trial_number=4, constraints=[at_most("latency", 4)])
    experiment = RetiariiExperiment(joined.space, joined.evaluator(), strategy=GridSearch())
    experiment.run(config)
    (best,) = experiment.export_top_models(1, formatter="dict")
    assert dict(best) == {"op": "conv", "width": 1}


@pytest.fixture
def real(shared_data, tmp_path):
    """The real accuracies of NAS-Bench-201 on CIFAR-10 from a frame, with the real costs from the published pickle."""
    (tmp_path / "HW-NAS-Bench-v1_0.pickle").write_bytes(pickle.dumps(real_content(shared_data), protocol=4))
    HwNasTable().build(tmp_path)
    frame = nb201_frame(shared_data, "cifar10")
    frame |= {"valid_acc": frame["valid_200"], "test_acc": frame["test_200"]}
    choices = {label: ["none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3"] for label in LABELS}
    return TabularBenchmark(frame, choices=choices, metrics=["valid_acc", "test_acc"], name="nb201", dataset="cifar10")


def check_rows(benchmark, shared_data):
    """Rows of the published costs are numbered as those of NAS-Bench-201: both files have them in that order."""
    cost, frame = benchmark.cost("raspi4_latency"), nb201_frame(shared_data, "cifar10")
    with gzip.open(shared_data / "hwnasbench_nb201.csv.gz", "rt", newline="") as file:
        known = [float(row["cifar10__raspi4_latency"]) for row in csv.DictReader(file)]
    for index in random.Random(0).sample(range(15_625), 300):
        architecture = benchmark.space.architecture({label: frame[label][index] for label in LABELS})
        assert cost(architecture) == known[index]


def test_the_search_of_the_docs_for_accuracy_and_latency_keeps_its_bound(real, shared_data, monkeypatch, capsys):
    """The results of NAS-Bench-201 are those of the frame, which is there without a table."""
    check_rows(JoinedBenchmark(real, HwNasTable()), shared_data)
    page = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    (block,) = [code for code in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S) if "NSGA2()" in code]
    monkeypatch.setattr("retiarii.benchmarks.nasbench201.Nb201Table", lambda: real)
    names = {}
    exec(block, names)
    printed = capsys.readouterr().out
    front = names["experiment"].pareto_front()
    assert len(front) > 3
    for trial in front:
        assert "{valid_acc} {test_acc} {edgegpu_latency}\n".format(**trial.metrics) in printed
        arch = {label.removeprefix("cell/"): operator for label, operator in trial.architecture.items()}
        (costs,) = query_hwnas_stats(arch, "cifar10")
        assert costs["edgegpu_energy"] <= 20
        found = {name: trial.metrics.get(name) for name in HARDWARE_METRICS}
        assert found == {name: costs[name] for name in HARDWARE_METRICS}
    best = max(front, key=lambda trial: trial.metrics["valid_acc"]).metrics
    fast = min(front, key=lambda trial: trial.metrics["edgegpu_latency"]).metrics
    assert best["edgegpu_latency"] > fast["edgegpu_latency"]
    assert best["valid_acc"] > 88


@pytest.mark.usefixtures("table")
def test_the_table_of_nasbench201_is_joined_by_cells(tmp_path):
    from hardware_records import CLASSES, METRICS, content_of
    from published_records import PUBLISHED_ARCHS

    costs = {(dataset, metric): [1.5, 2.5, 3.5] for dataset in CLASSES for metric in METRICS}
    path = tmp_path / "HW-NAS-Bench-v1_0.pickle"
    path.write_bytes(pickle.dumps(content_of(PUBLISHED_ARCHS[::-1], costs)))
    hardware = get_benchmark("hw_nasbench")
    hardware.build(path, partial=True)
    joined = JoinedBenchmark(Nb201Table(), hardware)
    assert joined.datasets == ("cifar10", "cifar100", "imagenet16-120")
    cell = {
        "0_1": "conv_3x3",
        "0_2": "none",
        "1_2": "none",
        "0_3": "skip_connect",
        "1_3": "none",
        "2_3": "avg_pool_3x3",
    }
    architecture = joined.space.architecture({f"cell/{edge}": operator for edge, operator in cell.items()})
    found = joined.evaluator("cifar100").evaluate(architecture)
    alone = Nb201Table().evaluator("cifar100").evaluate(architecture)
    assert found == {**alone, **dict.fromkeys(METRICS, 3.5)}
    other = joined.space.architecture(dict.fromkeys([choice.label for choice in joined.space], "conv_3x3"))
    assert np.isnan(joined.cost("fpga_energy", "cifar100")(other))


def test_a_missing_part_is_named(shared_data, tmp_path):
    with pytest.raises(BenchmarkError, match="There is no table of NAS-Bench-201"):
        JoinedBenchmark(Nb201Table(), HwNasTable()).evaluator()
    with pytest.raises(BenchmarkError, match="There is no table of HW-NAS-Bench"):
        HwNasTable().cost("edgegpu_latency")
