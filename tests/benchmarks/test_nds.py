import io
import json
import math
import sqlite3
import tarfile
from contextlib import closing

import numpy as np
import pytest
from nds_files import BOTTLENECK, CELL, cell_net, sweeps, training, write_sweeps, write_zip

from retiarii.benchmarks import BENCHMARKS, TableState, nds
from retiarii.benchmarks._tables._formats.json_items import JsonDamageError, json_items
from retiarii.benchmarks.nds import (
    AVG_POOL_3X3,
    CONV_1X1,
    CONV_3X1_1X3,
    CONV_3X3,
    CONV_7X1_1X7,
    DIL_CONV_3X3,
    DIL_CONV_5X5,
    DIL_SEP_CONV_3X3,
    MAX_POOL_3X3,
    MAX_POOL_5X5,
    MAX_POOL_7X7,
    NONE,
    SEP_CONV_3X3,
    SEP_CONV_5X5,
    SEP_CONV_7X7,
    SKIP_CONNECT,
    NdsIntermediateStats,
    NdsTable,
    NdsTrialConfig,
    NdsTrialStats,
    query_nds_trial_stats,
)
from retiarii.errors import BenchmarkError, ConfigError
from retiarii.evaluator import TrialContext

MODEL = {"num_nodes_normal": 2, "num_nodes_reduce": 2, "depth": 20, "width": 16, "aux": False, "drop_prob": 0.0}
CELL_SPEC = {
    "normal_0_op_x": SKIP_CONNECT,
    "normal_0_input_x": 1,
    "normal_0_op_y": SEP_CONV_5X5,
    "normal_0_input_y": 0,
    "normal_1_op_x": MAX_POOL_3X3,
    "normal_1_input_x": 2,
    "normal_1_op_y": DIL_CONV_3X3,
    "normal_1_input_y": 0,
    "normal_concat": [2, 3],
    "reduce_0_op_x": NONE,
    "reduce_0_input_x": 0,
    "reduce_0_op_y": CONV_1X1,
    "reduce_0_input_y": 1,
    "reduce_1_op_x": AVG_POOL_3X3,
    "reduce_1_input_x": 1,
    "reduce_1_op_y": SEP_CONV_3X3,
    "reduce_1_input_y": 2,
    "reduce_concat": [3],
}


@pytest.fixture
def published(tmp_path):
    return write_sweeps(tmp_path)


@pytest.fixture
def table(published):
    table = NdsTable()
    table.build(published, partial=True)
    return table


def query(**conditions):
    names = ("model_family", "proposer", "generator", "model_spec", "cell_spec", "dataset")
    return list(query_nds_trial_stats(**{**dict.fromkeys(names), **conditions}))


@pytest.mark.usefixtures("table")
def test_a_trial_has_every_field_with_its_published_value():
    first, second = query_nds_trial_stats("nas_cell", "darts", "random", MODEL, CELL_SPEC, "cifar10", 3)
    assert first == {
        "config": {
            "model_family": "nas_cell",
            "model_spec": MODEL,
            "cell_spec": CELL_SPEC,
            "dataset": "cifar10",
            "generator": "random",
            "proposer": "darts",
            "base_lr": 0.1,
            "weight_decay": 0.0005,
            "num_epochs": 3,
        },
        "seed": 1,
        "final_train_acc": 100 - 39.5 / 2,
        "final_train_loss": 2.5 / 3,
        "final_test_acc": 60.5,
        "best_train_acc": 100 - 39 / 2,
        "best_train_loss": 2.5 / 3,
        "best_test_acc": 61.0,
        "parameters": 1.5,
        "flops": 250.0,
        "iter_time": 0.125,
    }
    assert {*first, "intermediates"} == {*NdsTrialStats.__annotations__}
    assert {*first["config"]} == {*NdsTrialConfig.__annotations__}
    assert (second["seed"], second["best_test_acc"]) == (2, 51.0)


@pytest.mark.usefixtures("table")
def test_none_is_a_wildcard_for_each_condition():
    trials = query()
    assert len(trials) == 8
    for name in ("model_family", "proposer", "generator", "dataset", "num_epochs"):
        for value in {trial["config"][name] for trial in trials}:
            found = query(**{name: value})
            assert found == [trial for trial in trials if trial["config"][name] == value]
    configs = [trial["config"] for trial in trials]
    assert [(c["proposer"], c["dataset"], c["generator"]) for c in configs[3:]] == [
        ("darts", "cifar10", "fix_w_d"),
        ("enas", "imagenet", "random"),
        ("enas", "imagenet", "random"),
        ("resnext-a", "cifar10", "random"),
        ("vanilla", "imagenet", "tune_lr_wd"),
    ]


