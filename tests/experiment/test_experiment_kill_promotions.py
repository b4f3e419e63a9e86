"""Searches that promote and prune trials, killed at random instants and at chosen ones."""

import random
import signal
import time
from collections import Counter
from functools import partial

import pytest
from killing import kept, left_behind, starting, stored_trials, wait_until

from retiarii import RetiariiExperiment
from retiarii.storage import ExperimentState, open_store
from retiarii.trial import TrialState

SEARCHES = ["asha", "hyperband", "nsga2"]


@pytest.fixture(scope="module")
def start():
    with starting("kill_promotions_script.py") as begin:
        yield begin


def lines(sentinel):
    """Return how often the evaluation of each trial came to its end."""
    return Counter(sentinel.read_text().split()) if sentinel.exists() else Counter()


def finished(store_path):
    return {str(trial.number): trial for trial in stored_trials(store_path) if trial.state.is_finished}


def ways_to_resume(store_path):
    with open_store(store_path) as store:
        records = store.list_experiments()
    return ("resume", records[0].id) if records else ("run",)


def result(store_path):
    """Return all that is the same in every run of an experiment with one trial at a time."""
    return [
        (t.number, t.proposal, t.state, t.metrics, tuple(t.intermediates), t.violation, t.reason, t.finish_order)
        for t in stored_trials(store_path)
    ]


def check_promotions(store_path, num_trials):
    trials = stored_trials(store_path)
    assert [trial.number for trial in trials] == list(range(num_trials))
    assert {trial.state for trial in trials} <= {TrialState.COMPLETED, TrialState.PRUNED}
    promoted = [trial for trial in trials if trial.parent is not None]
    assert len({trial.parent for trial in promoted}) == len(promoted), "a trial was promoted twice"
    for trial in promoted:
        parent = trials[trial.parent]
        assert parent.architecture == trial.architecture
        if trial.is_completed:
            assert trial.metrics["begun"] == parent.fidelity["epochs"], "it did not continue the checkpoint"
    return promoted


def check_files(store_path):
    """Check that the files are those of the best trial, and of all that may be continued."""
    with open_store(store_path) as store:
        [record] = store.list_experiments()
        log = store.load_log(record.id, with_reports=True)
        experiment = RetiariiExperiment.load(record.id, storage=store_path)
        search = experiment.strategy.search(experiment.search_space, seed=record.seed, objectives=record.objectives)
        search.replay(log.asked, log.told)
        [best] = store.best_trials(record.id, 1)
        assert record.state is ExperimentState.DONE
    return set(kept(store_path)) - {best.number}, set(search.continuable) - {best.number}


class Killer:
    """Kills an experiment again and again, and checks each time that nothing was lost or run again.

    Args:
        start: Starts a process, with the settings of the experiment.
        store: Its store.
        sentinel: Where its trials write a line each.
    """

    def __init__(self, start, store, sentinel):
        self._start, self.store, self.sentinel = start, store, sentinel
        self._finished, self._lines = {}, Counter()

    def begin(self, **settings):
        return self._start(self.store, self.sentinel, *ways_to_resume(self.store), **settings)

    def check(self):
        now, ended = finished(self.store), lines(self.sentinel)
        for number, trial in self._finished.items():
            assert now.get(number) == trial, "a finished trial was lost or changed"
            assert ended[number] == self._lines[number], "a finished trial was run again"
        self._finished, self._lines = now, ended


def wait_for_lines(killer, process, goal):
    wait_until(lambda: lines(killer.sentinel).total() > goal or not process.is_alive, pause_s=0.002)


def killed_at_random(killer, rng, num_kills, is_group=True):
    for kill in range(num_kills):
        process = killer.begin()
        if kill % 4 == 3:  # while the experiment is starting
            time.sleep(rng.random() * 0.3)
        else:  # after up to four more trials and a random moment, so that it hits any step of the loop
            goal = lines(killer.sentinel).total() + rng.randrange(4)
            wait_for_lines(killer, process, goal)
            time.sleep(rng.random() * 0.02)
        if is_group:
            process.kill_group()
        else:
            process.kill(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.errors
        wait_until(lambda: is_group or not left_behind(killer.sentinel))
        killer.check()
    killer.begin().finish()
    killer.check()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("search", "num_kills"), [("asha", 7), ("hyperband", 7), ("nsga2", 6)])
