import bz2
import gzip
import hashlib
import json
import pickle

import pytest


@pytest.fixture
def nats(shared_data):
    return str(shared_data / "nats_original")


def test_a_table_is_built_described_and_verified(run, nats):
    row = next(row for row in run("benchmarks", "list", "--json").json if row["name"] == "nasbench201")
    assert (row["name"], row["state"], row["architectures_in_all"]) == ("nasbench201", "missing", 15625)
    assert "missing" in run("benchmarks", "list").out
    built = run("benchmarks", "build", "nasbench201", nats, "--partial")
    assert built.code == 0
    assert "NAS-Bench-201: 3 architectures (3 read, 0 were there before)" in built.out
    info = run("benchmarks", "info", "nasbench201")
    assert "partial, 3 of 15,625 architectures" in info.out
    assert "arXiv:2001.00326" in info.out
    found = run("benchmarks", "info", "nasbench201", "--json").json
    assert found["best"]["best test accuracy on cifar100"] == pytest.approx(67.6067, abs=1e-4)
    assert found["size_bytes"] > 0
    verified = run("benchmarks", "verify", "nasbench201")
    assert (verified.code, "nothing is wrong" in verified.out) == (0, True)


def test_a_build_that_lacks_architectures_says_so(run, nats):
    outcome = run("benchmarks", "build", "nasbench201", nats)
    assert outcome.code == 1
    assert "3 of 15,625 architectures" in outcome.err
    assert "--partial" in outcome.err
    assert "unfinished build: 3" in run("benchmarks", "list").out


def test_a_table_without_a_package_needs_its_files(run):
    outcome = run("benchmarks", "build", "nasbench201")
    assert outcome.code == 1
    assert "Name the published files of NAS-Bench-201: retiarii benchmarks build nasbench201 FOLDER" in outcome.err


def test_a_table_in_an_installed_package_is_built_without_its_place(run, tmp_path, monkeypatch):
    light = tmp_path / "nas_bench_graph" / "light"
    light.mkdir(parents=True)
    result = {"valid_perf": 0.5, "perf": 0.25, "latency": 1.0, "para": 1.0}
    for dataset in "cora citeseer pubmed cs physics photo computers arxiv proteins".split():
        (light / f"{dataset}.bench").write_bytes(pickle.dumps({81074: result}))
    (light.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    outcome = run("benchmarks", "build", "nasbench_graph", "--partial")
    assert (outcome.code, "NAS-Bench-Graph: 1 architectures (1 read" in outcome.out) == (0, True)


def test_a_table_of_a_single_file_is_built_described_and_verified(run, tmp_path):
    path = tmp_path / "nas-bench-macro_cifar10.json"
    result = {"test_acc": [80.0, 81.0, 85.0], "mean_acc": 82.0, "std": 2.16, "params": 10, "flops": 20}
    path.write_text(json.dumps({"20000001": result}))
    assert "1 architectures (1 read" in run("benchmarks", "build", "nasbench_macro", str(path), "--partial").out
    info = run("benchmarks", "info", "nasbench_macro")
    assert "partial, 1 of 6,561 architectures" in info.out
    assert "arXiv:2103.11922" in info.out
    assert "82.0000" in info.out
    assert run("benchmarks", "verify", "nasbench_macro").code == 0
    found = {row["name"]: row["state"] for row in run("benchmarks", "list", "--json").json}
    assert (found["nasbench_macro"], found["nasbench_graph"], found["hw_nasbench"]) == ("partial", "missing", "missing")


def test_problems_of_a_table_have_an_exit_code(run, nats, monkeypatch):
    run("benchmarks", "build", "nasbench201", nats, "--partial")
    from retiarii.benchmarks.nasbench201 import Nb201Table

    path = Nb201Table().status().path
    path.write_bytes(path.read_bytes()[:-8192])
    outcome = run("benchmarks", "verify", "nasbench201")
    assert outcome.code == 1
    assert "damaged" in outcome.err


def test_a_damaged_table_does_not_hide_the_others(run, nats):
    run("benchmarks", "build", "nasbench201", nats, "--partial")
    from retiarii.benchmarks.nds import NdsTable

    NdsTable().status().path.write_text("no table")
    outcome = run("benchmarks", "list")
    assert outcome.code == 1
    assert "partial, 3 of 15,625 architectures" in outcome.out
    assert "unreadable" in outcome.out
    assert "Problem: The table" in outcome.err
    states = {row["name"]: row["state"] for row in run("benchmarks", "list", "--json").json}
    assert (states["nasbench201"], states["nds"], states["nats_size"]) == ("partial", "unreadable", "missing")


def test_a_malicious_file_and_unknown_names_are_one_line(run, tmp_path):
    (tmp_path / "000000.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(gzip.open)))
    outcome = run("benchmarks", "build", "nasbench201", str(tmp_path), "--partial")
    assert outcome.code == 1
    assert "asks for gzip.open, which is not plain data" in outcome.err
    outcome = run("benchmarks", "info", "nasbench21")
    assert (outcome.code, "Did you mean 'nasbench201'?" in outcome.err) == (1, True)
    assert "retiarii benchmarks build nasbench201 FOLDER" in run("benchmarks", "verify", "nasbench201").err


@pytest.mark.parametrize("command", ["list", "info", "download", "build", "verify", "compare"])
def test_every_command_of_tables_has_help(run, command):
    outcome = run("benchmarks", command, "-h")
    assert (outcome.code, "Raises" in outcome.out) == (0, False)
    assert f"retiarii benchmarks {command}" in outcome.out


def test_a_download_is_checked_and_says_how_to_build(run, tmp_path):
    (tmp_path / "records.tar").write_bytes(b"records")
    place, folder = str(tmp_path / "records.tar"), tmp_path / "with space"
    by_hand = run("benchmarks", "download", "nasbench201")
    assert (by_hand.code, "drive.google.com" in by_hand.err) == (1, True)
    found = run("benchmarks", "download", "nasbench201", "--from", place, "--to", str(folder))
    assert found.code == 0
    assert "could not be compared" in found.out
    path = folder / "NATS-tss-v1_0-3ffb9-simple.tar"
    assert f"Build the table with: retiarii benchmarks build nasbench201 '{path}'" in found.out
    checksum = hashlib.sha256(b"records").hexdigest()
    again = run("benchmarks", "download", "nasbench201", "--to", str(folder), "--sha256", checksum)
    assert "was there before, the expected checksum" in again.out
    wrong = run("benchmarks", "download", "nasbench201", "--to", str(folder), "--sha256", "0" * 64)
    assert (wrong.code, "Delete it" in wrong.err) == (1, True)
