import importlib.util
import itertools
import math
import os
import pickle
import shutil
import sys
import zipfile

import numpy as np
import pytest

from retiarii.benchmarks import TableState
from retiarii.benchmarks.nasbench_graph import (
    GRAPH_DATASETS,
    NODES,
    OPERATORS,
    PROTEINS_OPERATORS,
    SHAPES,
    NbGraphConfig,
    NbGraphStats,
    NbGraphTable,
    query_nbgraph_stats,
)
from retiarii.benchmarks.nasbench_graph._graph_codes import number_of_network
from retiarii.errors import ArchitectureError, BenchmarkError, ConfigError

ARCH = {"links": "0123", "op_1": "gcn", "op_2": "gat", "op_3": "fc", "op_4": "sage"}
NUMBER = 81074
OTHER = {"links": "0000", "op_1": "gcn", "op_2": "gcn", "op_3": "fc", "op_4": "skip"}
"""Networks of a small table; the second has its identity at the front in the table."""

REGRETS = {
    "cora": (0.033, 0.031),
    "citeseer": (0.028, 0.025),
    "pubmed": (0.027, 0.025),
    "photo": (0.014, 0.012),
    "computers": (0.030, 0.024),
    "cs": (0.012, 0.010),
    "physics": (0.017, 0.015),
    "arxiv": (0.0057, 0.0044),
}
"""The mean regret of random search after 50 and 200 trials."""


def result(value):
    return {"valid_perf": value, "perf": value / 2, "latency": 0.005, "para": np.float64(1.25)}


@pytest.fixture
def package(tmp_path):
    """A folder as the package, with two networks."""
    light = tmp_path / "nas_bench_graph" / "light"
    light.mkdir(parents=True)
    (light.parent / "__init__.py").write_text("raise RuntimeError('code of the package runs')")
    for position, dataset in enumerate(GRAPH_DATASETS):
        content = {NUMBER: result(0.5 + position / 100), 58117: result(0.25)}
        (light / f"{dataset}.bench").write_bytes(pickle.dumps(content, protocol=3))
    return light.parent


@pytest.fixture
def table(package):
    table = NbGraphTable()
    table.build(package, partial=True)
    return table


@pytest.fixture(scope="module")
def real_package():
    """The folder of the installed package, which is not imported."""
    spec = importlib.util.find_spec("nas_bench_graph")
    if spec is None:
        pytest.skip("needs the package nas-bench-graph: pip install 'retiarii[benchmarks]'")
    return spec.submodule_search_locations[0]


def check_real_table(real_package, datasets):
    """Build the table from the installed package, and compare it with the package."""
    table = NbGraphTable()
    table.build(table.installed_files())
    assert (table.status().state, table.verify()) == (TableState.COMPLETE, [])
    assert "nas_bench_graph" not in sys.modules
    for dataset in datasets:
        with open(f"{real_package}/light/{dataset}.bench", "rb") as file:
            published = pickle.load(file)
        found = list(query_nbgraph_stats(None, dataset))
        assert len(found) == len(published) == (2_021 if dataset == "proteins" else 26_206)
        numbers = [tuple(row[name] for name in ("valid_perf", "perf", "latency", "para")) for row in found]
        assert sorted(numbers) == sorted(tuple(map(float, row.values())) for row in published.values())
        if dataset in REGRETS:
            assert _regrets(found) == pytest.approx(REGRETS[dataset], abs=0.002)
        else:
            assert {row["config"]["arch"][node] for row in found for node in NODES} == {*PROTEINS_OPERATORS}


def test_the_real_table_gives_the_published_numbers(real_package):
    check_real_table(real_package, ["cora", "proteins"])


@pytest.mark.slow
def test_the_real_table_gives_the_published_numbers_of_all_datasets(real_package):
    check_real_table(real_package, GRAPH_DATASETS)


def _regrets(found):
    """The expected difference between the best test performance and that of the best on validation data of a sample.

    With the networks sorted by validation, the best of a sample is the i-th with probability C(N-i, n-1) / C(N, n).
    """
    rows = sorted(found, key=lambda row: -row["valid_perf"])
    tests, size = np.array([row["perf"] for row in rows]), len(rows)
    expected = []
    for count in (50, 200):
        ratios = 1 - (count - 1) / np.arange(size - 1, count - 1, -1)
        weights = count / size * np.concatenate([[1.0], np.cumprod(ratios)])
        expected.append(tests.max() - float(weights @ tests[: len(weights)]))
    return expected


