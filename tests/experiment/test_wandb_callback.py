"""Trials in Weights & Biases: what it writes in offline mode, read back from its files."""

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from retiarii.errors import ConfigError
from retiarii.experiment import WandbCallback

BLOCK = 32768


def records(path):
    """Yield the records of a run's file: those of LevelDB's log format, after 7 bytes of W&B's own."""
    from wandb.proto.wandb_internal_pb2 import Record  # slow to import, which other workers need not wait for

    content, place, part = path.read_bytes(), 7, b""
    while place + 7 <= len(content):
        if BLOCK - place % BLOCK < 7:  # the rest of a block is too short for a header
            place += BLOCK - place % BLOCK
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        part += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(part)
            part = b""


class Run:
    """What one file of W&B has about a run."""

    def __init__(self, path):
        self.config, self.history, self.summary, self.exit_code = {}, [], {}, None
        for record in records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                self.run = record.run
                self._update(self.config, record.run.config.update)
            elif kind == "config":
                self._update(self.config, record.config.update)
            elif kind == "history":
                self.history.append({key(item): json.loads(item.value_json) for item in record.history.item})
            elif kind == "summary":
                self._update(self.summary, record.summary.update)
            elif kind == "exit":
                self.exit_code = record.exit.exit_code

    def _update(self, target, items):
        target.update({key(item): json.loads(item.value_json) for item in items})

    def curve(self, name, axis):
        return [(row[axis], row[name]) for row in self.history if name in row]


def key(item):
    return item.key or "/".join(item.nested_key)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    place = tmp_path_factory.mktemp("wandb")
    source = Path(__file__).with_name("wandb_script.py")
    environment = {**os.environ, "WANDB_MODE": "offline", "HOME": str(place)}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(source), str(place)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    paths = sorted((place / "wandb").glob("offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime)
    return done.stdout.strip(), [Run(path) for path in paths], place


def of_trial(found, number):
    experiment, runs, _ = found
    return [run for run in runs if run.run.run_id == f"{experiment}-{number}"]


@pytest.mark.slow
def test_a_trial_is_a_run_with_config_curves_and_state(found):
    experiment, _, _ = found
    (good,), (bad,) = of_trial(found, 0), of_trial(found, 1)
    assert good.run.project == "digits"
    assert good.run.run_group == f"odd/näme-{experiment}"
    assert good.run.job_type == "trial"
    assert good.run.display_name == "trial 0"
    choices = {name: value for name, value in good.config.items() if not name.startswith("_")}
    assert {name.rpartition("-")[0] or name: value for name, value in choices.items()} == {
        "kind": "good",
        "inputs": '["a", "b"]',
        "gr__e _1_/../_b_": 1,
        "gr__e _2_/../_b_": True,
    }
    assert good.curve("intermediate/default", "_step") == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert good.summary["final/default"] == 0.75
    assert good.summary["state"] == "completed"
    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert bad.summary["state"] == "failed"
    assert "the end" in bad.summary["failure"]


@pytest.mark.slow
def test_a_resume_logs_no_trial_twice_and_replaces_an_interrupted_one(found):
    cut_off, whole = of_trial(found, 2)
    assert cut_off.summary["state"] == "interrupted"
    assert whole.summary["state"] == "pruned"
    assert whole.curve("intermediate/default", "_step") == [(0, 0.0), (1, 0.1), (2, 0.2)]
    assert len(of_trial(found, 0)) == len(of_trial(found, 1)) == 1


@pytest.mark.slow
def test_the_experiment_is_a_run_with_the_best_so_far_and_goes_on_in_it(found):
    experiment, runs, _ = found
    first, second = (run for run in runs if run.run.run_id == experiment)
    assert first.run.job_type == "experiment"
    assert first.config["strategy"] == "GridSearch(shuffle=False, float_points=None)"
    assert first.curve("best/default", "ended trials") == [(1, 0.75), (2, 0.75)]
    assert second.curve("best/default", "ended trials") == [(3, 0.75)]
    assert first.summary["message"] == "RuntimeError: interrupted"
    assert second.summary["state"] == "done"
    assert second.summary["best_trial"] == 0


@pytest.mark.slow
def test_no_process_of_the_tool_is_left_behind(found):
    _, _, place = found
    for _ in range(100):
        left = [process for process in psutil.process_iter(["environ", "name"]) if is_of(process, place)]
        if not left:
            return
        time.sleep(0.05)
    pytest.fail(f"still running: {left}")


def is_of(process, place):
    return (process.info["environ"] or {}).get("HOME") == str(place)


def test_a_mode_with_a_typing_error_is_refused():
    with pytest.raises(ConfigError, match="mode is 'ofline', expected one of 'online', 'offline', 'disabled'"):
        WandbCallback(mode="ofline")
