import json

from retiarii.space import Architecture


def test_export_prints_the_best_architecture(run, store):
    assert run("export", "aa11").json == {"op": "pool", "width": 8}


def test_export_of_several_is_a_list(run, store):
    assert [arch["op"] for arch in run("export", "aa11", "--top-k", "2").json] == ["pool", "conv"]
    assert [arch["op"] for arch in run("export", "aa11", "--top-k", "9").json] == ["pool", "conv"]


def test_export_in_the_other_direction(run, store):
    assert run("export", "aa11", "--optimize-mode", "minimize").json["op"] == "conv"


def test_export_with_everything(run, store):
    (best,) = run("export", "aa11", "--json").json
    assert (best["number"], best["metric"], best["architecture"]["op"]) == (1, 0.75, "pool")
    assert best["key"] == Architecture(best["architecture"]).key


def test_export_to_a_file(run, store, tmp_path):
    path = tmp_path / "new" / "best.json"
    outcome = run("export", "aa11", "-o", str(path))
    assert (outcome.code, outcome.out) == (0, "")
    assert "trial 1 (0.7500)" in outcome.err
    assert (
        Architecture.load(path)
        == Architecture(json.loads(path.read_text()))
        == Architecture({"op": "pool", "width": 8})
    )


def test_export_of_one_trial_in_any_state(run, store):
    assert run("export", "aa11", "--trial", "2").json == {"op": "conv", "width": 8}
    assert run("export", "bb22", "--trial", "0").json == {"op": "conv", "width": 8}
    (found,) = run("export", "aa11", "--trial", "0", "--json").json
    assert (found["number"], found["metric"]) == (0, 0.5)
    missing = run("export", "aa11", "--trial", "9")
    assert (missing.code, "no trial 9" in missing.err) == (1, True)
    both = run("export", "aa11", "--trial", "0", "--top-k", "2")
    assert (both.code, "--top-k" in both.err) == (2, True)


def test_nothing_to_export_says_where_to_look(run, store):
    outcome = run("export", "bb22")
    assert outcome.code == 1
    assert "no completed trial" in outcome.err
    assert "retiarii show bb22" in outcome.err


def test_a_file_that_cannot_be_written_is_one_line(run, store, tmp_path):
    (tmp_path / "file").touch()
    outcome = run("export", "aa11", "-o", str(tmp_path / "file" / "best.json"))
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1
