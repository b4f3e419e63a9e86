import bz2
import gzip
import json
import math
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections import OrderedDict
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from published_records import record, write

from retiarii.benchmarks import (
    BENCHMARKS,
    BenchmarkTable,
    BuildReport,
    Download,
    TableState,
    TableStatus,
    tables_folder,
)
from retiarii.benchmarks._tables._formats import tar_archive
from retiarii.benchmarks._tables.table_file import TableFile
from retiarii.benchmarks.nasbench201 import Nb201Table, query_nb201_trial_stats
from retiarii.errors import BenchmarkError, ConfigError
from retiarii.storage import FileLock

OPERATORS = {"nor_conv_1x1": "conv_1x1", "nor_conv_3x3": "conv_3x3"}


def cell(text):
    """The published architecture as a query takes it."""
    found = [name.split("~")[0] for name in text.replace("+", "").strip("|").split("|") if name]
    return dict(zip(("0_1", "0_2", "1_2", "0_3", "1_3", "2_3"), (OPERATORS.get(n, n) for n in found), strict=True))


def test_published_records_give_exactly_the_published_numbers(shared_data):
    """Every seed, dataset and epoch of three records; the reference has 4 decimals for accuracies and 5 for losses."""
    table = Nb201Table()
    assert table.build(shared_data / "nats_original", partial=True).num_added == 3
    with gzip.open(shared_data / "nats_bench_curves_6archs.json.gz", "rt") as file:
        expected = [row for row in json.load(file) if row["space"] == "tss"]
    found = {}
    for trial in query_nb201_trial_stats(None, None, None, include_intermediates=True):
        config = trial["config"]
        found[tuple(config["arch"].items()), config["num_epochs"], config["dataset"], trial["seed"]] = trial
    assert len(found) == len(expected) == 51
    for row in expected:
        trial = found[tuple(cell(row["arch"]).items()), int(row["hp"]), row["dataset"].lower(), row["seed"]]
        assert (trial["parameters"], trial["flops"]) == (row["params_M"], row["mflops"])
        assert trial["training_time"] == pytest.approx(row["epoch_train_time"] * int(row["hp"]), rel=1e-12)
        rows = trial["intermediates"]
        assert [round(r["train_acc"], 4) for r in rows] == row["train_acc"]
        assert [round(r["train_loss"], 5) for r in rows] == row["train_loss"]
        names = {"x-valid": "valid", "x-test": "test", "ori-test": "ori_test"}
        for key, accuracy in row["eval_acc"].items():
            split, epoch = key.split("@")
            at = rows[int(epoch)]
            assert round(at[f"{names[split]}_acc"], 4) == accuracy
            assert round(at[f"{names[split]}_loss"], 5) == row["eval_loss"][key]
    assert table.verify() == []


def test_means_are_those_of_the_known_table(shared_data):
    Nb201Table().build(shared_data / "nats_original", partial=True)
    with gzip.open(shared_data / "nb201_topology.csv.gz", "rt") as file:
        names = next(file).strip().split(",")
        rows = {int(line.split(",")[0]): dict(zip(names, line.strip().split(","), strict=True)) for line in file}
    for index in (0, 11, 284):
        arch = cell(rows[index]["arch"])
        for dataset, column in (("cifar10", "cifar10"), ("cifar100", "cifar100"), ("imagenet16-120", "in16")):
            (mean,) = query_nb201_trial_stats(arch, 200, dataset, reduction="mean")
            assert mean["test_acc"] == pytest.approx(float(rows[index][f"{column}_test_200"]), abs=1e-4)
            assert round(mean["parameters"] * 1e6) == int(float(rows[index][f"{column}_params"]))


def test_an_archive_and_single_records_give_the_same_table(published, tmp_path):
    archive = tmp_path / "NATS-tss-v1_0-3ffb9-simple.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(published, arcname=published.name)
    table = Nb201Table()
    assert table.build(archive, partial=True).num_architectures == 3
    whole = list(query_nb201_trial_stats(None, None, None, include_intermediates=True))
    table.status().path.unlink()
    for path in sorted(published.glob("0*")):
        table.build(path, partial=True)
    assert list(query_nb201_trial_stats(None, None, None, include_intermediates=True)) == whole


