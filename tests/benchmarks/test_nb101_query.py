import json

import numpy as np
import pytest
from published_nb101 import accuracy, cell_records, random_cells, write_records

from retiarii.benchmarks.nasbench101 import (
    CONV1X1_BN_RELU,
    CONV3X3_BN_RELU,
    INPUT,
    MAXPOOL3X3,
    OUTPUT,
    Nb101IntermediateStats,
    Nb101Table,
    Nb101TrialConfig,
    Nb101TrialStats,
    query_nb101_trial_stats,
)
from retiarii.benchmarks.nasbench101._nb101_cells import arch_of_cell, cell_of_arch
from retiarii.benchmarks.nasbench101._nb101_hash import hash_of_cell
from retiarii.errors import ArchitectureError, BenchmarkError, ConfigError

ARCH = {
    "op1": CONV3X3_BN_RELU,
    "op2": MAXPOOL3X3,
    "op3": CONV1X1_BN_RELU,
    "input1": [0],
    "input2": [0],
    "input3": [0, 1],
    "input4": [2, 3],
}
RENUMBERED = {
    "op1": MAXPOOL3X3,
    "op2": CONV3X3_BN_RELU,
    "op3": CONV1X1_BN_RELU,
    "input1": [0],
    "input2": [0],
    "input3": [0, 2],
    "input4": [1, 3],
}
CELLS = [cell_of_arch(ARCH), *random_cells(3)]


@pytest.fixture(autouse=True)
def table(tmp_path):
    """The table of four cells."""
    path = write_records(tmp_path / "nasbench_full.tfrecord", cell_records(CELLS))
    Nb101Table().build(path, partial=True)


def test_a_trial_has_every_field_with_its_unit():
    trial, *others = query_nb101_trial_stats(ARCH, 12)
    value = accuracy(0, 12, 0)
    assert trial == {
        "config": {"arch": ARCH, "num_vertices": 5, "hash": hash_of_cell(CELLS[0]), "num_epochs": 12},
        "train_acc": 100 * (value + 0.25),
        "valid_acc": 100 * value,
        "test_acc": 100 * (value + 0.125),
        "parameters": 1.0,
        "training_time": 120.0,
    }
    assert [other["training_time"] for other in others] == [121.0, 122.0]
    assert {*trial, "intermediates"} == {*Nb101TrialStats.__annotations__}
    assert {*trial["config"]} == {*Nb101TrialConfig.__annotations__}


def test_intermediates_are_the_results_halfway_and_at_the_end():
    trial = next(query_nb101_trial_stats(ARCH, 36, include_intermediates=True))
    value = accuracy(0, 36, 0)
    halfway, end = trial["intermediates"]
    assert halfway == {
        "current_epoch": 18,
        "train_acc": 100 * (value + 0.0625),
        "valid_acc": 50 * value,
        "test_acc": 25 * value,
        "training_time": 180.0,
    }
    assert {*halfway} == {*Nb101IntermediateStats.__annotations__}
    assert end == {"current_epoch": 36, **{name: trial[name] for name in halfway if name != "current_epoch"}}


def test_means_are_over_the_three_trainings():
    (mean,) = query_nb101_trial_stats(ARCH, 108, reduction="mean", include_intermediates=True)
    trials = list(query_nb101_trial_stats(ARCH, 108, reduction="none"))
    assert len(trials) == 3
    for name in ("train_acc", "valid_acc", "test_acc", "parameters", "training_time"):
        assert mean[name] == pytest.approx(sum(trial[name] for trial in trials) / 3, rel=1e-12)
    assert mean["intermediates"][0]["training_time"] == 540.5
    assert mean["config"] == trials[0]["config"]


def test_none_is_a_wildcard():
    trials = list(query_nb101_trial_stats(None, None))
    assert len(trials) == 4 * 4 * 3
    assert [trial["config"]["num_epochs"] for trial in trials[::12]] == [4, 12, 36, 108]
    of_arch = list(query_nb101_trial_stats(ARCH, None))
    assert of_arch == [trial for trial in trials if trial["config"]["arch"] == ARCH]
    means = list(query_nb101_trial_stats(None, 4, reduction="mean"))
    assert [trial["config"]["arch"] for trial in means] == [arch_of_cell(cell) for cell in CELLS]
    assert len({json.dumps(trial) for trial in trials}) == len(trials)


def test_another_numbering_and_idle_vertices_are_found_only_with_isomorphism():
    expected = list(query_nb101_trial_stats(ARCH, 4))
    idle = {**ARCH, "op4": MAXPOOL3X3, "input4": [2], "input5": [2, 3]}
    for arch in (RENUMBERED, idle):
        assert list(query_nb101_trial_stats(arch, 4)) == expected
        assert list(query_nb101_trial_stats(arch, 4, isomorphism=False)) == []
    assert list(query_nb101_trial_stats(ARCH, 4, isomorphism=False)) == expected
    query_nb101_trial_stats(arch, 4, isomorphism=False).close()  # a generator, as all queries return
    reordered = {**ARCH, "input4": [3, 2]}
    assert list(query_nb101_trial_stats(reordered, 4, isomorphism=False)) == expected


def test_results_can_be_changed_without_changing_others():
    first, second, _ = query_nb101_trial_stats(ARCH, 4)
    first["config"]["arch"]["input1"].append(7)
    assert second["config"]["arch"] == ARCH
    assert next(query_nb101_trial_stats(ARCH, 4))["config"]["arch"] == ARCH


@pytest.mark.parametrize("isomorphism", [True, False])
def test_an_architecture_that_a_partial_table_lacks_is_an_error(isomorphism):
    arch = {"op1": MAXPOOL3X3, "op2": MAXPOOL3X3, "op3": MAXPOOL3X3, **{f"input{i}": [i - 1] for i in range(1, 5)}}
    with pytest.raises(BenchmarkError, match=r"does not have the architecture .*it has 4 of 423,624"):
        query_nb101_trial_stats(arch, 108, isomorphism=isomorphism)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((ARCH, 100), ConfigError, "num_epochs is 100, expected one of 4, 12, 36, 108, or None for all"),
        ((ARCH, 4, True, "median"), ConfigError, "reduction is 'median', expected None, 'none' or 'mean'"),
        (({"op1": "conv"}, 4), ArchitectureError, "lacks 'input1'|has the key 'op1'"),
        ((str(ARCH), 4), ArchitectureError, "expected a dict with op1"),
    ],
)
def test_impossible_conditions_are_named_at_the_call(arguments, error, message):
    with pytest.raises(error, match=message):
        query_nb101_trial_stats(*arguments)


def test_numbers_of_numpy_are_conditions_as_well():
    trial = next(query_nb101_trial_stats(ARCH, np.int64(12)))
    assert type(trial["config"]["num_epochs"]) is int


def test_a_damaged_table_is_named():
    Nb101Table().status().path.write_bytes(b"no database at all")
    with pytest.raises(BenchmarkError, match=r"nasbench101.db.*retiarii benchmarks build nasbench101"):
        query_nb101_trial_stats(ARCH, 4)


def test_without_a_table_the_error_says_how_to_build_it():
    Nb101Table().status().path.unlink()
    with pytest.raises(BenchmarkError, match=r"There is no table .*retiarii benchmarks build nasbench101 FOLDER"):
        query_nb101_trial_stats(None, 4)


def test_the_constants_are_those_of_nni():
    assert (INPUT, OUTPUT) == ("input", "output")
    assert [CONV3X3_BN_RELU, CONV1X1_BN_RELU, MAXPOOL3X3] == ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]
