"""A one-shot experiment in real processes that are killed and interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning")

from retiarii.experiment import RetiariiExperiment
from retiarii.storage import ExperimentState, open_store


class Script:
    """A real process that runs a one-shot experiment."""

    def __init__(self, store, *action):
        script = Path(__file__).with_name("one_shot_script.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(store), *action],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def wait_for(self, line):
        for seen in self._process.stdout:
            if seen.strip() == line:
                return
        raise AssertionError(f"{line!r} was not printed: {self._process.stderr.read()}")

    def send(self, number):
        self._process.send_signal(number)

    def end(self):
        out, err = self._process.communicate(timeout=100)
        return self._process.returncode, out.split(), err

    def discard(self):
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def start():
    scripts = []

    def begin(*arguments):
        scripts.append(Script(*arguments))
        return scripts[-1]

    yield begin
    for script in scripts:
        script.discard()


def test_killed_interrupted_and_resumed_in_real_processes(tmp_path, start):
    """Killed at once, then Ctrl-C, then Ctrl-C twice, then to the end: the same numbers as in one go."""
    whole = start(tmp_path / "whole.db", "run")
    store = tmp_path / "store.db"
    killed = start(store, "run")
    killed.wait_for("epoch 0")
    killed.send(signal.SIGKILL)
    killed.end()
    with open_store(store, create=False) as opened:
        (record,) = opened.list_experiments()
        assert record.state is ExperimentState.RUNNING  # nobody could write anything else
        assert not opened.is_running(record.id)

    softly = start(store, "resume", record.id)
    softly.wait_for("epoch 1")
    softly.send(signal.SIGINT)
    code, out, err = softly.end()
    assert (code, out) in [(0, ["state", "stopped"]), (0, ["epoch", "2", "state", "stopped"])]  # it may just be over
    assert "Stopping after this epoch" in err

    at_once = start(store, "resume", record.id)
    at_once.wait_for(f"epoch {3 if '2' in out else 2}")
    time.sleep(0.1)
    for _ in range(2):
        at_once.send(signal.SIGINT)
        time.sleep(0.02)
    code, out, err = at_once.end()
    assert code != 0
    assert "KeyboardInterrupt" in err
    with open_store(store, create=False) as opened:
        assert opened.get_experiment(record.id).state is ExperimentState.STOPPED

    assert start(store, "resume", record.id).end()[:2][1][-2:] == ["state", "done"]
    assert whole.end()[0] == 0
    viewed = []
    for path in (store, tmp_path / "whole.db"):
        with open_store(path, create=False) as opened:
            viewed.append(RetiariiExperiment.view(opened.list_experiments()[0].id, storage=path))
    assert viewed[0].search_history() == viewed[1].search_history()
    trials = [[(trial.architecture, trial.metrics) for trial in one.trials()] for one in viewed]
    assert trials[0] == trials[1]
