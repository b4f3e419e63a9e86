import json
import multiprocessing
import sqlite3
import threading

import numpy as np
import pytest
from published_records import accuracy, record, write

from retiarii.benchmarks.nasbench201 import (
    AVG_POOL_3X3,
    CONV_3X3,
    DATASETS,
    NONE,
    PRIMITIVES,
    SKIP_CONNECT,
    Nb201IntermediateStats,
    Nb201TrialConfig,
    Nb201TrialStats,
    query_nb201_trial_stats,
)
from retiarii.errors import ArchitectureError, BenchmarkError, ConfigError

ARCH = {"0_1": CONV_3X3, "0_2": NONE, "0_3": SKIP_CONNECT, "1_2": NONE, "1_3": NONE, "2_3": AVG_POOL_3X3}


@pytest.mark.usefixtures("table")
def test_a_trial_has_every_field_with_its_published_value():
    (trial,) = query_nb201_trial_stats(ARCH, 12, "cifar100")
    last = accuracy(0, 11, 111)
    assert trial == {
        "config": {"arch": ARCH, "num_epochs": 12, "num_channels": 16, "num_cells": 5, "dataset": "cifar100"},
        "seed": 111,
        "train_acc": last,
        "valid_acc": last + 0.25,
        "test_acc": last + 0.5,
        "ori_test_acc": last + 0.75,
        "train_loss": 2.0,
        "valid_loss": (last + 0.25) / 100,
        "test_loss": (last + 0.5) / 100,
        "ori_test_loss": (last + 0.75) / 100,
        "parameters": 0.1,
        "latency": 0.01,
        "flops": 15.5,
        "training_time": 18.0,
        "valid_evaluation_time": 0.5,
        "test_evaluation_time": 0.5,
        "ori_test_evaluation_time": 0.5,
    }
    assert {*trial, "intermediates"} == {*Nb201TrialStats.__annotations__}
    assert {*trial["config"]} == {*Nb201TrialConfig.__annotations__}


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(("dataset", "valid", "test"), [("cifar10", 0.75, 0.75), ("cifar10-valid", 0.25, 0.75)])
def test_datasets_without_evaluations_of_their_own_have_those_of_the_original_test_data(dataset, valid, test):
    (trial,) = query_nb201_trial_stats(ARCH, 12, dataset)
    last = accuracy(0, 11, 111)
    assert [trial["valid_acc"], trial["test_acc"], trial["ori_test_acc"]] == [last + valid, last + test, last + test]


@pytest.mark.usefixtures("table")
def test_none_is_a_wildcard_for_each_condition():
    trials = list(query_nb201_trial_stats(None, None, None))
    assert len(trials) == 3 * 4 * (1 + 3)
    assert len({json.dumps([trial["config"], trial["seed"]]) for trial in trials}) == len(trials)
    for config in ({"num_epochs": 200}, {"dataset": "cifar10"}, {"arch": ARCH}, {"arch": ARCH, "dataset": "cifar100"}):
        found = list(query_nb201_trial_stats(*(config.get(key) for key in ("arch", "num_epochs", "dataset"))))
        assert found == [trial for trial in trials if config.items() <= trial["config"].items()]
        assert found


@pytest.mark.usefixtures("table")
def test_means_are_over_the_seeds_of_one_configuration_and_leave_out_what_is_no_number():
    (mean,) = query_nb201_trial_stats(ARCH, 200, "cifar100", reduction="mean")
    assert mean["seed"] is None
    assert mean["test_acc"] == pytest.approx(accuracy(0, 199, 888) + 0.5, abs=1e-12)
    assert mean["train_loss"] == 2.0  # one of three is NaN
    assert (mean["parameters"], mean["training_time"]) == (0.1, 300.0)
    trials = list(query_nb201_trial_stats(ARCH, 200, "cifar100", reduction="none"))
    assert [(trial["seed"], trial["train_loss"]) for trial in trials] == [(777, 2.0), (888, None), (999, 2.0)]
    means = list(query_nb201_trial_stats(None, None, None, "mean"))
    assert [(m["config"]["num_epochs"], m["config"]["dataset"]) for m in means[::3]] == [
        (epochs, dataset) for epochs in (12, 200) for dataset in DATASETS
    ]


