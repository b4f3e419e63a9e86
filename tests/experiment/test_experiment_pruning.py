"""Trials that end early: by the search, by a callback, by the evaluation itself."""

import pytest

from retiarii import RetiariiExeConfig, RetiariiExperiment, TrialPruned, report_intermediate_result, strategy
from retiarii.experiment import Callback
from retiarii.space import Integer, SearchSpace
from retiarii.trial import TrialState

SPACE = SearchSpace([Integer("quality", 0, 9)])


def in_steps(architecture, context):
    """Report the quality five times; the folder tells how far the code really ran."""
    for step in range(5):
        context.folder.mkdir(parents=True, exist_ok=True)
        (context.folder / "steps").write_text(str(step + 1))
        context.report(architecture["quality"] + step / 10)
    return architecture["quality"] + 1.0


class PrunesBad(Callback):
    def should_prune(self, trial):
        if len(trial.intermediates) == 3 and trial.architecture["quality"] < 5:
            return "not good enough"
        return None


def ran(tmp_path, platform, evaluate=in_steps, search=None, callbacks=(), **settings):
    settings = {"seed": 0, "progress": False, "storage": tmp_path / "store.db", "keep_checkpoints": 10, **settings}
    search = search or strategy.GridSearch(shuffle=False)
    experiment = RetiariiExperiment(SPACE, evaluate, strategy=search, callbacks=callbacks)
    experiment.run(RetiariiExeConfig(platform, **settings))
    return experiment


@pytest.mark.parametrize("platform", ["local", "in_process"])
class TestEverywhere:
    def test_a_callback_ends_trials_at_the_report(self, tmp_path, platform):
        experiment = ran(tmp_path, platform, callbacks=[PrunesBad()])
        trials = experiment.trials()
        assert [trial.state for trial in trials] == [TrialState.PRUNED] * 5 + [TrialState.COMPLETED] * 5
        pruned = trials[4]
        assert pruned.reason == "not good enough"
        assert pruned.metrics == {"default": 4.2}
        assert len(pruned.intermediates) == 3
        assert pruned.failure is None
        assert experiment.top_trials()[0].number == 9
        assert {trial.number for trial in experiment.top_trials(10)} == {5, 6, 7, 8, 9}

    def test_the_search_ends_trials_below_the_median(self, tmp_path, platform):
        search = strategy.MedianStop(strategy.Given([{"quality": q} for q in (4, 5, 6, 7, 8, 1, 9, 2)]))
        trials = ran(tmp_path, platform, search=search).trials()
        assert [trial.state for trial in trials if trial.number >= 5] == [
            TrialState.PRUNED,
            TrialState.COMPLETED,
            TrialState.PRUNED,
        ]
        assert "the median of 5 trials is 6" in trials[5].reason
        assert len(trials[5].intermediates) == 1

    def test_the_evaluation_ends_itself(self, tmp_path, platform):
        def gives_up(architecture):
            report_intermediate_result(float(architecture["quality"]))
            if architecture["quality"] < 8:
                raise TrialPruned("hopeless")
            return float(architecture["quality"])

        trials = ran(tmp_path, platform, gives_up).trials()
        assert [trial.reason for trial in trials] == ["hopeless"] * 8 + [""] * 2
        assert trials[3].metrics == {"default": 3.0}

    def test_a_trial_that_reports_nothing_is_never_pruned(self, tmp_path, platform):
        def silent(architecture):
            return float(architecture["quality"])

        trials = ran(tmp_path, platform, silent, search=strategy.MedianStop(strategy.GridSearch())).trials()
        assert {trial.state for trial in trials} == {TrialState.COMPLETED}

    def test_except_exception_does_not_stop_it(self, tmp_path, platform):
        def stubborn(architecture, context):
            for step in range(4):
                try:
                    context.report(float(step))
                except Exception:  # noqa: BLE001 - as users write it
                    pytest.fail("TrialPruned is no Exception")
            return 1.0

        class Prunes(Callback):
            def should_prune(self, trial):
                return "enough"

        trials = ran(tmp_path, platform, stubborn, callbacks=[Prunes()]).trials()
        assert {(trial.state, len(trial.intermediates)) for trial in trials} == {(TrialState.PRUNED, 1)}


def test_nothing_runs_after_the_report_that_ended_a_trial(tmp_path):
    steps = {}

    class Looks(PrunesBad):
        def on_trial_end(self, trial):
            folder = experiment.directory / "trials" / str(trial.number)
            steps[trial.number] = (folder / "steps").read_text()

    experiment = RetiariiExperiment(SPACE, in_steps, strategy=strategy.GridSearch(shuffle=False), callbacks=[Looks()])
    experiment.run(RetiariiExeConfig("local", seed=0, progress=False, storage=tmp_path / "store.db"))
    assert steps == {**dict.fromkeys(range(5), "3"), **dict.fromkeys(range(5, 10), "5")}


def test_a_resume_knows_what_earlier_trials_reported(tmp_path):
    good_first = [{"quality": quality} for quality in (4, 5, 6, 7, 8, 1)]
    whole = ran(tmp_path / "whole", "in_process", search=strategy.MedianStop(strategy.Given(good_first)))
    halves = ran(
        tmp_path / "halves", "in_process", search=strategy.MedianStop(strategy.Given(good_first)), max_trial_number=5
    )
    resumed = RetiariiExperiment.resume(halves.id, storage=tmp_path / "halves" / "store.db", max_trial_number=6)
    assert [(t.state, t.reason, t.metrics) for t in resumed.trials()] == [
        (t.state, t.reason, t.metrics) for t in whole.trials()
    ]
