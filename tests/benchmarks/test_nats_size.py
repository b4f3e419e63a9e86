import gzip
import json
from typing import ClassVar

import pytest
from published_records import record, write

from retiarii.benchmarks import BENCHMARKS
from retiarii.benchmarks.nats_size import (
    CHANNELS,
    LAYERS,
    NatsSizeIntermediateStats,
    NatsSizeTable,
    NatsSizeTrialConfig,
    NatsSizeTrialStats,
    query_nats_size_trial_stats,
)
from retiarii.errors import ArchitectureError, BenchmarkError, ConfigError
from retiarii.evaluator import TrialContext


def sizes(text):
    return dict(zip(LAYERS, map(int, text.split(":")), strict=True))


def test_published_records_give_exactly_the_published_numbers(shared_data):
    """Every seed, dataset and epoch of three records; the reference has 4 decimals for accuracies and 5 for losses."""
    table = NatsSizeTable()
    assert table.build(shared_data / "nats_original", partial=True).num_added == 3
    with gzip.open(shared_data / "nats_bench_curves_6archs.json.gz", "rt") as file:
        expected = [row for row in json.load(file) if row["space"] == "sss"]
    found = {}
    for trial in query_nats_size_trial_stats(None, None, None, include_intermediates=True):
        config = trial["config"]
        found[tuple(config["arch"].items()), config["num_epochs"], config["dataset"], trial["seed"]] = trial
    assert len(found) == len(expected) == 60
    for row in expected:
        trial = found[tuple(sizes(row["arch"]).items()), int(row["hp"]), row["dataset"].lower(), row["seed"]]
        assert {*trial} == {*NatsSizeTrialStats.__annotations__}
        assert {*trial["config"]} == {*NatsSizeTrialConfig.__annotations__}
        assert (trial["parameters"], trial["flops"]) == (row["params_M"], row["mflops"])
        assert trial["training_time"] == pytest.approx(row["epoch_train_time"] * int(row["hp"]), rel=1e-12)
        rows = trial["intermediates"]
        assert [round(r["train_acc"], 4) for r in rows] == row["train_acc"]
        assert [round(r["train_loss"], 5) for r in rows] == row["train_loss"]
        names = {"x-valid": "valid", "x-test": "test", "ori-test": "ori_test"}
        for key, accuracy in row["eval_acc"].items():
            split, epoch = key.split("@")
            at = rows[int(epoch)]
            assert {*at} == {*NatsSizeIntermediateStats.__annotations__}
            assert round(at[f"{names[split]}_acc"], 4) == accuracy
            assert round(at[f"{names[split]}_loss"], 5) == row["eval_loss"][key]
    assert table.verify() == []
    assert table.best()["best test accuracy on cifar10"] == max(
        row["eval_acc"]["ori-test@89"] for row in expected if (row["hp"], row["dataset"]) == ("90", "cifar10")
    )


def test_every_architecture_has_a_number_of_its_own():
    numbers = {NatsSizeTable.nats.number_of(NatsSizeTable.nats.architecture(number)) for number in range(32_768)}
    assert numbers == {*range(32_768)}
    assert NatsSizeTable.num_architectures == len(CHANNELS) ** len(LAYERS) == 32_768
    assert NatsSizeTable.nats.architecture(0) == sizes("8:8:8:8:8")
    assert BENCHMARKS.get("nats_size") is NatsSizeTable


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (sizes("8:8:8:8:9"), r"channels of layer5 are 9, expected one of \[8, 16, 24"),
        ({**sizes("8:8:8:8:8"), "layer1": "8"}, "channels of layer1 are '8'"),
        ({**sizes("8:8:8:8:8"), "layer2": 8.5}, "channels of layer2 are 8.5"),
        ({**sizes("8:8:8:8:8"), "layer6": 8}, "expected layer1, layer2, layer3, layer4, layer5"),
        ({"layer1": 8}, "has channels for layer1, expected layer1, layer2"),
        ("8:8:8:8:8", "expected a dict with the channels of layer1"),
    ],
)
def test_an_architecture_outside_the_space_is_named(arch, message):
    with pytest.raises(ArchitectureError, match=message):
        query_nats_size_trial_stats(arch, 90, "cifar10")


def test_conditions_and_missing_tables_are_named(shared_data):
    with pytest.raises(ConfigError, match="num_epochs is 200, expected one of 1, 12, 90"):
        query_nats_size_trial_stats(None, 200, None)
    with pytest.raises(BenchmarkError, match="retiarii benchmarks build nats_size FOLDER"):
        query_nats_size_trial_stats(None, 90, None)
    NatsSizeTable().build(shared_data / "nats_original", partial=True)
    with pytest.raises(BenchmarkError, match="it has 3 of 32,768"):
        query_nats_size_trial_stats(sizes("64:64:64:64:64"), 90, None)
    means = list(query_nats_size_trial_stats(sizes("8:8:8:8:8"), 12, "cifar10", reduction="mean"))
    assert [mean["seed"] for mean in means] == [None]


def test_the_space_is_searched_with_the_numbers_of_the_queries(shared_data):
    table = NatsSizeTable()
    table.build(shared_data / "nats_original", partial=True)
    assert table.space.size == 32_768
    architecture = table.space.architecture(sizes("8:8:40:32:40"))
    (trial,) = query_nats_size_trial_stats(sizes("8:8:40:32:40"), 90, "cifar100")
    evaluator = table.evaluator("cifar100", fidelity=90)
    told = evaluator.evaluate(architecture, TrialContext())
    assert (told["default"], told["test_acc"]) == pytest.approx((trial["valid_acc"], trial["test_acc"]))
    assert table.fidelities("cifar100") == {"epochs": (1.0, 12.0, 90.0)}


def test_verify_compares_a_complete_table_with_what_is_published(shared_data):
    class Small(NatsSizeTable):
        num_architectures = 3
        known_best_test: ClassVar = {"cifar100": 90.0}

    assert Small().build(shared_data / "nats_original").num_architectures == 3
    trials = list(query_nats_size_trial_stats(None, 90, "cifar10"))
    average = sum(trial["test_acc"] for trial in trials) / 3
    best, mean = Small().verify()
    assert best.startswith("the best mean test accuracy on cifar100 is ")
    assert mean == f"the average test accuracy on cifar10 is {average:.2f}, published is 91.0855"


def test_records_of_the_other_space_are_refused(tmp_path):
    write(tmp_path / "000000.pickle.pbz2", record(0))
    with pytest.raises(BenchmarkError, match=r"not a record of NATS-Bench's size space .it has no '01'"):
        NatsSizeTable().build(tmp_path, partial=True)
    content = {f"{epochs:02}": {"arch_str": "8:8:8:8:80", "arch_index": 0} for epochs in (1, 12, 90)}
    write(tmp_path / "000000.pickle.pbz2", content)
    with pytest.raises(BenchmarkError, match="its architecture is '8:8:8:8:80', expected channels such as"):
        NatsSizeTable().build(tmp_path, partial=True)
    with pytest.raises(BenchmarkError, match="Expected NATS-sss-v1_0-50262-simple"):
        NatsSizeTable().build(tmp_path / "lost", partial=True)