def test_progress_counts_the_files(published):
    seen = []
    Nb201Table().build(published, partial=True, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_missing_architectures_are_an_error_that_keeps_what_was_read(published):
    table = Nb201Table()
    with pytest.raises(BenchmarkError, match=r"gives 3 of 15,625 architectures.*--partial"):
        table.build(published)
    assert table.status().state is TableState.MISSING
    assert table.status().num_building == 3
    path = tables_folder() / "nasbench201.db"
    assert table.build(published, partial=True) == BuildReport(path, num_added=0, num_skipped=3, num_architectures=3)
    assert table.status() == TableStatus(path, TableState.PARTIAL, 3, path.stat().st_size)


def test_a_build_goes_on_after_a_bad_file_and_leaves_the_old_table_alone(table, published):
    before = table.status().path.read_bytes()
    other = "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"
    write(published / "000003.pickle.pbz2", record(3, other))
    (published / "000004.pickle.pbz2").write_bytes(b"BZh9 broken")
    with pytest.raises(BenchmarkError, match=r"000004.pickle.pbz2 cannot be decompressed"):
        table.build(published, partial=True)
    assert table.status().path.read_bytes() == before
    assert table.status().num_building == 4
    (published / "000004.pickle.pbz2").unlink()
    report = table.build(published, partial=True)
    assert (report.num_added, report.num_skipped, report.num_architectures) == (0, 4, 4)


_KILLED = """
import os, signal, sys
from pathlib import Path
from retiarii.benchmarks.nasbench201 import Nb201Table
def show(done, total):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
Nb201Table().build(Path(sys.argv[1]), partial=True, on_progress=show)
"""


def test_a_build_that_is_killed_goes_on_where_it_was(published):
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(published)], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    table = Nb201Table()
    assert (table.status().state, table.status().num_building) == (TableState.MISSING, 2)
    report = table.build(published, partial=True)
    assert (report.num_added, report.num_skipped) == (1, 2)
    assert table.verify() == []


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from retiarii.benchmarks.nasbench201 import Nb201Table
from retiarii.errors import BenchmarkError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    Nb201Table().build(Path(sys.argv[1]), partial=True)
except BenchmarkError as error:
    print(error)
"""


def test_a_full_disk_is_named_and_the_build_goes_on_when_there_is_room(published):
    command = [sys.executable, "-c", _FULL_DISK, str(published)]
    full = subprocess.run(command, check=True, env=os.environ, capture_output=True, text=True)
    assert "nasbench201.db.building' cannot be written" in full.stdout
    assert "make room, and build again" in full.stdout
    assert Nb201Table().build(published, partial=True).num_architectures == 3
    assert Nb201Table().verify() == []


@pytest.mark.parametrize("setting", [None, "journal_mode = WAL"])
def test_a_build_that_is_killed_before_its_first_record_begins_anew(published, setting):
    working = tables_folder() / "nasbench201.db.building"
    working.parent.mkdir(parents=True)
    working.touch()
    if setting:
        with closing(sqlite3.connect(working)) as connection:
            connection.execute(f"PRAGMA {setting}")
        assert working.stat().st_size
    assert Nb201Table().status().num_building is None
    assert Nb201Table().build(published, partial=True).num_added == 3


_KILLED_IN_THE_SCHEMA = """
import os, signal, sqlite3, sys
from pathlib import Path
from retiarii.benchmarks.nasbench201 import Nb201Table
class Killed(sqlite3.Connection):
    def executescript(self, script):
        self.set_trace_callback(lambda sql: os.kill(os.getpid(), signal.SIGKILL) if "CREATE TABLE trials" in sql else 0)
        return super().executescript(script)
