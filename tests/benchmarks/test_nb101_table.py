import base64
import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from published_nb101 import (
    cell_records,
    evaluation,
    matrix_of,
    metrics,
    one_shot_records,
    operators_of,
    random_cells,
    record,
    training_of,
    write_records,
)

from retiarii.benchmarks import BENCHMARKS, BuildReport, TableState
from retiarii.benchmarks._tables._formats import tfrecord
from retiarii.benchmarks.nasbench101 import Nb101Table, query_nb101_trial_stats
from retiarii.benchmarks.nasbench101._nb101_cells import CellGraph
from retiarii.benchmarks.nasbench101._nb101_hash import hash_of_cell
from retiarii.errors import BenchmarkError

CELLS = random_cells(6)
CELL = CELLS[0]
HASH, MATRIX, OPERATORS = hash_of_cell(CELL), matrix_of(CELL), operators_of(CELL)
FINAL = (0.75, 0.5, 0.25)


def everything():
    return list(query_nb101_trial_stats(None, None, include_intermediates=True))


@pytest.fixture
def published(tmp_path):
    """A small file in the published format: six cells."""
    return write_records(tmp_path / "nasbench_full.tfrecord", cell_records(CELLS))


def test_the_best_cell_of_the_real_subset_has_the_known_accuracy(shared_data, tmp_path):
    """Real accuracies; training accuracies, times and parameters are made up, as the subset does not have them."""
    data = dict(np.load(shared_data / "nb101_1shot1.npz"))
    means = data["test"][:, 3].mean(axis=1)
    rows = sorted({*range(0, len(means), 500), int(means.argmax())})
    check_the_best(data, rows, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_whole_real_subset_has_the_known_best_accuracy(shared_data, tmp_path):
    data = dict(np.load(shared_data / "nb101_1shot1.npz"))
    check_the_best(data, range(len(data["hash"])), tmp_path)


def check_the_best(data, rows, folder):
    path = write_records(folder / "subset.tfrecord", one_shot_records(data, rows))
    table = Nb101Table()
    assert table.build(path, partial=True).num_added == len(rows)
    best = max(query_nb101_trial_stats(None, 108, reduction="mean"), key=lambda trial: trial["test_acc"])
    assert np.float32(best["test_acc"] / 100) == np.float32(0.94200724)
    assert table.best()["best test accuracy (%) after 108 epochs"] == pytest.approx(94.200724, abs=5e-6)
    assert table.verify() == []


def test_every_published_number_is_in_the_table(published):
    table = Nb101Table()
    assert table.build(published, partial=True).num_architectures == 6
    assert table.verify() == []
    assert len(everything()) == 6 * 4 * 3


def test_messages_in_another_layout_give_the_same_table(published, tmp_path):
    Nb101Table().build(published, partial=True)
    expected = everything()
    Nb101Table().status().path.unlink()
    other = published.with_name("other.tfrecord")
    write_records(other, map(with_paths, cell_records(CELLS)))
    assert other.stat().st_size > published.stat().st_size
    Nb101Table().build(other, partial=True)
    assert everything() == expected


def with_paths(data):
    """The same record, whose evaluations have paths of checkpoints and an unknown field."""
    *fields, encoded = json.loads(data)
    message = base64.b64decode(encoded)
    parts = [message[47 * i + 2 : 47 * i + 47] for i in range(3)]
    numbers = [[struct.unpack_from("<d", part, 9 * place + 1)[0] for place in range(5)] for part in parts]
    new = [evaluation(*values, b"gs://bucket/model.ckpt-1") + b"\x3a\x01x" for values in numbers]
    again = b"".join(b"\x0a" + bytes([len(part)]) + part for part in new) + message[141:]
    return json.dumps([*fields, base64.b64encode(again).decode()]).encode()


@pytest.mark.parametrize("order", ["by epochs", "shuffled"])
def test_records_may_come_in_any_order(published, order):
    Nb101Table().build(published, partial=True)
    expected = {trial["config"]["hash"] + str(trial["config"]["num_epochs"]): trial for trial in everything()}
    Nb101Table().status().path.unlink()
    records = list(cell_records(CELLS))
    if order == "by epochs":
        records = [
            data for start in range(0, 12, 3) for cell in range(6) for data in records[12 * cell :][start : start + 3]
        ]
    else:
        np.random.default_rng(0).shuffle(records)
    Nb101Table().build(write_records(published, records), partial=True)
    found = everything()
    assert len(found) == 72
    means = query_nb101_trial_stats(None, None, reduction="mean")
    assert {trial["config"]["hash"] + str(trial["config"]["num_epochs"]) for trial in means} == {*expected}


def test_progress_is_the_share_of_the_file_that_was_read(published, monkeypatch):
    monkeypatch.setattr(tfrecord, "_READ_BYTES", 4096)
    seen = []
    Nb101Table().build(published, partial=True, on_progress=lambda done, total: seen.append((done, total)))
    assert len(seen) > 5
    assert seen[-1][0] == seen[-1][1]


def test_missing_architectures_are_an_error_that_keeps_what_was_read(published):
    table = Nb101Table()
    with pytest.raises(BenchmarkError, match=r"gives 6 of 423,624 architectures.*--partial"):
        table.build(published.parent)
    assert (table.status().state, table.status().num_building) == (TableState.MISSING, 6)
    report = table.build(published.parent, partial=True)
    assert report == BuildReport(table.status().path, num_added=0, num_skipped=6, num_architectures=6)
    assert (table.status().state, table.status().num_architectures) == (TableState.PARTIAL, 6)


def test_a_table_of_108_epochs_is_completed_by_the_full_file(published):
    part = write_records(published.with_name("nasbench_only108.tfrecord"), cell_records(CELLS, epochs=(108,)))
    table = Nb101Table()
    table.build(part, partial=True)
    assert table.verify() == []
    assert len(everything()) == 18
    with pytest.raises(BenchmarkError, match=r"no trainings of 4, 12 epochs|has no trainings of 4 epochs"):
        query_nb101_trial_stats(None, 4)
    table.build(published, partial=True)
    assert table.verify() == []
    assert len(everything()) == 72


def test_a_part_of_another_file_adds_its_cells(published):
    table = Nb101Table()
    table.build(published, partial=True)
    others = random_cells(9)
    write_records(published, cell_records(others))
    report = table.build(published, partial=True)
    assert (report.num_added, report.num_skipped, report.num_architectures) == (3, 6, 9)
    assert len(everything()) == 9 * 12


def test_configurations_that_the_file_breaks_off_in_are_left_out(published, caplog):
    records = list(cell_records(CELLS))
    table = Nb101Table()
    table.build(write_records(published, records[: 12 * 5 + 1]), partial=True)
    assert table.status().num_architectures == 5
    assert table.verify() == []
    assert "fewer than 3 trainings of 1 configurations" in caplog.text
    write_records(published, records)
    assert table.build(published, partial=True).num_architectures == 6
    assert len(everything()) == 72


_KILLED = """
import os, signal, sys
from pathlib import Path
from retiarii.benchmarks._tables._formats import tfrecord
from retiarii.benchmarks.nasbench101 import Nb101Table
tfrecord._READ_BYTES = 4096
calls = []
def show(done, total):
    calls.append(done)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
Nb101Table().build(Path(sys.argv[1]), partial=True, on_progress=show)
"""


def test_a_build_that_is_killed_goes_on_where_it_was(published, monkeypatch):
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(published)], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    table = Nb101Table()
    assert table.status().state is TableState.MISSING
    assert 0 < table.status().num_building < 6
    monkeypatch.setattr(tfrecord, "_READ_BYTES", 4096)
    seen = []
    table.build(published, partial=True, on_progress=lambda done, total: seen.append(done))
    assert len(seen) < 6  # of 8 blocks
    assert table.verify() == []
    assert len(everything()) == 72