@pytest.mark.usefixtures("table")
def test_intermediates_are_the_results_after_each_epoch():
    trial = next(query_nb201_trial_stats(ARCH, 200, "cifar100", include_intermediates=True))
    first, *_, last = trial["intermediates"]
    assert {*first} == {*Nb201IntermediateStats.__annotations__}
    assert [row["current_epoch"] for row in trial["intermediates"]] == [*range(1, 201)]
    assert (first["train_acc"], first["valid_acc"]) == (accuracy(0, 0, 777), None)
    assert first["ori_test_acc"] == accuracy(0, 0, 777) + 0.75
    assert {name: last[name] for name in last if name != "current_epoch"} == {
        name: trial[name] for name in last if name != "current_epoch"
    }
    mean = next(query_nb201_trial_stats(ARCH, 200, "cifar100", "mean", include_intermediates=True))
    assert mean["intermediates"][0]["train_acc"] == pytest.approx(accuracy(0, 0, 888))
    assert mean["intermediates"][0]["valid_acc"] is None


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ({**ARCH, "1_2": "nor_conv_3x3"}, "edge 1_2 is 'nor_conv_3x3', expected one of .*Did you mean 'conv_3x3'"),
        ({**ARCH, "1_2": ["conv_3x3"]}, r"edge 1_2 is \['conv_3x3'\], expected one of"),
        ({**ARCH, "3_4": NONE}, "has the edge '3_4', expected only 0_1, 0_2, 1_2, 0_3, 1_3, 2_3"),
        ({"0_1": NONE}, "has no operator for 0_2, 1_2, 0_3, 1_3, 2_3"),
        ("|none~0|+", "expected a dict with an operator for each of"),
    ],
)
def test_an_architecture_outside_the_space_is_named(arch, message):
    with pytest.raises(ArchitectureError, match=message):
        query_nb201_trial_stats(arch, 200, "cifar10")


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((ARCH, 100, "cifar10"), "num_epochs is 100, expected one of 12, 200, or None for all"),
        ((ARCH, "200", "cifar10"), "num_epochs is '200'"),
        ((ARCH, True, "cifar10"), "num_epochs is True"),
        ((ARCH, 200, "ImageNet16-120"), "dataset is 'ImageNet16-120'.*Did you mean 'imagenet16-120'"),
        ((ARCH, 200, "cifar10", "median"), "reduction is 'median', expected None, 'none' or 'mean'"),
    ],
)
def test_impossible_conditions_are_named_at_the_call(arguments, message):
    with pytest.raises(ConfigError, match=message):
        query_nb201_trial_stats(*arguments)


def test_without_a_table_the_error_says_how_to_build_it():
    with pytest.raises(BenchmarkError, match=r"There is no table .*retiarii benchmarks build nasbench201 FOLDER"):
        query_nb201_trial_stats(ARCH, 200, "cifar10")


@pytest.mark.usefixtures("table")
def test_an_architecture_that_a_partial_table_lacks_is_an_error():
    with pytest.raises(BenchmarkError, match=r"does not have the architecture .*it has 3 of 15,625"):
        query_nb201_trial_stats(dict.fromkeys(ARCH, CONV_3X3), 200, "cifar10")


def test_a_table_that_is_replaced_is_read_anew(table, published):
    assert len(list(query_nb201_trial_stats(None, 12, "cifar10"))) == 3
    write(published / "000003.pickle.pbz2", record(3, "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"))
    table.build(published, partial=True)
    assert len(list(query_nb201_trial_stats(None, 12, "cifar10"))) == 4


@pytest.mark.usefixtures("table")
def test_a_forked_process_reads_by_a_connection_of_its_own():
    expected = list(query_nb201_trial_stats(ARCH, 200, "cifar10"))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_query) == expected


def _query():
    return list(query_nb201_trial_stats(ARCH, 200, "cifar10"))


def test_the_operators_are_those_of_nni():
    assert PRIMITIVES == ["none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3"]


@pytest.mark.parametrize("damage", [b"no database at all", b""])
def test_a_damaged_table_is_named(table, damage):
    path = table.status().path
    path.write_bytes(damage)
    with pytest.raises(BenchmarkError, match=r"nasbench201.db.*retiarii benchmarks build"):
        query_nb201_trial_stats(ARCH, 200, "cifar10")


@pytest.mark.usefixtures("table")
def test_numbers_of_numpy_are_conditions_as_well():
    (trial,) = query_nb201_trial_stats(ARCH, np.int64(12), "cifar100")
    assert type(trial["config"]["num_epochs"]) is int


@pytest.mark.skipif(sqlite3.threadsafety < 3, reason="this SQLite does not allow it")
@pytest.mark.usefixtures("table")
def test_another_thread_can_go_on_with_a_query():
    trials = query_nb201_trial_stats(None, 200, "cifar10")
    found = [next(trials)]
    thread = threading.Thread(target=lambda: found.extend(trials))
    thread.start()
    thread.join()
    assert len(found) == 9