@pytest.mark.usefixtures("table")
def test_parts_of_specs_are_conditions_and_whole_specs_select_one():
    assert [trial["config"]["model_spec"]["depth"] for trial in query(model_spec={"depth": 20, "width": None})] == [
        20
    ] * 3
    assert [trial["config"]["base_lr"] for trial in query(model_spec=MODEL)] == [0.1, 0.1, 0.2]
    assert len(query(cell_spec={"normal_concat": (2, 3), "normal_0_op_x": SKIP_CONNECT})) == 6
    assert query(cell_spec={"normal_0_op_x": CONV_1X1}) == query(cell_spec={"no_such_key": 1}) == []
    assert len(query(cell_spec=CELL_SPEC)) == 6
    assert {trial["config"]["model_family"] for trial in query(cell_spec={})} == {"residual_bottleneck", "vanilla"}
    assert len(query(cell_spec={"normal_concat": None})) == 8
    stages = {key: value for key, value in BOTTLENECK.items() if key != "block_type"}
    (trial,) = query(model_spec=stages)
    assert trial["config"]["model_spec"] == stages
    assert query(model_spec={"ds": np.array([1, 16, 1, 4])}) == [trial]
    assert query(model_spec={key: stages[key] for key in ("ds", "ss", "ws")}) == []  # a whole spec of other families
    (trial,) = query(model_spec={"ds": [1, 2, 3, 4], "ss": [1, 1, 2, 2], "ws": [16, 16, 32, 64]})
    assert trial["config"]["model_family"] == "vanilla"


@pytest.mark.usefixtures("table")
def test_a_query_may_begin_while_another_one_goes_on():
    deep = {"depth": 20}
    outer = query_nds_trial_stats(None, None, None, deep, None, None)
    pairs = [(next(outer)["seed"], len(query(model_spec=deep))) for _ in range(3)]
    assert pairs == [(1, 3), (2, 3), (7, 3)]


@pytest.mark.usefixtures("table")
def test_means_are_over_the_trainings_of_one_configuration():
    means = query(proposer="darts", generator="random", reduction="mean")
    assert [(mean["seed"], mean["best_test_acc"]) for mean in means] == [(None, 56.0), (None, 61.0)]
    (with_curves, _) = query(proposer="darts", generator="random", reduction="mean", include_intermediates=True)
    assert with_curves["intermediates"][0] == {
        "current_epoch": 1,
        "train_loss": 2.5,
        "train_acc": 100 - 45 / 2,
        "test_acc": 55.0,
    }
    assert query(reduction="none") == query()


@pytest.mark.usefixtures("table")
def test_intermediates_are_the_results_after_each_epoch_and_losses_may_be_none():
    (trial,) = query(proposer="resnext-a", include_intermediates=True)
    assert (trial["final_train_loss"], trial["best_train_loss"]) == (None, None)
    assert {*trial["intermediates"][0]} == {*NdsIntermediateStats.__annotations__}
    assert [row["current_epoch"] for row in trial["intermediates"]] == [1, 2, 3]
    assert [row["test_acc"] for row in trial["intermediates"]] == [60.0, 61.0, 60.5]
    assert [row["train_loss"] for row in trial["intermediates"]] == [None] * 3


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"proposer": "DARTS"}, "proposer is 'DARTS', expected one of .*Did you mean 'darts'"),
        ({"model_family": "resnet"}, "model_family is 'resnet'"),
        ({"generator": "grid"}, "generator is 'grid'"),
        ({"dataset": "cifar100"}, "dataset is 'cifar100'"),
        ({"num_epochs": 1.5}, "num_epochs is 1.5"),
        ({"num_epochs": "many"}, "num_epochs is 'many'"),
        ({"num_epochs": math.inf}, "num_epochs is inf"),
        ({"num_epochs": 2**63}, "num_epochs is 9223372036854775808"),
        ({"reduction": "median"}, "reduction is 'median'"),
        ({"model_spec": "deep"}, "model_spec is 'deep', expected a dict"),
        ({"cell_spec": {"x": object()}}, "cell_spec is .*expected numbers, texts and lists"),
    ],
)
def test_impossible_conditions_are_named_at_the_call(conditions, message):
    names = ("model_family", "proposer", "generator", "model_spec", "cell_spec", "dataset")
    with pytest.raises(ConfigError, match=message):
        query_nds_trial_stats(**{**dict.fromkeys(names), **conditions})


def test_a_folder_an_archive_and_single_files_give_the_same_table(published, tmp_path):
    table = NdsTable()
    table.build(published.parent, partial=True)
    whole = query(include_intermediates=True)
    archive = tmp_path / "nds.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(published, arcname="nds_data")
    for sources in ([write_zip(tmp_path)], [archive], [published / name for name in sorted(sweeps())]):
        table.status().path.unlink()
        for source in sources:
            table.build(source, partial=True)
        assert query(include_intermediates=True) == whole


