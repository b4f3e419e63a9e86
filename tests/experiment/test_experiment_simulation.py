"""Searches on a simulated clock: eight workers, a day, a second."""

import pytest
from simulated_executor import EPOCH, SimulatedExecutor

from retiarii import RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii.experiment import Callback
from retiarii.space import Float, SearchSpace
from retiarii.storage import open_store
from retiarii.trial import TrialState

HOUR = 3600.0
SPACE = SearchSpace([Float("quality", 0, 1)])


def measure(architecture, context):
    """Take between ten minutes and an hour; the worse report first that they are worse."""
    for step in range(4):
        context.report(architecture["quality"] + step / 100)
    return {"default": architecture["quality"], "seconds": 600 + 3000 * (architecture["quality"] * 997 % 1)}


class Order(Callback):
    def __init__(self):
        self.ended = []

    def on_trial_end(self, trial):
        self.ended.append(trial.ended)


def ran(tmp_path, search=None, name="store.db", **settings):
    order = Order()
    experiment = RetiariiExperiment(SPACE, measure, strategy=search or strategy.Random(), callbacks=[order])
    config = RetiariiExeConfig(seed=1, progress=False, storage=tmp_path / name, executor=SimulatedExecutor, **settings)
    experiment.run(config)
    return experiment, order.ended


def test_a_day_of_eight_workers_counts_as_a_day(tmp_path):
    experiment, ended = ran(tmp_path, max_experiment_duration="24h")
    trials = experiment.trials()
    done = [trial for trial in trials if trial.is_completed]
    assert len(done) > 250
    assert len(trials) - len(done) == 8  # those that ran when the day was over
    assert {trial.state for trial in trials[len(done) + 8 :]} <= {TrialState.INTERRUPTED}
    assert ended == sorted(ended)
    assert all(EPOCH <= trial.started and trial.ended <= EPOCH + 24 * HOUR for trial in done)
    assert [trial.duration_s for trial in done] == pytest.approx([trial.metrics["seconds"] for trial in done])
    with open_store(tmp_path / "store.db") as store:
        assert store.get_experiment(experiment.id).spent_s == pytest.approx(24 * HOUR)
        assert store.get_experiment(experiment.id).message == "max_experiment_duration was reached"


def test_each_worker_takes_the_next_trial_when_its_last_one_ends(tmp_path):
    trials = ran(tmp_path, max_experiment_duration="6h")[0].trials()
    moments = sorted(trial.ended for trial in trials if trial.ended is not None)
    assert [trial.started for trial in trials[:8]] == [EPOCH] * 8
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
        seconds = measure(trial.architecture, Silent)["seconds"]
        assert trial.duration_s == pytest.approx(seconds * len(trial.intermediates) / 5)


class Silent:
    @staticmethod
    def report(metrics):
        pass


def test_a_resume_adds_to_the_time(tmp_path):
    experiment, _ = ran(tmp_path, max_experiment_duration="3h")
    before = {trial.number: trial for trial in experiment.trials() if trial.is_completed}
    resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", max_experiment_duration="6h")
    after = {trial.number: trial for trial in resumed.trials() if trial.is_completed}
    assert before.items() <= after.items()
    assert len(after) > 1.5 * len(before)
    with open_store(tmp_path / "store.db") as store:
        assert store.get_experiment(resumed.id).spent_s == pytest.approx(6 * HOUR)