connect = sqlite3.connect
sqlite3.connect = lambda *args, **options: connect(*args, factory=Killed, **options)
Nb201Table().build(Path(sys.argv[1]), partial=True)
"""


def test_a_build_that_is_killed_while_it_makes_its_file_begins_anew(published):
    command = [sys.executable, "-c", _KILLED_IN_THE_SCHEMA, str(published)]
    assert subprocess.run(command, check=False, env=os.environ).returncode == -signal.SIGKILL
    assert Nb201Table().status().num_building is None
    assert Nb201Table().build(published, partial=True).num_added == 3


def test_the_log_of_a_deleted_build_is_not_written_into_the_next_one(published):
    first, *_ = sorted(published.glob("*.pbz2"))
    Nb201Table().build(first, partial=True)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(published)], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    working = tables_folder() / "nasbench201.db.building"
    assert working.with_name(f"{working.name}-wal").stat().st_size
    working.unlink()
    assert Nb201Table().build(published, partial=True).num_added == 2
    assert Nb201Table().verify() == []


def test_the_cache_folder_is_that_of_the_system_or_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("RETIARII_CACHE_HOME", str(tmp_path))
    assert tables_folder() == tmp_path / "benchmarks"
    monkeypatch.delenv("RETIARII_CACHE_HOME")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/caches")
    assert str(tables_folder()) == "/var/caches/retiarii/benchmarks"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert str(tables_folder()).endswith(".cache/retiarii/benchmarks")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert str(tables_folder()).endswith("Library/Caches/retiarii/benchmarks")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert str(tables_folder()) == "/local/retiarii/benchmarks"


def test_a_cache_folder_that_cannot_be_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("RETIARII_CACHE_HOME", str(tmp_path / ("x" * 300)))
    for ask in (Nb201Table().status, Nb201Table().verify, lambda: query_nb201_trial_stats(None, None, None)):
        with pytest.raises(BenchmarkError, match=r"cannot be read .*File name too long.*RETIARII_CACHE_HOME can name"):
            ask()
    monkeypatch.setenv("RETIARII_CACHE_HOME", "~nobody-of-this-name/caches")
    with pytest.raises(ConfigError, match="RETIARII_CACHE_HOME is '~nobody-of-this-name/caches'"):
        tables_folder()


def test_the_table_has_a_name():
    assert "nasbench201" in BENCHMARKS.names()
    assert isinstance(BENCHMARKS.get("nasbench201")(), BenchmarkTable)


def test_every_published_file_has_an_https_address_or_is_fetched_by_hand():
    for name in BENCHMARKS.names():
        for file in BENCHMARKS.get(name).downloads:
            assert isinstance(file, Download)
            assert "/" not in file.name
            assert bool(file.by_hand) != bool(file.url)
            assert file.url is None or file.url.startswith("https://")
            assert file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32


def test_a_build_that_ends_while_it_is_counted_is_not_an_unfinished_one(table, published, monkeypatch):
    with pytest.raises(BenchmarkError):
        table.build(published)
    count = TableFile.count_at

    def count_too_late(file, path):
        file.working.unlink(missing_ok=True)
        return count(file, path)

    monkeypatch.setattr(TableFile, "count_at", count_too_late)
    status = table.status()
    assert (status.num_building, status.num_architectures) == (None, 3)


def test_a_build_that_reads_nothing_is_not_an_unfinished_one(tmp_path):
    with pytest.raises(BenchmarkError, match="There is no file or folder"):
        Nb201Table().build(tmp_path / "elsewhere")
    with pytest.raises(BenchmarkError, match="There is no file or folder '~nobody-of-this-name'"):
        Nb201Table().build(Path("~nobody-of-this-name"))
    for name in BENCHMARKS.names():
        with pytest.raises(BenchmarkError, match=r"'x{300}' cannot be read .*File name too long"):
            BENCHMARKS.get(name)().build(Path("x" * 300))
    assert Nb201Table().status().num_building is None


def test_two_builds_at_once_are_refused(published):
    path = Nb201Table().status().path
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    assert lock.acquire()
    with pytest.raises(BenchmarkError, match="Another process is building"):
        Nb201Table().build(published, partial=True)
    lock.release()


class Malicious:
    def __reduce__(self):
        return os.system, ("echo harm",)


MODULE = Malicious().__reduce__()[0].__module__


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Malicious(), f"asks for {MODULE}.system, which is not plain data"),
        ({"12": {"x": Malicious()}}, f"000000.pickle.pbz2 asks for {MODULE}.system"),
        (np.zeros(3), "asks for numpy"),
        ([1, 2], r"is not a record of NATS-Bench's topology space"),
        ({"12": {}}, "it has no 'arch_str'"),
    ],
)
def test_malicious_and_foreign_pickles_are_refused_and_named(tmp_path, capfd, content, message):
    write(tmp_path / "000000.pickle.pbz2", content)
    with pytest.raises(BenchmarkError, match=message):
        Nb201Table().build(tmp_path, partial=True)
    assert "harm" not in capfd.readouterr().out
    assert Nb201Table().status().state is TableState.MISSING


def test_a_pickle_cannot_change_the_reader(tmp_path):
    change = pickle.PROTO + b"\x02cnumpy.core.multiarray\nscalar\nN}X\x0c\x00\x00\x00__defaults__K\x01K\x02\x86s\x86b."
    path = tmp_path / "000000.pickle.pbz2"
    path.write_bytes(bz2.compress(change))
    with pytest.raises(BenchmarkError, match=r"The pickle in 000000.pickle.pbz2 is damaged .*__defaults__"):
        Nb201Table().build(tmp_path, partial=True)


@pytest.mark.parametrize("field", ["arch_str", "arch_index"])
def test_the_message_about_a_small_file_with_an_enormous_text_is_short(tmp_path, field):
    value = ["x"]
    for _ in range(18):
        value = [value, value]
    content = record(0)
    content["12"][field] = value
    write(tmp_path / "000000.pickle.pbz2", content)
    with pytest.raises(BenchmarkError, match=r"is not a record .*its architecture") as raised:
        Nb201Table().build(tmp_path, partial=True)
    assert len(str(raised.value)) < 2_000


def test_numbers_of_numpy_are_read_without_numpy(tmp_path):
    content = record(0)
    content["200"]["all_results"]["cifar10", 777] |= {"params": np.float32(0.5), "flop": np.dtype(">f8").type(3)}
    write(tmp_path / "000000.pickle.pbz2", content)
    Nb201Table().build(tmp_path, partial=True)
    (trial, *_) = query_nb201_trial_stats(None, 200, "cifar10")
    assert (trial["parameters"], trial["flops"]) == (0.5, 3.0)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "is truncated|cannot be decompressed"),
        (lambda data: b"", "is truncated"),
        (lambda data: data[:100] + b"\xff" * 20 + data[120:], "cannot be decompressed"),
        (lambda data: bz2.compress(bz2.decompress(data)[:-200]), "The pickle in 000000.pickle.pbz2 is damaged"),
        (lambda data: bz2.compress(b"\x80\x04N" + b"0" * 9 + b"."), "The pickle in 000000.pickle.pbz2 is damaged"),
        (lambda data: bz2.compress(b"0" * (9 * 2**20)), "is larger than 4 MiB"),
    ],
)
def test_damaged_files_are_named(published, damage, message):
    path = published / "000000.pickle.pbz2"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BenchmarkError, match=message) as raised:
        Nb201Table().build(published, partial=True)
    assert "000000.pickle.pbz2" in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part.update(arch_str="8:8:8:8:8"), "its architecture is '8:8:8:8:8'"),
        (lambda part: part.update(arch_str="|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|"), "its architecture is"),
        (lambda part: part.update(arch_index=5), "its architectures are"),
        (lambda part: part["all_results"].pop(("cifar100", 111)), "no training of 12 epochs on cifar100"),
        (lambda part: part["all_results"]["cifar10", 111].update(epochs=9), "has 9 epochs"),
        (lambda part: part["all_results"]["cifar10", 111]["train_acc1es"].update({11: 101.0}), "train_acc on cifar10"),
        (lambda part: part["all_results"]["cifar10", 111]["eval_acc1es"].clear(), "valid_acc on cifar10 .* is None"),
        (lambda part: part["all_results"]["cifar10", 111].pop("flop"), "it has no 'flop'"),
        (lambda part: part["all_results"]["cifar10", 111].update(params="many"), "is not a record"),
        (lambda part: part["all_results"]["cifar10", 111].update(params=-0.1), "'params' is -0.1, expected a number"),
        (lambda part: part["all_results"]["cifar10", 111].update(flop=math.inf), "'flop' is inf, expected a number"),
        (lambda part: part["all_results"]["cifar10", 111]["train_times"].update({3: math.inf}), "'train_times'.* inf"),
        (lambda part: part["all_results"]["cifar10", 111]["train_times"].update({3: math.nan}), "'train_times'.* nan"),
        (lambda part: part["all_results"]["cifar10", 111]["train_times"].update({3: -1.0}), "'train_times'.* -1.0"),
    ],
)
def test_records_that_say_something_else_are_refused(published, change, message):
    content = record(0)
    change(content["12"])
    write(published / "000000.pickle.pbz2", content)
    with pytest.raises(BenchmarkError, match=message):
        Nb201Table().build(published, partial=True)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("000005", lambda content: None),  # the cell of 000000
        ("000000", lambda results: results.update({("CIFAR10", 777): results["cifar10", 777]})),
        ("000000", lambda results: results.update({("cifar10", 2**70): results["cifar10", 777]})),
    ],
)
def test_a_record_that_contradicts_others_or_itself_is_named(published, name, change):
    content = record(int(name), record(0)["12"]["arch_str"])
    change(content["200"]["all_results"])
    write(published / f"{name}.pickle.pbz2", content)
    with pytest.raises(BenchmarkError, match=rf"{name}.pickle.pbz2 does not fit the other records"):
        Nb201Table().build(published, partial=True)


def test_what_is_no_file_is_no_record(published):
    os.mkfifo(published / "000004.pickle.pbz2")
    (published / "000005.pickle.pbz2").symlink_to("/dev/zero")
    (published / "000006.pickle.pbz2").mkdir()
    assert Nb201Table().build(published, partial=True).num_added == 3
    for name in BENCHMARKS.names():
        with pytest.raises(BenchmarkError, match="There is no file or folder"):
            BENCHMARKS.get(name)().build(published / "000004.pickle.pbz2")


def test_a_broken_archive_is_named(published, tmp_path):
    archive = tmp_path / "records.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(published, arcname="records")
    archive.write_bytes(archive.read_bytes()[:20_000])
    with pytest.raises(BenchmarkError, match=r"000000.pickle.pbz2 cannot be decompressed .unexpected end"):
        Nb201Table().build(archive, partial=True)


def test_a_compressed_archive_that_ends_early_is_named(published, tmp_path):
    archive = tmp_path / "records.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(published, arcname="records")
    whole = archive.read_bytes()
    assert Nb201Table().build(archive, partial=True).num_added == 3
    for size, message in [(20, "neither a record nor a tar archive"), (len(whole) // 2, "is damaged|decompressed")]:
        archive.write_bytes(whole[:size])
        with pytest.raises(BenchmarkError, match=message):
            Nb201Table().build(archive, partial=True)
        with pytest.raises(BenchmarkError):
            BENCHMARKS.get("hw_nasbench")().build(archive)


@pytest.mark.parametrize("is_first", [True, False])
def test_the_header_of_an_archive_does_not_fill_the_memory(tmp_path, is_first):
    header = tarfile.TarInfo("000000.pickle.pbz2")
    header.type, header.size = tarfile.XHDTYPE, 2**30
    archive = tmp_path / "records.tar.gz"
    with gzip.open(archive, "wb", compresslevel=1) as file:
        file.write(b"" if is_first else tarfile.TarInfo("empty").tobuf())
        file.write(header.tobuf(tarfile.USTAR_FORMAT) + bytes(2**20))
    message = "neither a record nor a tar archive" if is_first else "is damaged .a header is larger"
    with pytest.raises(BenchmarkError, match=message):
        Nb201Table().build(archive)


def test_an_archive_of_endless_members_is_refused(published, tmp_path, monkeypatch):
    monkeypatch.setattr(tar_archive, "_MAX_MEMBERS", 3)
    archive = tmp_path / "records.tar"
    with tarfile.open(archive, "w") as tar:
        for number in range(4):
            tar.addfile(tarfile.TarInfo(f"empty{number}"))
    with pytest.raises(BenchmarkError, match="more than 3 members"):
        Nb201Table().build(archive)


def test_a_file_of_something_else_is_not_overwritten(published):
    path = Nb201Table().status().path
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    with pytest.raises(BenchmarkError, match="is not a table of NAS-Bench-201"):
        Nb201Table().build(published, partial=True)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM mine").fetchone() == (0,)


def test_verify_finds_changed_numbers_lost_trials_and_broken_curves(table):
    assert table.verify() == []
    with closing(sqlite3.connect(table.status().path)) as connection, connection:
        connection.execute("UPDATE trials SET test_acc = 99 WHERE num_epochs = 12 AND dataset = 1 AND cell = 0")
        connection.execute("UPDATE curves SET data = x'00' WHERE id = 20")
        connection.execute("DELETE FROM trials WHERE num_epochs = 12 AND dataset = 2 AND cell = 0")
    lost, *wrong = table.verify()
    assert lost == "2 of 3 cells have trials of 12 epochs on cifar100"
    assert any("end with" in problem for problem in wrong)
    assert any("The curves 20 in the table are damaged" in problem for problem in wrong)


def test_an_ordered_dict_and_old_names_of_numpy_are_read():
    from retiarii.benchmarks._tables._formats.restricted_pickle import plain_content

    data = pickle.dumps(OrderedDict(a=np.float64(0.25), b=np.int32(-3), c=[True, None, "x"]), protocol=3)
    assert plain_content(data, "x") == OrderedDict(a=0.25, b=-3, c=[True, None, "x"])
    assert plain_content(data.replace(b"numpy._core", b"numpy.core"), "x")["b"] == -3
