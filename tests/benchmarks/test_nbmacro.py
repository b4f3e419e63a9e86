import csv
import gzip
import json
import math
import statistics
import zipfile

import pytest

from retiarii.benchmarks import BENCHMARKS, TableState, simulate
from retiarii.benchmarks.nasbench_macro import (
    BLOCKS,
    LAYERS,
    NbMacroTable,
    NbMacroTrialConfig,
    NbMacroTrialStats,
    query_nbmacro_trial_stats,
)
from retiarii.errors import ArchitectureError, BenchmarkError, ConfigError
from retiarii.evaluator import TrialContext
from retiarii.strategy import Random

NAME = "nas-bench-macro_cifar10.json"
ARCH = dict.fromkeys(LAYERS, "identity") | {"layer_0": "mb6_k5", "layer_7": "mb3_k3"}


def result(*accuracies, params=1_000, flops=2_000):
    """What the authors publish about one network."""
    return {
        "test_acc": list(accuracies),
        "mean_acc": statistics.fmean(accuracies),
        "std": statistics.pstdev(accuracies),
        "params": params,
        "flops": flops,
    }


@pytest.fixture
def published(tmp_path):
    """A folder with the published file, in which there are two networks."""
    folder = tmp_path / "NAS-Bench-Macro" / "data"
    folder.mkdir(parents=True)
    content = {"20000001": result(80.0, 81.0, 85.0), "00000000": result(45.0, 46.0, 47.0, params=7)}
    (folder / NAME).write_text(json.dumps(content))
    return folder / NAME


@pytest.fixture
def table(published):
    table = NbMacroTable()
    table.build(published, partial=True)
    return table


def real_rows(shared_data):
    with gzip.open(shared_data / "nasbench_macro_cifar10.csv.gz", "rt", newline="") as file:
        return list(csv.DictReader(file))


def test_all_real_networks_are_read_back_exactly(shared_data, tmp_path):
    rows = real_rows(shared_data)
    accuracies = {row["arch"]: [float(row[f"test_{seed}"]) for seed in range(3)] for row in rows}
    content = {
        row["arch"]: result(*accuracies[row["arch"]], params=int(row["params"]), flops=int(row["flops"]))
        for row in rows
    }
    (tmp_path / NAME).write_text(json.dumps(content))
    table = NbMacroTable()
    assert table.build(tmp_path).num_architectures == len(rows) == 6_561
    assert (table.status().state, table.verify()) == (TableState.COMPLETE, [])
    assert table.best()["best mean test accuracy"] == pytest.approx(93.1267, abs=5e-5)
    found = {}
    for trial in query_nbmacro_trial_stats(None):
        digits = "".join(str(BLOCKS.index(block)) for block in trial["config"]["arch"].values())
        found.setdefault(digits, []).append(trial)
    for row in rows:
        trials = found[row["arch"]]
        assert [trial["test_acc"] for trial in trials] == accuracies[row["arch"]]
        assert {(trial["params"], trial["flops"]) for trial in trials} == {(int(row["params"]), int(row["flops"]))}
    best = max(query_nbmacro_trial_stats(None, reduction="mean"), key=lambda trial: trial["test_acc"])
    assert round(best["test_acc"], 4) == 93.1267


@pytest.mark.usefixtures("table")
def test_a_training_and_a_mean_have_every_field():
    first, *others = query_nbmacro_trial_stats(ARCH)
    config = {"arch": ARCH, "num_epochs": 50, "dataset": "cifar10"}
    assert first == {"config": config, "seed": 0, "test_acc": 80.0, "std": None, "params": 1_000, "flops": 2_000}
    assert [(trial["seed"], trial["test_acc"]) for trial in others] == [(1, 81.0), (2, 85.0)]
    (mean,) = query_nbmacro_trial_stats(ARCH, reduction="mean")
    assert mean == {**first, "seed": None, "test_acc": 82.0, "std": pytest.approx(14**0.5 / 3**0.5)}
    assert {*first} == {*NbMacroTrialStats.__annotations__}
    assert {*first["config"]} == {*NbMacroTrialConfig.__annotations__}
    assert [trial["params"] for trial in query_nbmacro_trial_stats(None, "mean")] == [7, 1_000]


@pytest.mark.usefixtures("table")
def test_mistakes_in_queries_are_named():
    with pytest.raises(ArchitectureError, match=r"of the layer layer_3 is 'mb3k3', expected .*Did you mean 'mb3_k3'"):
        query_nbmacro_trial_stats({**ARCH, "layer_3": "mb3k3"})
    with pytest.raises(ArchitectureError, match="no operator for layer_1, layer_2"):
        query_nbmacro_trial_stats({"layer_0": "identity"})
    with pytest.raises(ConfigError, match="reduction is 'best'"):
        query_nbmacro_trial_stats(ARCH, reduction="best")
    with pytest.raises(BenchmarkError, match=r"does not have the architecture .*it has 2 of 6,561"):
        query_nbmacro_trial_stats(dict.fromkeys(LAYERS, "mb3_k3"))


