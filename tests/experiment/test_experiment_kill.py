"""Searches whose processes are killed: finished trials are kept, and no process is left."""

import random
import signal
import time

import pytest
from killing import kept, left_behind, starting, stored_trials, wait_until

from retiarii.storage import ExperimentState, open_store
from retiarii.trial import TrialState

TRIALS = 110
SETTINGS = {"concurrency": 1, "trials": TRIALS, "slow_after": 10**9}


@pytest.fixture(scope="module")
def start():
    with starting("kill_script.py") as begin:
        yield lambda *arguments, **settings: begin(*arguments, **{**SETTINGS, **settings})


def summary(store_path):
    return [(t.number, t.architecture, t.metrics, t.finish_order, t.state) for t in stored_trials(store_path)]


def finished(store_path):
    return {trial.number: trial.ended for trial in stored_trials(store_path) if trial.is_completed}


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
