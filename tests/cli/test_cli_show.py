import math

import pytest

from retiarii.space import SearchSpace
from retiarii.storage import SPENT, EpochRecord, ExperimentState
from retiarii.trial import Failure, FailureKind

BUG = Failure(FailureKind.RAISED, "ValueError: bad width", "Traceback: ...\nValueError: bad width")


def test_show_tells_what_one_wants_to_know(run, store):
    outcome = run("show", "aa")
    assert outcome.code == 0
    for part in ("[b]aa11", "2 completed, 2 failed", "2 labels, 4 architectures", "op=pool, width=8", store.where):
        assert part in outcome.out
    best = outcome.out.index("Best trials")
    assert outcome.out.index("0.7500", best) < outcome.out.index("0.5000", best)
    failures = outcome.out[outcome.out.index("Failures") :].splitlines()
    assert failures[2].split() == ["2", "2", "raised:", "ValueError:", "bad", "width"]
    assert "retiarii show aa11 --trial 2" in failures[3]


def test_a_failed_experiment_shows_why_once_and_where_the_traceback_is(run, store):
    message = f"All 2 trials failed. The most frequent reason: {BUG.message}\n\n{BUG.traceback}\n"
    store.update_experiment("aa11", state=ExperimentState.FAILED, message=message)
    outcome = run("show", "aa11")
    assert "The most frequent reason: ValueError: bad width" in outcome.out
    assert "Traceback: ..." not in outcome.out
    assert "Traceback and output: retiarii show aa11 --trial 2" in outcome.out


def test_a_killed_experiment_says_how_to_go_on(run, store):
    out = run("show", "bb22").out
    assert "killed" in out
    assert "retiarii resume bb22" in out
    assert "1 interrupted" in out
    assert "Best trials" not in out


def test_a_running_experiment_shows_its_process_and_trials(run, store):
    with store.lock("bb22"):
        out = run("show", "bb22").out
        pid = store.get_experiment("bb22").pid
    assert f"{pid} on " in out
    assert "1 running" in out
    assert "killed" not in out


def test_trials_on_a_simulated_clock_have_run_since_their_own_time(run, store):
    settings = {"training_service": {"platform": "simulated"}}
    store.update_experiment("bb22", config={"settings": settings, SPENT: 121.0})
    with store.lock("bb22"):
        out = run("show", "bb22").out
    [row] = [line.split() for line in out[out.index("since") :].splitlines() if "op=conv" in line]
    assert row[:3] == ["0", "2", "min"]  # it started at 1 s


def test_a_one_shot_search_shows_how_sure_it_is(run, store):
    for number in range(2):
        shares = {'"conv"': 0.75, '"pool"': 0.25, "[0, 1]": 0.0}
        record = {"probabilities": {"op": shares}, "entropy": {"op": 0.5623}, "temperature": 0.5, "sampled": [{}]}
        store.write_epoch("aa11", EpochRecord(number, record, {"default": 0.5, "val_acc": 0.5, "loss": math.nan}))
    out = run("show", "aa11").out
    section = out[out.index("Supernet") : out.index("Best trials")]
    assert "2 epochs, loss nan, val_acc 0.5000, mean entropy 0.5623 nats" in section
    assert "conv 0.750  pool 0.250  [0, 1] 0.000" in section
    epochs = run("show", "aa11", "--json").json["epochs"]
    assert [epoch["epoch"] for epoch in epochs] == [0, 1]
    assert epochs[1]["probabilities"] == {"op": {'"conv"': 0.75, '"pool"': 0.25, "[0, 1]": 0.0}}
    assert epochs[1]["metrics"]["loss"] is None
    assert "sampled" not in epochs[1]
    assert run("show", "bb22", "--json").json["epochs"] == []


@pytest.mark.parametrize("name", ["probabilities", "entropy", "max_entropy", "undecided", "is_learnt", "temperature"])
def test_a_record_of_a_one_shot_search_that_is_damaged_is_shown_as_far_as_it_goes(run, store, name):
    record = {
        "probabilities": {"op": {'"conv"': 0.5, '"pool"': 0.5}},
        "entropy": {"op": 0.6931},
        "max_entropy": {"op": 0.6931},
        "undecided": ["op"],
        "is_learnt": True,
        "temperature": None,
    }
    for number, value in enumerate(
        (None, 5, "text", [1, None], {"op": None}, {"op": {"{": "x", "[[": 0.5}}, {"op": [1]})
    ):
        store.write_epoch("aa11", EpochRecord(number, {**record, name: value}, {}))
        for arguments in (("show", "aa11"), ("show", "aa11", "--json"), ("export", "aa11")):
            outcome = run(*arguments)
            assert outcome.code == 0
            assert "Traceback" not in outcome.err


def test_show_as_json(run, store):
    data = run("show", "aa11", "--top-k", "1", "--json").json
    assert data["id"] == "aa11"
    assert SearchSpace.from_json(data["space"]).size == 4
    assert [trial["number"] for trial in data["top"]] == [1]
    assert data["top"][0]["architecture"] == {"op": "pool", "width": 8}
    assert data["failures"] == [{"kind": "raised", "message": "ValueError: bad width", "count": 2, "example": 2}]
    assert data["running"] == []


def test_a_failed_trial_shows_its_traceback_and_output(run, store):
    out = run("show", "aa11", "--trial", "2").out
    for part in ("Trial 2  failed", "raised: ValueError: bad width", "Traceback: ...", "epoch 1"):
        assert part in out
    assert "\x1b" not in out  # what a trial printed does not reach the terminal as commands


def test_a_completed_trial_shows_what_it_reported(run, store):
    out = run("show", "aa11", "--trial", "0").out
    assert "2.50 s on cpu" in out
    assert "default 0.2500" in out
    data = run("show", "aa11", "--trial", "0", "--json").json
    assert data["intermediates"] == [{"default": 0.25}, {"default": None}]


def test_a_wrong_id_is_one_line(run, store):
    outcome = run("show", "zz")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.splitlines() == [
        f"Error: There is no experiment 'zz' in the store {store.where}. "
        "The newest are bb22, aa11; `retiarii list` shows all."
    ]


def test_a_narrow_terminal_cuts_no_trial(run, store, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    out = run("show", "aa11").out
    assert "0.7500" in out
    assert "width=8" in out


def test_weights_that_were_kept_are_named(run, store):
    assert "weights" not in run("show", "aa11").out
    path = store.directory("aa11") / "trials" / "1" / "checkpoint.pt"
    path.parent.mkdir(parents=True)
    path.touch()
    assert f"of trial 1 in {path}" in " ".join(run("show", "aa11").out.split())
    assert f"files in {path.parent}" in run("show", "aa11", "--trial", "1").out
    assert "files in" not in run("show", "aa11", "--trial", "0").out
    assert [trial["checkpoint"] for trial in run("show", "aa11", "--json").json["top"]] == [str(path), None]
    assert run("show", "aa11", "--trial", "1", "--json").json["checkpoint"] == str(path)