def test_without_a_table_the_error_says_how_to_build_it():
    with pytest.raises(BenchmarkError, match=r"There is no table of NAS-Bench-Macro .*build nasbench_macro"):
        query_nbmacro_trial_stats(ARCH)


def test_the_file_may_be_in_a_folder_of_the_folder(published, tmp_path):
    report = BENCHMARKS.get("nasbench_macro")().build(tmp_path / "NAS-Bench-Macro", partial=True)
    assert report.num_added == 2


def test_the_file_may_be_in_an_archive_or_have_another_name(published, tmp_path):
    archive = tmp_path / "NAS-Bench-Macro-master.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(published, f"NAS-Bench-Macro-master/data/{NAME}")
    assert NbMacroTable().build(archive, partial=True).num_added == 2
    NbMacroTable().status().path.unlink()
    assert NbMacroTable().build(published.rename(tmp_path / "macro.json"), partial=True).num_added == 2


def test_missing_networks_are_an_error_without_partial(published):
    with pytest.raises(BenchmarkError, match=r"gives 2 of 6,561 architectures.*--partial"):
        NbMacroTable().build(published)
    assert NbMacroTable().status().state is TableState.MISSING


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-20], "is not JSON or is truncated"),
        (lambda text: "[" * 100_000, "is not JSON or is truncated"),
        (lambda text: "[1]", r"is not the file of NAS-Bench-Macro .its content is \[1\]"),
        (lambda text: text.replace("20000001", "30000001"), "it has the network '30000001', expected 8 digits"),
        (lambda text: text.replace("81.0", "181.0"), "the test_acc of 20000001 are"),
        (lambda text: text.replace("81.0", "NaN"), "the test_acc of 20000001 are"),
        (lambda text: text.replace("81.0", "82.5"), "the mean_acc of 20000001 is 82.0, its test_acc have 82.5"),
        (lambda text: text.replace('"params": 7', '"params": -7'), "the params of 00000000 are -7"),
        (lambda text: text.replace('"params": 7', '"params": 1e30'), "the params of 00000000 are 1e.30"),
        (lambda text: text.replace('"flops"', '"macs"'), "it has no 'flops'"),
    ],
)
def test_damaged_and_foreign_files_are_named_and_the_old_table_stays(table, published, change, message):
    before = table.status().path.read_bytes()
    published.write_text(change(published.read_text()))
    with pytest.raises(BenchmarkError, match=message) as raised:
        table.build(published, partial=True)
    assert NAME in str(raised.value)
    assert table.status().path.read_bytes() == before


def test_a_file_that_would_fill_the_memory_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, "[" + "[]," * 10_000_000)
    with pytest.raises(BenchmarkError, match=f"{NAME} is larger than 16 MiB"):
        NbMacroTable().build(tmp_path / "x.zip")


def test_a_folder_without_the_file_is_named(tmp_path):
    with pytest.raises(BenchmarkError, match=rf"There is no published file in .*Expected {NAME}"):
        NbMacroTable().build(tmp_path)
    with pytest.raises(BenchmarkError, match="There is no file or folder"):
        NbMacroTable().build(tmp_path / "nothing")


def test_the_table_is_searched_by_its_evaluator(table):
    assert table.space.size == 6_561
    assert [choice.label for choice in table.space] == list(LAYERS)
    architecture = table.space.architecture(ARCH)
    found = table.evaluator().evaluate(architecture)
    assert found == {"test_acc": 82.0, "default": 82.0, "params": 1_000.0, "flops": 2_000.0}
    drawn = {
        table.evaluator(noise="seed").evaluate(architecture, TrialContext(seed=seed))["test_acc"] for seed in range(30)
    }
    assert drawn == {80.0, 81.0, 85.0}
    with pytest.raises(BenchmarkError, match=r"no 'test_acc' of .*mb3_k3"):
        table.evaluator().evaluate(table.space.architecture(dict.fromkeys(LAYERS, "mb3_k3")))


def test_the_space_is_that_of_the_ready_model():
    from retiarii.hub.pytorch import NasBenchMacro
    from retiarii.nn.pytorch import extract_space

    assert NbMacroTable().space == extract_space(NasBenchMacro())


def test_without_published_times_every_trial_takes_the_same(tmp_path):
    rows = {f"{number:08}": result(80.0, 81.0, 82.0) for number in (int(_base3(n)) for n in range(6_561))}
    (tmp_path / NAME).write_text(json.dumps(rows))
    table = NbMacroTable()
    table.build(tmp_path)
    search = Random().search(table.space, seed=0)
    with pytest.raises(ConfigError, match=r"no training times. .*evaluator.cost=60"):
        simulate(search, table.evaluator(), trials=3)
    trials = simulate(search, table.evaluator(cost=60), trials=3, workers=2)
    assert [trial.ended for trial in trials] == [60.0, 60.0, 120.0]
    for wrong in (0, -1, math.inf, True, "cheap"):
        with pytest.raises(ConfigError, match=r"cost is .*expected one of .* or the seconds of a trial"):
            table.evaluator(cost=wrong)


def _base3(number):
    digits = ""
    while number:
        number, digit = divmod(number, 3)
        digits = f"{digit}{digits}"
    return digits or "0"
