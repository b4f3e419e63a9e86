"""Wrong input gives a clear error, or a failed trial with its reason, and the experiment continues."""

import json
import resource
import shutil
import subprocess

import pytest

from retiarii import RetiariiExeConfig, RetiariiExperiment, at_most, strategy
from retiarii.errors import ConfigError, ConstraintError, NotFoundError
from retiarii.evaluator import Evaluator
from retiarii.experiment import Callback
from retiarii.space import Float, Integer, SearchSpace
from retiarii.storage import ExperimentState
from retiarii.trial import FailureKind, TrialState

SPACE = SearchSpace([Float("quality", 0, 1)])
HUGE = SearchSpace([Integer(f"n{index}", 1, 100) for index in range(20)])


def train(architecture, context):
    """Continue from the parent's file, whose absence is an error."""
    done = 0
    if context.parent is not None:
        done = json.loads((context.parent_folder / "state.json").read_text())["epochs"]
    epochs = int(context.fidelity["epochs"])
    (context.folder / "state.json").write_text(json.dumps({"epochs": epochs}))
    return {"default": architecture["quality"] * epochs, "begun": float(done)}


def made(storage, evaluate=train, *, search=None, space=SPACE, callbacks=(), platform="in_process", **settings):
    search = strategy.ASHA(max_fidelity=9) if search is None else search
    experiment = RetiariiExperiment(space, evaluate, strategy=search, callbacks=callbacks)
    settings = {"max_trial_number": 40, "seed": 0, "progress": False, "storage": storage, **settings}
    return experiment, RetiariiExeConfig(platform, **settings)


def ran(storage, *arguments, **settings):
    experiment, config = made(storage, *arguments, **settings)
    experiment.run(config)
    return experiment


