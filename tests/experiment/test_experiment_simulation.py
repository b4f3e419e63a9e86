"""Searches on a simulated clock: eight workers, a day, a second."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from killing import stored_trials, wait_until
from simulated_script import NUM_TRIALS, SEARCH, SPACE, Timed, settings

from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii.errors import ConfigError
from retiarii.evaluator import Evaluator, Simulated
from retiarii.execution import SimulatedExecutor
from retiarii.experiment import Callback
from retiarii.storage import open_store
from retiarii.trial import Clock, FailureKind, TrialState

HOUR = 3600.0


class Order(Callback):
    def __init__(self):
        self.ended = []

    def on_trial_end(self, trial):
        self.ended.append(trial.ended)


class Stops(Callback):
    """Stops an experiment after some trials."""

    def __init__(self, count):
        self.left = count

    def on_trial_end(self, trial):
        self.left -= 1
        if self.left == 0:
            self.experiment.stop()


class WithFidelity(Timed):
    """Takes time for each epoch, and reports after each."""

    def evaluate(self, model, context):
        first = int(context.parent_fidelity.get("epochs", 0)) + 1
        epochs = range(first, int(context.fidelity["epochs"]) + 1)
        for epoch in epochs:
            context.report(model["quality"] * (1 - 0.5**epoch))
        return {"default": model["quality"] * (1 - 0.5 ** epochs[-1]), "epochs": len(epochs)}

    def seconds(self, model, context):
        epochs = int(context.fidelity["epochs"] - context.parent_fidelity.get("epochs", 0))
        each = 100 + 50 * (model["quality"] * 997 % 1)
        return [*(each * (step + 1) for step in range(epochs)), each * epochs]


def ran(tmp_path, search=None, name="store.db", *, evaluator=None, callbacks=(), **changes):
    order = Order()
    experiment = RetiariiExperiment(
        SPACE, evaluator or Timed(), strategy=search or strategy.Random(), callbacks=[order, *callbacks]
    )
    for callback in callbacks:
        callback.experiment = experiment
    fixed = {"trial_concurrency": 8, "seed": 1, "progress": False, "storage": tmp_path / name}
    experiment.run(RetiariiExeConfig("simulated", **{**fixed, **changes}))
    return experiment, order.ended


def test_a_day_of_eight_workers_counts_as_a_day(tmp_path):
    experiment, ended = ran(tmp_path, max_experiment_duration="24h")
    trials = experiment.trials()
    done = [trial for trial in trials if trial.is_completed]
    assert len(done) > 250
    assert len(trials) - len(done) == 8  # those that ran when the day was over
    assert {trial.state for trial in trials if not trial.is_completed} == {TrialState.INTERRUPTED}
    assert ended == sorted(ended)
    assert all(0 <= trial.started and trial.ended <= 24 * HOUR for trial in done)
    seconds = [Timed().seconds(trial.architecture, None) for trial in done]
    assert [trial.duration_s for trial in done] == pytest.approx(seconds)
    with open_store(tmp_path / "store.db") as store:
        assert store.get_experiment(experiment.id).spent_s == 24 * HOUR
        assert store.get_experiment(experiment.id).message == "max_experiment_duration was reached"


def test_each_worker_takes_the_next_trial_when_its_last_one_ends(tmp_path):
    trials = ran(tmp_path, max_experiment_duration="6h")[0].trials()
    moments = sorted(trial.ended for trial in trials if trial.ended is not None)
    assert [trial.started for trial in trials[:8]] == [0.0] * 8
    assert [trial.started for trial in trials[8:]] == moments[: len(trials) - 8]


def test_the_same_seed_gives_the_same_day(tmp_path):
    first, second = (ran(tmp_path, name=name, max_experiment_duration="8h")[0].trials() for name in ("a.db", "b.db"))
    assert first == second


def test_trials_are_pruned_at_the_time_of_the_report(tmp_path):
    search = strategy.MedianStop(strategy.Random(), min_trials=3)
    trials = ran(tmp_path, search, max_trial_number=60)[0].trials()
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    assert pruned
    for trial in pruned:
        seconds = Timed().seconds(trial.architecture, None)
        assert trial.duration_s == pytest.approx(seconds * len(trial.intermediates) / 5)


def test_promotions_take_the_additional_time(tmp_path):
    search = strategy.ASHA("epochs", 1, 9, 3, max_architectures=27)
    trials = ran(tmp_path, search, evaluator=WithFidelity())[0].trials()
    promoted = [trial for trial in trials if trial.parent is not None]
    assert {trial.fidelity["epochs"] for trial in promoted} == {3, 9}
    for trial in promoted:
        additional = trial.fidelity["epochs"] - trials[trial.parent].fidelity["epochs"]
        assert trial.metrics["epochs"] == len(trial.intermediates) == additional
        assert 100 * additional <= trial.duration_s <= 150 * additional


def test_trials_that_take_too_long_are_cut_off_in_simulated_time(tmp_path):
    trials = ran(tmp_path, max_trial_number=20, max_trial_duration="30m")[0].trials()
    slow = [trial for trial in trials if Timed().seconds(trial.architecture, None) > 1800]
    assert slow
    assert [trial for trial in trials if not trial.is_completed] == slow
    assert {(trial.failure.kind, round(trial.duration_s, 6)) for trial in slow} == {(FailureKind.TIMED_OUT, 1800.0)}


def test_no_folders_are_made(tmp_path):
    experiment, _ = ran(tmp_path, max_trial_number=20)
    assert not (experiment.directory / "trials").exists()


SEARCHES = {
    "random": (strategy.Random(), Timed),
    "evolution": (strategy.RegularizedEvolution(population_size=10, sample_size=3), Timed),
    "median": (strategy.MedianStop(strategy.Random(), min_trials=3), Timed),
    "asha": (strategy.ASHA("epochs", 1, 9, 3), WithFidelity),
    "hyperband": (strategy.Hyperband("epochs", 1, 9, 3), WithFidelity),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_resumed_search_is_the_uninterrupted_one(tmp_path, name):
    """Stopped anywhere, again and again: the same trials with the same times, reports and order."""
    search, evaluator = SEARCHES[name]
    whole = ran(tmp_path, search, "whole.db", evaluator=evaluator(), max_trial_number=80)[0].trials()
    draw = random.Random(name)
    stops = Stops(draw.randrange(1, 20))
    experiment, _ = ran(tmp_path, search, "parts.db", evaluator=evaluator(), callbacks=[stops], max_trial_number=80)
    first = experiment.trials()
    assert any(trial.state is TrialState.INTERRUPTED for trial in first)
    for _ in range(2):
        limit = max(trial.ended or 0 for trial in experiment.trials()) + draw.uniform(100, 2000)
        experiment = resumed(tmp_path, experiment, max_experiment_duration=limit)
        assert len(experiment.trials()) < 80
        with open_store(tmp_path / "parts.db") as store:
            assert store.get_experiment(experiment.id).spent_s == pytest.approx(limit)
    experiment = resumed(tmp_path, experiment, max_experiment_duration=None)
    assert experiment.trials() == whole


def resumed(tmp_path, experiment, **changes):
    return RetiariiExperiment.resume(experiment.id, storage=tmp_path / "parts.db", **changes)


class Minute(Evaluator, Simulated):
    def evaluate(self, model):
        return model["quality"]

    def seconds(self, model, context):
        return np.float32(60.0)


def test_a_resume_waits_for_the_trials_that_it_runs_again(tmp_path):
    """The second worker gets nothing to do: the next generation follows from the last trial of the first."""
    search = strategy.GenerationalEvolution(population_size=3, num_select=2, num_mutation=2, num_crossover=1)
    settings = {"evaluator": Minute(), "trial_concurrency": 2, "max_trial_number": 6}
    whole = ran(tmp_path, search, **settings)[0].trials()
    experiment, _ = ran(tmp_path, search, "parts.db", **settings, max_experiment_duration=90)
    assert [trial.state for trial in experiment.trials()] == ["completed", "completed", "interrupted"]
    assert resumed(tmp_path, experiment, max_experiment_duration=None).trials() == whole


def test_a_killed_search_is_resumed_as_if_nothing_had_happened(tmp_path):
    """The last results are lost with the process, and computed again."""
    script = Path(__file__).with_name("simulated_script.py")
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path / "parts.db")])
    wait_until(lambda: len(stored_trials(tmp_path / "parts.db")) > 50)
    process.kill()
    process.wait()
    before = stored_trials(tmp_path / "parts.db")
    assert len(before) < NUM_TRIALS
    whole = RetiariiExperiment(SPACE, Timed(), strategy=SEARCH)
    whole.run(settings(tmp_path / "whole.db"))
    with open_store(tmp_path / "parts.db") as store:
        [record] = store.list_experiments()
    objects = {"base_model": SPACE, "evaluator": Timed(), "strategy": SEARCH}
    after = RetiariiExperiment.resume(record.id, storage=tmp_path / "parts.db", **objects)
    assert after.trials() == whole.trials()
    kept = [trial for trial in before if trial.state.is_finished]
    assert kept == [trial for trial in after.trials() if trial.number in {trial.number for trial in kept}]


def test_an_error_in_a_callback_loses_nothing(tmp_path):
    class Breaks(Callback):
        def on_trial_end(self, trial):
            if trial.number == 10:
                raise KeyError("of the callback")

    with pytest.raises(KeyError, match="of the callback"):
        ran(tmp_path, callbacks=[Breaks()], max_trial_number=40)
    assert len([trial for trial in stored_trials(tmp_path / "store.db") if trial.state.is_finished]) >= 3


@pytest.mark.parametrize(
    ("evaluator", "changes", "words"),
    [
        (FunctionalEvaluator(lambda model: 1.0), {}, r"seconds\(self, model, context\)"),
        (Timed(), {"trial_memory_limit": "1GB"}, "trial_memory_limit needs trials in processes of their own"),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_anything_is_stored(tmp_path, evaluator, changes, words):
    with pytest.raises(ConfigError, match=words):
        ran(tmp_path, evaluator=evaluator, **changes)
    assert stored_trials(tmp_path / "store.db") == []


class OtherClock(Clock):
    """A clock of somebody else's executor, which begins anew in each run."""

    def __init__(self, seconds):
        self.seconds = seconds

    def now(self):
        return 2e9 + self.seconds()

    def elapsed(self):
        return self.seconds()


class Foreign(SimulatedExecutor):
    @property
    def clock(self):
        return OtherClock(self._clock.now)


def test_the_clock_of_another_executor_counts_all_runs_together(tmp_path):
    changes = {"executor": lambda task: Foreign(task, 8), "trial_concurrency": 1}
    experiment, _ = ran(tmp_path, name="parts.db", max_experiment_duration="3h", **changes)
    before = {trial.number: trial for trial in experiment.trials() if trial.is_completed}
    after = resumed(tmp_path, experiment, max_experiment_duration="6h", executor=changes["executor"])
    done = {trial.number: trial for trial in after.trials() if trial.is_completed}
    assert before.items() <= done.items()
    assert len(done) > 1.5 * len(before)
    with open_store(tmp_path / "parts.db") as store:
        assert store.get_experiment(after.id).spent_s == pytest.approx(6 * HOUR)