def test_killed_with_two_trials_at_a_time(tmp_path, start, search, num_kills):
    check_two_at_a_time(tmp_path, start, search, num_kills, "forking")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("platform", "num_kills"), [("forking", 60), ("local", 10)])
@pytest.mark.parametrize("search", SEARCHES)
def test_killed_many_times(tmp_path, start, search, platform, num_kills):
    check_two_at_a_time(tmp_path, start, search, num_kills, platform)


def check_two_at_a_time(tmp_path, start, search, num_kills, platform):
    num_trials = 8 * num_kills + 20
    settings = {"search": search, "platform": platform, "trials": num_trials, "limit": 10**9}
    killer = Killer(lambda *arguments: start(*arguments, **settings), tmp_path / "store.db", tmp_path / "ended.txt")
    killed_at_random(killer, random.Random(num_kills), num_kills, is_group=platform == "forking")
    promoted = check_promotions(killer.store, num_trials)
    assert bool(promoted) == (search != "nsga2")
    have, needed = check_files(killer.store)
    assert have == needed


FEW = 3 * 4100  # bytes: room for the checkpoints of three trials, so that many are removed before they could be needed


class Pair:
    """An experiment that is killed, and the same one that is not."""

    def __init__(self, start, folder, search, **settings):
        settings = {"search": search, "platform": "in_process", "trials": 60, "limit": 10**9, **settings}
        self._plain = folder / "plain.db"
        start(self._plain, folder / "plain.txt", "run", **settings).finish()
        self._killer = Killer(partial(start, **settings), folder / "killed.db", folder / "killed.txt")

    def kill_at(self, step, counts):
        for count in counts:
            process = self._killer.begin(die=f"{step}:{count}")
            assert process.wait() == -signal.SIGKILL, process.errors
            self._killer.check()

    def check(self):
        self._killer.begin().finish()
        self._killer.check()
        assert result(self._killer.store) == result(self._plain)
        assert kept(self._killer.store) == kept(self._plain)
        return stored_trials(self._plain)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("search", "limit"),
    [
        ("oldest", FEW),
        ("hyperband", 10**9),
        ("nsga2", 10**9),
        ("median", FEW),
        pytest.param("asha", 10**9, marks=pytest.mark.slow),
        pytest.param("asha", FEW, marks=pytest.mark.slow),
        pytest.param("hyperband", FEW, marks=pytest.mark.slow),
        pytest.param("median", 10**9, marks=pytest.mark.slow),
    ],
)
def test_killed_at_each_step_of_one_trial_at_a_time_equals_an_uninterrupted_run(tmp_path, start, search, limit):
    pair = Pair(start, tmp_path, search, limit=limit)
    pair.kill_at("any", (1, 2, 3, 4, 5, 6, 9, 10, 13, 16))
    trials = pair.check()
    assert len(trials) == 60
    assert any(trial.parent is not None for trial in trials) == (search != "nsga2")
    assert any(trial.state is TrialState.PRUNED for trial in trials) == (search == "median")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "step",
    [
        "before writing a pruned trial",
        "after writing",
        "before removing",
        "halfway through removing",
        "after removing",
    ],
)
def test_killed_at_one_kind_of_step(tmp_path, start, step):
    pair = Pair(start, tmp_path, "median" if "pruned" in step else "oldest", limit=FEW)
    pair.kill_at(step, (1, 1, 2, 1, 2, 3, 4))
    pair.check()


@pytest.mark.parametrize("search", ["asha", "hyperband"])
def test_trials_that_write_no_files_are_promoted_after_a_kill_as_without_one(tmp_path, start, search):
    pair = Pair(start, tmp_path, search, files="none")
    pair.kill_at("after writing", (20, 5, 25))
    assert any(trial.parent is not None for trial in pair.check()[40:])