class TestFidelities:
    def test_an_evaluator_of_another_fidelity(self, tmp_path):
        class Steps(Evaluator):
            fidelities = ("steps",)

            def evaluate(self, model):
                return 1.0

        with pytest.raises(
            ConfigError, match=r"fidelity 'epochs', which .*Steps.* does not heed: it knows \['steps'\]"
        ):
            ran(tmp_path / "store.db", Steps())
        with pytest.raises(NotFoundError):
            RetiariiExperiment.view("any", storage=tmp_path / "store.db")

    def test_a_resume_with_an_evaluator_that_heeds_none(self, tmp_path):
        experiment = ran(tmp_path / "store.db", max_trial_number=10)
        before = experiment.trials()
        with pytest.raises(ConfigError, match="it knows none"):
            RetiariiExperiment.resume(
                experiment.id,
                storage=tmp_path / "store.db",
                evaluator=RetiariiExperiment(SPACE, lambda a: 1.0).evaluator,
            )
        assert experiment.trials() == before
        assert (
            len(RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", max_trial_number=20).trials())
            == 20
        )


ALL = [
    strategy.Random(),
    strategy.RegularizedEvolution(),
    strategy.ASHA(),
    strategy.Hyperband(),
    strategy.NSGA2(),
    strategy.MedianStop(strategy.Random()),
]


class TestConstraintsThatNothingMeets:
    @pytest.mark.parametrize("search", ALL, ids=lambda search: type(search).__name__)
    def test_are_found_within_a_bounded_number_of_draws(self, tmp_path, search):
        draws = []

        def never(architecture):
            draws.append(architecture)
            return 1

        experiment, config = made(
            tmp_path / "store.db", lambda a, context: 1.0, search=search, space=HUGE, constraints=[at_most(never, 0)]
        )
        with pytest.raises(ConstraintError, match=r"10,?000"):
            experiment.run(config)
        assert len(draws) <= 20_000
        assert experiment.state is ExperimentState.STOPPED
        assert experiment.trials() == []
        resumed = RetiariiExperiment.resume(
            experiment.id, storage=tmp_path / "store.db", constraints=[], max_trial_number=3
        )
        assert len(resumed.trials()) == 3

    def test_that_raise_are_named(self, tmp_path):
        experiment, config = made(
            tmp_path / "store.db", search=strategy.Random(), constraints=[at_most(lambda a: a["qualiti"], 0)]
        )
        with pytest.raises(ConfigError, match=r"raised KeyError: .*qualiti"):
            experiment.run(config)
        assert experiment.state is ExperimentState.STOPPED

    def test_on_metrics_leave_all_trials_infeasible(self, tmp_path):
        experiment = ran(tmp_path / "store.db", constraints=[at_most("begun", -1)])
        assert {trial.is_feasible for trial in experiment.trials()} == {False}
        assert experiment.pareto_front() == []
        assert experiment.top_trials()[0].violation > 0

    def test_on_metrics_that_nobody_reports(self, tmp_path):
        experiment = ran(tmp_path / "store.db", constraints=[at_most("latency", 5)])
        assert {trial.violation for trial in experiment.trials()} == {float("inf")}
        assert len(RetiariiExperiment.view(experiment.id, storage=tmp_path / "store.db").top_trials(50)) == 40


class TestMissingCheckpoints:
    def test_a_folder_that_somebody_deletes_fails_the_trial_that_needs_it(self, tmp_path):
        class Deletes(Callback):
            def on_trial_start(self, trial):
                if trial.parent is not None and len(deleted) < 3:
                    deleted.append(trial.number)
                    shutil.rmtree(experiment.directory / "trials" / str(trial.parent))

        deleted = []
        experiment, config = made(tmp_path / "store.db", callbacks=[Deletes()])
        experiment.run(config)
        failed = [trial for trial in experiment.trials() if trial.state is TrialState.FAILED]
        assert [trial.number for trial in failed] == deleted
        for trial in failed:
            assert trial.failure.kind is FailureKind.RAISED
            assert f"trials/{trial.parent}/state.json" in trial.failure.message
        assert len(experiment.trials()) == 40

    def test_all_folders_deleted_while_the_search_runs(self, tmp_path, caplog):
        class Deletes(Callback):
            def on_trial_end(self, trial):
                if trial.number == 15:
                    shutil.rmtree(experiment.directory / "trials")

        experiment, config = made(tmp_path / "store.db", callbacks=[Deletes()])
        experiment.run(config)
        trials = experiment.trials()
        failed = [trial for trial in trials if trial.state is TrialState.FAILED]
        assert len(trials) == 40
        assert all(trial.parent <= 15 for trial in failed)
        assert any(trial.is_completed and trial.parent is not None for trial in trials[20:])

    def test_deleted_while_nothing_ran_are_not_continued(self, tmp_path):
        experiment = ran(tmp_path / "store.db", max_trial_number=20)
        files = experiment.directory / "trials"
        for folder in files.glob("[0-9]*"):
            shutil.rmtree(folder)
        resumed = RetiariiExperiment.resume(experiment.id, storage=tmp_path / "store.db", max_trial_number=40)
        trials = resumed.trials()
        assert {trial.state for trial in trials} == {TrialState.COMPLETED}
        assert all(trial.parent is None or trial.parent >= 20 for trial in trials[20:])
        assert any(trial.parent is not None for trial in trials[20:])


def fills(architecture, context):
    """Write a checkpoint that has no room for some architectures."""
    is_large = context.number in (3, 5)
    with open(context.folder / "weights", "wb") as file:
        for _ in range(40 if is_large else 1):
            file.write(bytes(50_000))
    return architecture["quality"]


def limited(architecture, context):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return fills(architecture, context)


class TestFullDisks:
    def test_a_checkpoint_that_has_no_room_fails_its_trial(self, tmp_path):
        experiment = ran(tmp_path / "store.db", limited, search=strategy.Random(), platform="local", max_trial_number=8)
        self.check(experiment, "File too large")

    def test_a_disk_that_is_full_of_it_has_room_for_the_next_trial(self, tmp_path):
        disk = tmp_path / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "none", disk], capture_output=True).returncode:
            pytest.skip("needs the right to mount a small tmpfs")
        try:
            experiment = ran(disk / "store.db", fills, search=strategy.Random(), platform="local", max_trial_number=8)
            self.check(experiment, "No space left on device")
        finally:
            subprocess.run(["umount", "-l", disk], check=True)

    def check(self, experiment, reason):
        trials = experiment.trials()
        assert [trial.number for trial in trials if trial.state is TrialState.FAILED] == [3, 5]
        assert {trial.failure.kind for trial in trials if trial.failure} == {FailureKind.RAISED}
        assert all(reason in trial.failure.message for trial in trials if trial.failure)
        best = experiment.top_trials()[0].number
        assert [int(folder.name) for folder in (experiment.directory / "trials").glob("[0-9]*")] == [best]