def test_a_table_is_complete_with_all_sweeps_and_an_interrupted_build_continues(published):
    table = NdsTable()
    with pytest.raises(BenchmarkError, match=r"gives 5 of 34 sweeps, which are kept in .*--partial"):
        table.build(published)
    assert (table.status().state, table.status().num_building) == (TableState.MISSING, 5)
    seen = []
    report = table.build(published, partial=True, on_progress=lambda *step: seen.append(step))
    assert (report.num_added, report.num_skipped, seen[-1]) == (0, 5, (5, 5))
    assert table.verify() == []
    assert table.best() == {"best test accuracy on cifar10": 61.0, "best test accuracy on imagenet": 61.0}
    assert BENCHMARKS.get("nds") is NdsTable


def test_a_bad_file_leaves_the_old_table_alone(table, published):
    before = table.status().path.read_bytes()
    (published / "PNAS.json").write_text(json.dumps([training(cell_net()), {}]))
    with pytest.raises(BenchmarkError, match=r"Item 1 of PNAS.json is not a training of NDS .it has no 'net'"):
        table.build(published, partial=True)
    assert table.status().path.read_bytes() == before
    (published / "PNAS.json").write_text(json.dumps([training(cell_net())]))
    assert table.build(published, partial=True).num_added == 1
    assert len(query(proposer="pnas")) == 1


def changed(change):
    item = training(cell_net())
    change(item)
    return item


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ([1], "Item 0 of DARTS.json is not a training"),
        (changed(lambda item: item["train_ep_top1"].pop()), "has 2 training and 3 test errors for 3 epochs"),
        (changed(lambda item: item["test_ep_top1"].__setitem__(0, 101)), "an error is 101, expected 0 to 100"),
        (changed(lambda item: item["test_ep_top1"].__setitem__(0, math.nan)), "an error is nan"),
        (changed(lambda item: item.update(params=-1)), "'params' is -1, expected a number that is not negative"),
        (changed(lambda item: item.update(iter_time=math.inf)), "'iter_time' is inf"),
        (changed(lambda item: item.update(rng_seed="1")), "its seed is '1'"),
        (changed(lambda item: item.update(rng_seed=2**70)), "a number that is too large"),
        (changed(lambda item: item.update(net={"block_type": "mobile"})), "block type is 'mobile'"),
        (
            changed(lambda item: item["net"].update(genotype={**CELL, "normal": [["none", 9], ["none", 0]]})),
            "the input",
        ),
    ],
)
def test_items_that_are_no_trainings_are_named(tmp_path, item, message):
    (tmp_path / "DARTS.json").write_text(json.dumps([item]))
    with pytest.raises(BenchmarkError, match=message):
        NdsTable().build(tmp_path, partial=True)
    assert NdsTable().status().state is TableState.MISSING


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (json.dumps([training(cell_net())])[:-10], "DARTS.json is damaged"),
        ("", "expected a list, or a dict of lists"),
        ("17", "expected a list, or a dict of lists"),
        ('{"top": 3}', r"expected '\['"),
        ("[1 2]", "Item 0 of DARTS.json"),
        ("[" * 100_000, "DARTS.json is damaged"),
        ("[]]", "expected the end of the file"),
        ("[ ]", "DARTS.json is damaged .it has no trainings"),
        (b"[\xff]", "DARTS.json is damaged"),
    ],
)
def test_damaged_json_is_named(tmp_path, data, message):
    (tmp_path / "DARTS.json").write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(BenchmarkError, match=message):
        NdsTable().build(tmp_path, partial=True)


def test_other_files_and_broken_archives_are_named(tmp_path):
    for name, data in (("data.zip", b"PK\x03\x04 and no more"), ("x.json", b"[]")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BenchmarkError, match=r"no published file in .*Expected data.zip of NDS"):
            NdsTable().build(tmp_path / name, partial=True)
    with pytest.raises(BenchmarkError, match="There is no file or folder"):
        NdsTable().build(tmp_path / "lost", partial=True)
    path = write_zip(tmp_path)
    data = bytearray(path.read_bytes())
    data[200:240] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(BenchmarkError, match=r"data.zip.* cannot be read|DARTS.json"):
        NdsTable().build(path, partial=True)


