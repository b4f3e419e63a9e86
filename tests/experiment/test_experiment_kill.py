"""Real processes, really killed: what a search keeps, and that it leaves nothing behind."""

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

SCRIPT = Path(__file__).with_name("kill_script.py")


def start(store, sentinel, *action, concurrency=1):
    environment = {**os.environ, "TEST_CONCURRENCY": str(concurrency), "TEST_MARK": str(sentinel)}
    command = [sys.executable, str(SCRIPT), str(store), str(sentinel), *action]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors


def wait_until(condition, deadline_s=60.0):
    deadline = time.monotonic() + deadline_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.002)
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


def finished(store_path):
    if not Path(store_path).exists():
        return {}
    with open_store(store_path) as store:
        records = store.list_experiments()
        if not records:
            return {}
        trials = store.iter_trials(records[0].id, states=[TrialState.COMPLETED])
        return {trial.number: trial.ended for trial in trials}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_at_twenty_random_instants_and_resumed_equals_an_uninterrupted_run(tmp_path):
    plain, killed = tmp_path / "plain.db", tmp_path / "killed.db"
    finish(start(plain, tmp_path / "plain.txt", "run"))

    rng = random.Random(0)
    sentinel = tmp_path / "killed.txt"
    before: dict[int, float] = {}
    process = start(killed, sentinel, "run")
    for _ in range(20):
        # The next kill comes after up to three more trials and a random moment, so that it hits any step of the loop.
        goal = len(before) + rng.randrange(3)
        wait_until(lambda goal=goal, p=process: len(finished(killed)) > goal or p.poll() is not None)
        time.sleep(rng.random() * 0.04)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        wait_until(lambda: not left_behind(sentinel))
        after = finished(killed)
        assert after.items() >= before.items(), "a finished trial was lost or run again"
        before = after
        with open_store(killed) as store:
            [record] = store.list_experiments()
        process = start(killed, sentinel, "resume", record.id)
    finish(process)

    assert finished(killed).items() >= before.items()
    assert summary(killed) == summary(plain)
    with open_store(killed) as store:
        assert store.get_experiment(record.id).state is ExperimentState.DONE


@pytest.mark.slow
def test_ctrl_c_once_finishes_the_running_trials_and_stays_resumable(tmp_path):
    path, sentinel = tmp_path / "store.db", tmp_path / "evaluations.txt"
    process = start(path, sentinel, "run", concurrency=2)
    wait_until(lambda: len(finished(path)) >= 3)
    process.send_signal(signal.SIGINT)
    finish(process)
    states = {state for *_, state in summary(path)}
    assert states <= {TrialState.COMPLETED, TrialState.RUNNING}  # running: proposed at the moment of Ctrl-C, not run
    with open_store(path) as store:
        [record] = store.list_experiments()
        assert record.state is ExperimentState.STOPPED
    assert not left_behind(sentinel)

    finish(start(path, sentinel, "resume", record.id, concurrency=2))
    assert len(summary(path)) == 60
    assert len(sentinel.read_text().splitlines()) == 60  # none was run twice


@pytest.mark.slow
def test_ctrl_c_twice_stops_at_once_with_a_keyboard_interrupt(tmp_path):
    path, sentinel = tmp_path / "store.db", tmp_path / "evaluations.txt"
    process = start(path, sentinel, "run", concurrency=2)
    wait_until(lambda: len(finished(path)) >= 3)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    # Both signals may arrive before the first is handled, and then count as one.
    assert process.returncode in (0, 130, -signal.SIGINT, 1)
    assert process.returncode == 0 or "KeyboardInterrupt" in errors
    assert not left_behind(sentinel)
    with open_store(path) as store:
        assert store.list_experiments()[0].state is ExperimentState.STOPPED


@pytest.mark.slow
def test_two_processes_cannot_run_the_same_experiment(tmp_path):
    path, sentinel = tmp_path / "store.db", tmp_path / "evaluations.txt"
    first = start(path, sentinel, "run")
    wait_until(lambda: len(finished(path)) >= 1)
    with open_store(path) as store:
        [record] = store.list_experiments()
    second = start(path, tmp_path / "second.txt", "resume", record.id)
    _, errors = second.communicate(timeout=60)
    assert second.returncode != 0
    assert "ExperimentBusyError" in errors
    assert str(first.pid) in errors
    finish(first)
    assert len(summary(path)) == 60