def test_an_unfinished_build_of_another_file_begins_anew(published):
    table = Nb101Table()
    with pytest.raises(BenchmarkError, match="6 of 423,624"):
        table.build(published)
    write_records(published, cell_records(CELLS[:2]))
    assert table.build(published, partial=True).num_architectures == 2


def test_a_damaged_file_leaves_the_table_alone(published):
    table = Nb101Table()
    table.build(published, partial=True)
    before = table.status().path.read_bytes()
    content = bytearray(published.read_bytes())
    content[20_000] ^= 1
    published.write_bytes(content)
    with pytest.raises(BenchmarkError, match=r"Record \d+ of nasbench_full.tfrecord \(at byte .*its checksum is wrong"):
        table.build(published, partial=True)
    published.write_bytes(published.read_bytes()[:15_000])
    with pytest.raises(BenchmarkError, match=r"Record \d+ of nasbench_full.tfrecord .*the file ends in it"):
        table.build(published, partial=True)
    assert table.status().path.read_bytes() == before


def training(**changes):
    """The record of a training with something else in it."""
    values = {"cell_hash": HASH, "epochs": 4, "matrix": MATRIX, "operators": OPERATORS} | changes
    return training_of(values["cell_hash"], values["epochs"], values["matrix"], values["operators"], FINAL)


def evaluated(*epochs, **changes):
    values = {"seconds": 1.0, "train": 0.5, "valid": 0.5, "test": 0.5} | changes
    message = metrics([evaluation(epoch, *values.values()) for epoch in epochs], 5)
    return record(HASH, 4, MATRIX, OPERATORS, message)