def _published_hash(real_package):
    spec = importlib.util.spec_from_file_location("architecture_of_nas_bench_graph", f"{real_package}/architecture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda links, operators: module.Arch([*links], [*operators]).valid_hash()


def test_networks_are_the_same_if_the_package_says_so(real_package):
    published_hash = _published_hash(real_package)
    links = itertools.product((0,), range(2), range(3), range(4))
    every = itertools.product(links, itertools.product(OPERATORS, repeat=4))
    for taken, operators in itertools.islice(every, 0, None, 19):
        arch = {"links": "".join(map(str, taken)), **dict(zip(NODES, operators, strict=True))}
        number = published_hash(taken, operators)
        if {*operators} == {"skip"}:
            with pytest.raises(ArchitectureError, match="computes nothing"):
                number_of_network(arch)
        else:
            assert number_of_network(arch) == number


@pytest.mark.usefixtures("table")
def test_a_result_has_every_field():
    (row,) = query_nbgraph_stats(ARCH, "citeseer")
    assert row == {
        "config": {"arch": ARCH, "dataset": "citeseer"},
        "valid_perf": 0.51,
        "perf": 0.255,
        "latency": 0.005,
        "para": 1.25,
    }
    assert {*row} == {*NbGraphStats.__annotations__}
    assert {*row["config"]} == {*NbGraphConfig.__annotations__}
    assert [row["config"]["dataset"] for row in query_nbgraph_stats(ARCH, None)] == list(GRAPH_DATASETS)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    "arch",
    [
        OTHER,
        OTHER | {"op_1": "skip", "op_4": "gcn"},
        {"links": "0111", "op_1": "skip", "op_2": "fc", "op_3": "gcn", "op_4": "gcn"},
        {"links": "0012", "op_1": "gcn", "op_2": "skip", "op_3": "skip", "op_4": "fc"},
    ],
)
def test_forms_of_one_network_share_its_row(arch):
    if arch["links"] == "0012":
        with pytest.raises(BenchmarkError, match="does not have the architecture"):
            query_nbgraph_stats(arch, "cora")
        return
    (row,) = query_nbgraph_stats(arch, "cora")
    assert row["valid_perf"] == 0.25
    assert row["config"]["arch"] == {"links": "0111", "op_1": "skip", "op_2": "gcn", "op_3": "gcn", "op_4": "fc"}


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"op_2": "gate"}, "op_2 of the architecture is 'gate', expected one of .*Did you mean 'gat'"),
        ({"op_2": ["gat"]}, r"op_2 of the architecture is \['gat'\]"),
        ({"links": "0125"}, "links of the architecture is '0125', expected one of"),
        ({"links": [0, 1, 2, 3]}, r"links of the architecture is \[0, 1, 2, 3\]"),
        ({"op_5": "gat"}, "has the label 'op_5', expected only links, op_1"),
        (dict.fromkeys(NODES, "skip"), "All operators of the architecture are 'skip'"),
    ],
)
def test_an_architecture_outside_the_space_is_named(change, message):
    with pytest.raises(ArchitectureError, match=message):
        query_nbgraph_stats(ARCH | change, "cora")


@pytest.mark.usefixtures("table")
def test_other_mistakes_in_queries_are_named():
    with pytest.raises(ArchitectureError, match="has no op_3, op_4"):
        query_nbgraph_stats({"links": "0000", "op_1": "gat", "op_2": "gat"}, "cora")
    with pytest.raises(ArchitectureError, match="expected a dict with links"):
        query_nbgraph_stats("0000", "cora")
    with pytest.raises(ConfigError, match=r"dataset is 'kora'.*Did you mean 'cora'"):
        query_nbgraph_stats(ARCH, "kora")
    with pytest.raises(BenchmarkError, match="it has 2 of 26,206"):
        query_nbgraph_stats(ARCH | {"op_1": "gin"}, "cora")


def test_the_wheel_and_its_folders_give_the_same_table(package, tmp_path):
    wheel = tmp_path / "nas_bench_graph-1.4.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in package.rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path))
    found = []
    for source in (wheel, package.parent, package, package / "light"):
        NbGraphTable().build(source, partial=True)
        found.append(list(query_nbgraph_stats(None, None)))
        NbGraphTable().status().path.unlink()
    assert len(found[0]) == 18
    assert found[1:] == [found[0]] * 3


def test_progress_counts_the_datasets(package):
    seen = []
    NbGraphTable().build(package, partial=True, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 9) for done in range(1, 10)]


def test_missing_networks_are_an_error_without_partial(package):
    with pytest.raises(BenchmarkError, match=r"gives 2 of 26,206 architectures"):
        NbGraphTable().build(package)


def test_an_installed_package_is_found_without_running_its_code(package, monkeypatch):
    monkeypatch.syspath_prepend(str(package.parent))
    table = NbGraphTable()
    assert table.installed_files() == package
    assert table.build(table.installed_files(), partial=True).num_added == 2


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(NbGraphTable, "package", "no_such_package")
    with pytest.raises(BenchmarkError, match=r"no_such_package.* is not installed.*pip install no-such-package"):
        NbGraphTable().installed_files()


