"""Real processes, really killed: what a search keeps, and that it leaves nothing behind."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from retiarii.storage import ExperimentState, open_store
from retiarii.trial import TrialState

HERE = Path(__file__).parent
TRIALS = 110


class Process:
    """A script that was forked from an interpreter with the imports done."""

    def __init__(self, zygote, order):
        self._zygote = zygote
        self._code = None
        self._stderr = Path(order["stderr"])
        self.pid = self._tell(order)

    def _tell(self, order):
        self._zygote.stdin.write(json.dumps(order) + "\n")
        self._zygote.stdin.flush()
        return int(self._zygote.stdout.readline())

    def kill(self, number):
        os.kill(self.pid, number)

    def wait(self):
        if self._code is None:
            self._code = self._tell({"wait": self.pid})
        return self._code

    @property
    def errors(self):
        return self._stderr.read_text()

    def finish(self):
        assert self.wait() == 0, self.errors


@pytest.fixture(scope="module")
def start():
    zygote = subprocess.Popen(
        [sys.executable, str(HERE / "zygote.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def begin(store, sentinel, *action, concurrency=1, slow_after=10**9):
        settings = {"CONCURRENCY": concurrency, "MARK": sentinel, "TRIALS": TRIALS, "SLOW_AFTER": slow_after}
        environment = {**os.environ, **{f"TEST_{name}": str(value) for name, value in settings.items()}}
        return Process(
            zygote,
            {
                "script": str(HERE / "kill_script.py"),
                "argv": [str(store), str(sentinel), *action],
                "environment": environment,
                "stderr": f"{sentinel}.log",
            },
        )

    with zygote:
        yield begin
        zygote.stdin.close()


def wait_until(condition, deadline_s=60.0):
    deadline = time.monotonic() + deadline_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
    return result


def left_behind(sentinel):
    """Return living processes that descend from the experiment, by the mark in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TEST_MARK") == str(sentinel) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def summary(store_path):
    with open_store(store_path) as store:
        [record] = store.list_experiments()
        trials = store.list_trials(record.id)
    return [(t.number, t.architecture, t.metrics, t.finish_order, t.state) for t in trials]


def kept(store_path):
    """Return which trials have files."""
    with open_store(store_path) as store:
        [record] = store.list_experiments()
        return store.trial_files(record.id).numbers()


def finished(store_path):
    if not Path(store_path).exists():
        return {}
    with open_store(store_path) as store:
        records = store.list_experiments()
        if not records:
            return {}
        trials = store.iter_trials(records[0].id, states=[TrialState.COMPLETED])
        return {trial.number: trial.ended for trial in trials}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("num_kills", [6, pytest.param(30, marks=pytest.mark.slow)])
def test_killed_at_random_instants_and_resumed_equals_an_uninterrupted_run(tmp_path, start, num_kills):
    plain, killed = tmp_path / "plain.db", tmp_path / "killed.db"
    start(plain, tmp_path / "plain.txt", "run").finish()

    rng = random.Random(num_kills)
    sentinel = tmp_path / "killed.txt"
    before: dict[int, float] = {}
    process = start(killed, sentinel, "run")
    for kill in range(num_kills):
        if kill % 4 == 3:  # while the experiment is starting
            time.sleep(rng.random() * 2)
        else:  # after up to three more trials and a random moment, so that it hits any step of the loop
            goal = len(before) + rng.randrange(3)
            wait_until(lambda goal=goal: len(finished(killed)) > goal)
            time.sleep(rng.random() * 0.04)
        process.kill(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        wait_until(lambda: not left_behind(sentinel))
        after = finished(killed)
        assert after.items() >= before.items(), "a finished trial was lost or run again"
        before = after
        with open_store(killed) as store:
            [record] = store.list_experiments()
        process = start(killed, sentinel, "resume", record.id)
    process.finish()

    assert finished(killed).items() >= before.items()
    assert summary(killed) == summary(plain)
    assert kept(killed) == kept(plain)
    assert len(kept(killed)) == 1
    with open_store(killed) as store:
        assert store.get_experiment(record.id).state is ExperimentState.DONE


def test_ctrl_c_once_finishes_the_running_trials_and_stays_resumable(tmp_path, start):
    path, sentinel = tmp_path / "store.db", tmp_path / "evaluations.txt"
    process = start(path, sentinel, "run", concurrency=2)
    wait_until(lambda: len(finished(path)) >= 3)
    process.kill(signal.SIGINT)
    process.finish()
    states = {state for *_, state in summary(path)}
    assert states <= {TrialState.COMPLETED, TrialState.RUNNING}  # running: proposed at the moment of Ctrl-C, not run
    with open_store(path) as store:
        [record] = store.list_experiments()
        assert record.state is ExperimentState.STOPPED
    assert not left_behind(sentinel)

    start(path, sentinel, "resume", record.id, concurrency=2).finish()
    assert len(summary(path)) == TRIALS
    assert len(sentinel.read_text().splitlines()) == TRIALS  # none was run twice


def test_ctrl_c_twice_stops_at_once_with_a_keyboard_interrupt(tmp_path, start):
    path, sentinel = tmp_path / "store.db", tmp_path / "evaluations.txt"
    process = start(path, sentinel, "run", concurrency=2, slow_after=3)
    wait_until(lambda: len(finished(path)) >= 3)
    process.kill(signal.SIGINT)
    wait_until(lambda: "Stopping after" in process.errors)  # two signals at once would count as one
    process.kill(signal.SIGINT)
    assert process.wait() == 1
    assert "KeyboardInterrupt" in process.errors
    assert "retiarii resume" in process.errors
    assert not left_behind(sentinel)
    assert len(kept(path)) == 1  # not those of the trials that were given up
    with open_store(path) as store:
        assert store.list_experiments()[0].state is ExperimentState.STOPPED


def test_time_before_a_kill_counts(tmp_path, start):
    path, sentinel = tmp_path / "store.db", tmp_path / "evaluations.txt"
    process = start(path, sentinel, "run", slow_after=1)

    def spent_s():
        with open_store(path) as store:
            return store.list_experiments()[0].spent_s

    wait_until(lambda: finished(path) and spent_s() > 1)  # the second trial does not end
    process.kill(signal.SIGKILL)
    process.wait()
    known, num_trials = spent_s(), len(summary(path))
    with open_store(path) as store:
        [record] = store.list_experiments()
    start(path, sentinel, "resume", record.id, str(known)).finish()  # no trial is run
    assert len(summary(path)) == num_trials
    with open_store(path) as store:
        assert store.list_experiments()[0].message == "max_experiment_duration was reached"


def test_two_processes_cannot_run_the_same_experiment(tmp_path, start):
    path, sentinel = tmp_path / "store.db", tmp_path / "evaluations.txt"
    first = start(path, sentinel, "run")
    wait_until(lambda: len(finished(path)) >= 1)
    with open_store(path) as store:
        [record] = store.list_experiments()
    second = start(path, tmp_path / "second.txt", "resume", record.id)
    assert second.wait() == 1
    assert "ExperimentBusyError" in second.errors
    assert str(first.pid) in second.errors
    first.finish()
    assert len(summary(path)) == TRIALS
