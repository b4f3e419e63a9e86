import math
import os
import pickle

import numpy as np
import pytest
from hardware_records import CLASSES, METRICS, content_of, real_content

from retiarii.benchmarks import TableState
from retiarii.benchmarks.hw_nasbench import (
    HARDWARE_DATASETS,
    HARDWARE_METRICS,
    HwNasConfig,
    HwNasStats,
    HwNasTable,
    query_hwnas_stats,
)
from retiarii.benchmarks.nasbench201._cell_codes import cell_of_number, number_of_published
from retiarii.errors import ArchitectureError, BenchmarkError, ConfigError

NAME = "HW-NAS-Bench-v1_0.pickle"
ARCHS = [
    "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
]
CELLS = [cell_of_number(number_of_published(arch)) for arch in ARCHS]


def small_content():
    costs = {
        (dataset, metric): [10.0 * row + column + number / 100 for row in (1, 2)]
        for number, dataset in enumerate(CLASSES)
        for column, metric in enumerate(METRICS)
    }
    return content_of(ARCHS, costs)


@pytest.fixture
def published(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(pickle.dumps(small_content(), protocol=3))
    return path


@pytest.fixture
def table(published):
    table = HwNasTable()
    table.build(published, partial=True)
    return table


def test_all_real_costs_are_read_back_exactly(shared_data, tmp_path):
    content = real_content(shared_data)
    (tmp_path / NAME).write_bytes(pickle.dumps(content, protocol=4))
    table = HwNasTable()
    assert table.build(tmp_path).num_architectures == 15_625
    assert (table.status().state, table.verify()) == (TableState.COMPLETE, [])
    archs = [row["arch_str"] for row in content["nasbench201"]["cifar10"]["config"]]
    positions = {tuple(_operators(arch)): position for position, arch in enumerate(archs)}
    for name, published_name in zip(HARDWARE_DATASETS, CLASSES, strict=True):
        part = content["nasbench201"][published_name]
        columns = {metric: [None if math.isnan(value) else value for value in part[metric]] for metric in METRICS}
        rows = list(query_hwnas_stats(None, name))
        found = [positions[tuple(row["config"]["arch"].values())] for row in rows]
        assert sorted(found) == [*range(15_625)]
        for metric, column in columns.items():
            assert [row[metric] for row in rows] == [column[position] for position in found]


def _operators(arch):
    return [name.split("~")[0].removeprefix("nor_") for name in arch.replace("+", "").split("|") if name]


@pytest.mark.usefixtures("table")
def test_the_costs_of_a_network_have_every_field():
    (costs,) = query_hwnas_stats(CELLS[1], "cifar100")
    expected = {metric: 20.0 + column + 0.01 for column, metric in enumerate(METRICS)}
    assert costs == {"config": {"arch": CELLS[1], "dataset": "cifar100"}, **expected}
    assert {*costs} == {*HwNasStats.__annotations__}
    assert {*costs["config"]} == {*HwNasConfig.__annotations__}
    assert HARDWARE_METRICS == METRICS
    assert [row["config"]["dataset"] for row in query_hwnas_stats(CELLS[0], None)] == list(HARDWARE_DATASETS)
    assert len(list(query_hwnas_stats(None, None))) == 6


@pytest.mark.usefixtures("table")
def test_mistakes_in_queries_are_named():
    with pytest.raises(ArchitectureError, match=r"edge 1_2 is 'conv3x3'.*Did you mean 'conv_3x3'"):
        query_hwnas_stats({**CELLS[0], "1_2": "conv3x3"}, "cifar10")
    with pytest.raises(ConfigError, match=r"dataset is 'imagenet'.*Did you mean 'imagenet16-120'"):
        query_hwnas_stats(CELLS[0], "imagenet")
    with pytest.raises(BenchmarkError, match=r"does not have the architecture .*it has 2 of 15,625"):
        query_hwnas_stats(dict.fromkeys(CELLS[0], "conv_3x3"), "cifar10")


def test_without_a_table_the_error_says_how_to_build_it():
    with pytest.raises(BenchmarkError, match=r"There is no table of HW-NAS-Bench .*build hw_nasbench"):
        query_hwnas_stats(None, "cifar10")


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize(
    "form",
    [
        np.array,
        lambda values: np.array(values, dtype=">f4"),
        lambda values: np.array([values]).T,
        lambda values: [np.float64(value) for value in values],
        lambda values: np.array([*values, None], dtype=object)[:-1],
    ],
)
def test_costs_may_be_arrays_or_lists(tmp_path, form, protocol):
    content = small_content()
    part = content["nasbench201"]["cifar10"]
    part["fpga_energy"] = form([0.5, 2.25])
    path = tmp_path / NAME
    data = pickle.dumps(content, protocol=protocol)
    path.write_bytes(data.replace(b"numpy._core", b"numpy.core") if protocol < 4 else data)
    HwNasTable().build(path, partial=True)
    assert [next(query_hwnas_stats(cell, "cifar10"))["fpga_energy"] for cell in CELLS] == [0.5, 2.25]


@pytest.mark.parametrize("missing", [float("nan"), None, 0, float("inf")])
def test_what_was_not_measured_is_none(tmp_path, missing):
    content = small_content()
    content["nasbench201"]["cifar10"]["edgetpu_latency"][0] = missing
    (tmp_path / NAME).write_bytes(pickle.dumps(content))
    table = HwNasTable()
    table.build(tmp_path, partial=True)
    (costs,) = query_hwnas_stats(CELLS[0], "cifar10")
    assert costs["edgetpu_latency"] is None
    assert table.verify() == []


def test_a_table_with_gaps_is_not_taken(tmp_path):
    content = small_content()
    content["nasbench201"]["cifar10"]["fpga_energy"][0] = None
    (tmp_path / NAME).write_bytes(pickle.dumps(content))
    with pytest.raises(BenchmarkError, match="1 of 2 cells have fpga_energy on cifar10"):
        HwNasTable().build(tmp_path, partial=True)


class Malicious:
    def __reduce__(self):
        return os.system, ("echo harm",)


def _changed(change):
    content = small_content()
    change(content["nasbench201"])
    return pickle.dumps(content)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: pickle.dumps({"nasbench201": Malicious()}), r"asks for \w+.system, which is not plain data"),
        (lambda: _changed(lambda part: None)[:-50], "The pickle in .* is damaged"),
        (lambda: b"", "The pickle in .* is damaged"),
        (lambda: pickle.dumps([1, 2]), "is not the pickle of HW-NAS-Bench"),
        (lambda: _changed(lambda part: part.pop("cifar100")), "it has no 'cifar100'"),
        (lambda: _changed(lambda part: part["cifar10"].pop("config")), "it has no 'config'"),
        (lambda: _changed(lambda part: part["cifar10"].pop("raspi4_latency")), "it has no 'raspi4_latency'"),
        (lambda: _changed(lambda part: part["cifar10"]["fpga_energy"].pop()), "1 values of fpga_energy, expected 2"),
        (lambda: _changed(lambda part: part["cifar10"].update(fpga_energy=["a", "b"])), "is not the pickle"),
        (lambda: _changed(lambda part: part["cifar10"].update(fpga_energy={1: 0.5, 2: 0.5})), "it has no 0"),
        (
            lambda: _changed(lambda part: part["cifar10"]["config"][0].update(arch_str="8:8")),
            "its architecture is '8:8'",
        ),
        (lambda: _changed(lambda part: part["cifar10"]["config"][0].update(arch_str=ARCHS[1])), "are there twice"),
    ],
)
def test_malicious_damaged_and_foreign_files_are_named_and_the_old_table_stays(table, published, capfd, data, message):
    before = table.status().path.read_bytes()
    published.write_bytes(data())
    with pytest.raises(BenchmarkError, match=message) as raised:
        table.build(published, partial=True)
    assert NAME in str(raised.value)
    assert table.status().path.read_bytes() == before
    assert "harm" not in capfd.readouterr().out


def test_arrays_that_lie_about_their_size_are_damage(tmp_path):
    data = pickle.dumps(small_content() | {"x": np.zeros(3)}, protocol=2)
    for wrong in (b"K\x04\x85", b"K\x02\x85"):  # of four and two numbers instead of three
        assert b"K\x03\x85" in data
        (tmp_path / NAME).write_bytes(data.replace(b"K\x03\x85", wrong))
        with pytest.raises(BenchmarkError, match="is damaged"):
            HwNasTable().build(tmp_path, partial=True)