WRONG_RECORDS = {
    "no JSON": (b"\x80\x04cos\nsystem\n", "damaged: 'utf-8' codec|damaged: Expecting value"),
    "other JSON": (b'{"a": 1}', "expected .hash, epochs, adjacency, operations, metrics."),
    "deep JSON": (b"[" * 4000, "nested too deeply"),
    "too few fields": (b'["a", 4]', "expected .hash, epochs"),
    "a boolean": (b'["a", true, "01", "input,output", ""]', "expected .hash, epochs"),
    "an enormous number": (b'["a", ' + b"9" * 4000 + b', "", "", ""]', "epochs|limit"),
    "other epochs": (training(epochs=5), "5 epochs, expected one of 4, 12, 36, 108"),
    "another graph": (training(matrix=np.eye(len(MATRIX), k=1)), "its hash is|is no cell"),
    "another hash": (training(cell_hash="0" * 32), "its hash is '0000"),
    "no hash": (training(cell_hash="x"), "its hash is 'x'"),
    "not square": (training(matrix=[[1, 0, 1]]), "its adjacency is"),
    "a loop": (training(matrix=np.ones((len(MATRIX),) * 2)), "is no cell of at most 7 vertices"),
    "an unknown operator": (training(operators=["input", *["conv5x5"] * (len(MATRIX) - 2), "output"]), "conv5x5"),
    "no base 64": (b'["a", 4, "01", "input,output", "\xc3\xa4x"]', "ASCII"),
    "an empty message": (record(HASH, 4, MATRIX, OPERATORS, b""), "trainable_parameters are -1"),
    "a cut message": (record(HASH, 4, MATRIX, OPERATORS, b"\x10\x05\x0a\x2d\x09"), "ends within field 1"),
    "two evaluations": (evaluated(0.0, 4.0), "has 2 evaluations, expected 3"),
    "other moments": (evaluated(0.0, 1.0, 4.0), "at epoch 1.0, expected 2"),
    "an accuracy of 75": (evaluated(0.0, 2.0, 4.0, valid=75.0), "accuracies at epoch 2.0 are"),
    "no accuracy": (evaluated(0.0, 2.0, 4.0, test=float("nan")), "accuracies at epoch 2.0 are"),
    "no time": (evaluated(0.0, 2.0, 4.0, seconds=float("inf")), "training time is inf"),
}


@pytest.mark.parametrize("wrong", WRONG_RECORDS)
def test_records_that_say_something_else_are_refused_with_their_position(published, wrong):
    data, message = WRONG_RECORDS[wrong]
    Nb101Table().build(published, partial=True)
    before = Nb101Table().status().path.read_bytes()
    first = list(cell_records(CELLS))[:3]
    path = write_records(published.with_name("wrong.tfrecord"), [*first, data])
    with pytest.raises(BenchmarkError, match=rf"(?s)Record 4 of wrong.tfrecord \(at byte .*({message})") as raised:
        Nb101Table().build(path, partial=True)
    assert len(str(raised.value)) < 1500
    assert Nb101Table().status().path.read_bytes() == before


def test_a_fourth_training_is_refused(published):
    records = list(cell_records(CELLS))
    with pytest.raises(BenchmarkError, match="training of 4 epochs after 3 others of its cell"):
        Nb101Table().build(write_records(published, [*records[:3], records[0]]), partial=True)


def test_another_numbering_under_the_same_hash_is_refused(published):
    """The published files have one graph for each hash."""
    one, other = CellGraph((1, 1, 0b110), (0, 1)), CellGraph((1, 1, 0b110), (1, 0))
    assert hash_of_cell(one) == hash_of_cell(other)
    with pytest.raises(BenchmarkError, match=r"Record 13 .*another adjacency than the records before with the hash"):
        Nb101Table().build(write_records(published, cell_records([one, other])), partial=True)


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(
        BenchmarkError, match=r"There is no published file in .*nasbench_full.tfrecord or nasbench_only"
    ):
        Nb101Table().build(tmp_path)
    with pytest.raises(BenchmarkError, match="There is no file or folder"):
        Nb101Table().build(tmp_path / "x.tfrecord")
    (tmp_path / "empty.tfrecord").write_bytes(b"")
    with pytest.raises(BenchmarkError, match="no cell has three trainings"):
        Nb101Table().build(tmp_path / "empty.tfrecord", partial=True)


def test_verify_finds_changed_numbers_and_lost_trainings(published):
    table = Nb101Table()
    table.build(published, partial=True)
    with closing(sqlite3.connect(table.status().path)) as connection, connection:
        connection.execute("UPDATE trials_4 SET test_acc = 1.5 WHERE cell = 2 AND repeat = 1")
        connection.execute("DELETE FROM trials_12 WHERE cell = 3 AND repeat = 0")
        connection.execute("UPDATE cells SET code = ? WHERE cell = 0", (random_cells(7)[6].code(),))
    lost, graph, *arrays, value = table.verify()
    assert lost == "6 cells have 17 trainings of 12 epochs, expected 3 for each"
    assert graph.startswith(f"the hash of cell 0 is {HASH}, that of its graph is")
    assert arrays == [f"the arrays of {epochs} epochs are not the results of the trials" for epochs in (4, 12)]
    assert value == "cell 2 has an accuracy outside 0 to 1 in training 1"


def test_the_table_is_found_by_its_name():
    table = BENCHMARKS.get("nasbench101")()
    assert isinstance(table, Nb101Table)
    assert table.num_architectures == 423_624