def test_a_large_file_is_read_item_by_item(tmp_path):
    items = [{"number": number, "text": "ä" * 1000} for number in range(2_000)]
    text = json.dumps(items, ensure_ascii=False, indent=1).encode()
    seen = []
    for item in json_items(io.BytesIO(text), max_item_bytes=2**20, max_bytes=2**30):
        seen.append(item)
    assert seen == items
    windows = b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")
    assert list(json_items(io.BytesIO(windows), max_item_bytes=2**20, max_bytes=2**30)) == items
    with pytest.raises(JsonDamageError, match="one item is larger than 1 MiB"):
        list(json_items(io.BytesIO(b'["' + b"x" * 2**22), max_item_bytes=2**20, max_bytes=2**30))
    with pytest.raises(JsonDamageError, match="the file is larger than 1 MiB"):
        list(json_items(io.BytesIO(text), max_item_bytes=2**20, max_bytes=2**20))


def test_an_item_that_would_fill_the_memory_is_refused(tmp_path):
    (tmp_path / "DARTS.json").write_text('["' + "x" * (17 * 2**20))
    with pytest.raises(BenchmarkError, match="one item is larger than 16 MiB"):
        NdsTable().build(tmp_path, partial=True)


def test_verify_finds_changed_numbers_and_broken_curves(table):
    with closing(sqlite3.connect(table.status().path)) as connection, connection:
        connection.execute("UPDATE trials SET final_test_acc = 99 WHERE id = 1")
        connection.execute("UPDATE curves SET data = x'00' WHERE id = 2")
        connection.execute("DELETE FROM curves WHERE id = 3")
    lost, changed, broken = table.verify()
    assert lost == "7 trials have curves, expected 8"
    assert "the trial 1 end with" in changed
    assert "The curves 2 are damaged" in broken


@pytest.mark.usefixtures("table")
def test_the_networks_of_one_space_are_searched_as_a_benchmark():
    for ask in (lambda: NdsTable().space, lambda: NdsTable().table("cifar10"), lambda: NdsTable().evaluator()):
        with pytest.raises(BenchmarkError, match=r"samples of ten design spaces.*sample"):
            ask()
    benchmark = NdsTable().sample("darts")
    assert [choice.label for choice in benchmark.space] == ["depth"]
    evaluator = benchmark.evaluator(noise="seed")
    deep = benchmark.space.architecture({"depth": 20})
    told = {evaluator.evaluate(deep, TrialContext(seed=seed))["default"] for seed in range(20)}
    assert told == {60.5, 50.5}
    assert benchmark.evaluator().evaluate(deep, TrialContext())["best_test_acc"] == 56.0
    stages = NdsTable().sample("vanilla", "imagenet", "tune_lr_wd")
    assert stages.space.size == 1
    with pytest.raises(BenchmarkError, match="no trials of 'pnas' on 'cifar10'"):
        NdsTable().sample("pnas")
    with pytest.raises(ConfigError, match="Did you mean 'darts'"):
        NdsTable().sample("dart")


def test_stages_and_cells_are_choices_and_epochs_a_fidelity(tmp_path):
    other = {**BOTTLENECK, "ds": [1, 2, 1, 4], "bot_muls": [0.0, 1.0, 0.25, 0.25]}
    items = [training(BOTTLENECK), training(other), training(other, epochs=5), training(BOTTLENECK, epochs=5)]
    (tmp_path / "ResNeXt-B.json").write_text(json.dumps(items))
    cells = [training(cell_net(genotype={**CELL, "normal_concat": nodes})) for nodes in ([2, 3], [3])]
    (tmp_path / "PNAS_in.json").write_text(json.dumps({"top": cells, "mid": []}))
    NdsTable().build(tmp_path, partial=True)
    stages = NdsTable().sample("resnext-b")
    assert [choice.label for choice in stages.space] == ["bot_muls/1", "ds/1"]
    assert stages.space.size == 2
    assert stages.fidelities() == {"num_epochs": (3.0, 5.0)}
    concats = NdsTable().sample("pnas", "imagenet")
    for nodes in ("2 3", "3"):
        architecture = concats.space.architecture({"normal_concat": nodes})
        assert concats.evaluator().evaluate(architecture, TrialContext())["default"] == 60.5


def test_the_operators_are_those_of_nni():
    assert [CONV_3X1_1X3, CONV_3X3, CONV_7X1_1X7, DIL_CONV_5X5, DIL_SEP_CONV_3X3, MAX_POOL_5X5, MAX_POOL_7X7] == [
        "conv_3x1_1x3",
        "conv_3x3",
        "conv_7x1_1x7",
        "dil_conv_5x5",
        "dil_sep_conv_3x3",
        "max_pool_5x5",
        "max_pool_7x7",
    ]
    assert SEP_CONV_7X7 == "sep_conv_7x7"
    assert len([name for name in nds.__all__ if name.isupper()]) == 16