class Malicious:
    def __reduce__(self):
        return os.system, ("echo harm",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({NUMBER: Malicious()}, r"asks for \w+.system, which is not plain data"),
        ([1], "is not a file of NAS-Bench-Graph"),
        ({"81074": result(0.5)}, "it has the network '81074', expected a number"),
        ({98888: result(0.5)}, "there is no network with the number 98888"),
        ({88888: result(0.5)}, "there is no network with the number 88888"),
        ({-1: result(0.5)}, "there is no network with the number -1"),
        ({123456: result(0.5)}, "there is no network with the number 123456"),
        ({10: result(0.5)}, "there is no network with the number 10"),
        ({NUMBER: result(1.5)}, "valid_perf of the network 81074 is 1.5"),
        ({NUMBER: result(math.nan)}, "valid_perf of the network 81074 is nan"),
        ({NUMBER: {"valid_perf": 0.5}}, "it has no 'perf'"),
        ({NUMBER: np.zeros(3)}, "asks for numpy"),
    ],
)
def test_malicious_and_foreign_files_are_named_and_the_old_table_stays(table, package, capfd, content, message):
    before = table.status().path.read_bytes()
    (package / "light" / "pubmed.bench").write_bytes(pickle.dumps(content))
    with pytest.raises(BenchmarkError, match=message):
        table.build(package, partial=True)
    assert table.status().path.read_bytes() == before
    assert "harm" not in capfd.readouterr().out


def test_damaged_and_missing_files_are_named(package, tmp_path):
    path = package / "light" / "pubmed.bench"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BenchmarkError, match=r"pickle in pubmed.bench is damaged"):
        NbGraphTable().build(package, partial=True)
    path.unlink()
    with pytest.raises(BenchmarkError, match=r"There is no pubmed.bench"):
        NbGraphTable().build(package, partial=True)
    shutil.rmtree(package / "light")
    with pytest.raises(BenchmarkError, match=r"There is no published file in .*with files such as cora.bench"):
        NbGraphTable().build(package, partial=True)
    wheel = tmp_path / "cut.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("nas_bench_graph/light/citeseer.bench", b"")
    with pytest.raises(BenchmarkError, match=r"There is no cora.bench in .*cut.whl"):
        NbGraphTable().build(wheel, partial=True)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("nas_bench_graph/light/cora.bench", b"0123456789")
    wheel.write_bytes(wheel.read_bytes().replace(b"0123456789", b"9876543210"))
    with pytest.raises(BenchmarkError, match=r"cut.whl' cannot be read .*CRC"):
        NbGraphTable().build(wheel, partial=True)
    wheel.write_bytes(wheel.read_bytes()[:30])
    with pytest.raises(BenchmarkError, match=r"There is no published file in .*cut.whl.*Expected the wheel"):
        NbGraphTable().build(wheel, partial=True)
    with pytest.raises(BenchmarkError, match=r"There is no file or folder .*nothing"):
        NbGraphTable().build(tmp_path / "nothing", partial=True)


def test_the_space_has_the_shapes_and_operators_of_the_paper():
    assert len(SHAPES) == 9
    assert len(OPERATORS) == 9


def test_forms_of_one_network_have_one_result_in_searches(table):
    assert table.space.size == 59_049
    evaluator = table.evaluator("citeseer")
    assert evaluator.evaluate(table.space.architecture(OTHER)) == {
        "valid_perf": 0.25,
        "default": 0.25,
        "perf": 0.125,
        "latency": 0.005,
        "para": 1.25,
    }
    same = table.space.architecture({"links": "0111", "op_1": "skip", "op_2": "fc", "op_3": "gcn", "op_4": "gcn"})
    assert evaluator.evaluate(same)["valid_perf"] == 0.25
    empty = table.space.architecture({"links": "0000", **dict.fromkeys(NODES, "skip")})
    assert not table.space.satisfies(empty)
    with pytest.raises(ArchitectureError, match="computes nothing"):
        evaluator.evaluate(empty)


def test_on_proteins_the_space_has_the_operators_that_were_trained(package):
    small = NbGraphTable(PROTEINS_OPERATORS)
    small.build(package, partial=True)
    assert small.space.size == 9 * 5**4
    assert small.evaluator("proteins").evaluate(small.space.architecture(OTHER))["perf"] == 0.125
    with pytest.raises(ConfigError, match=r"On 'proteins' only networks of .*NbGraphTable.PROTEINS_OPERATORS"):
        NbGraphTable().evaluator("proteins")
    with pytest.raises(ConfigError, match=r"operator 'gatt' is not one .*Did you mean 'gat'"):
        NbGraphTable(["gcn", "gatt"])
