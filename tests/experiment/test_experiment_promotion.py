"""Trials that continue others: fidelities, parents, and the files that are kept for them."""

import json

import pytest

from retiarii import RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii.errors import ConfigError
from retiarii.experiment import Callback
from retiarii.space import Float, SearchSpace
from retiarii.trial import TrialState

SPACE = SearchSpace([Float("quality", 0, 1)])


def train(architecture, context):
    """Train epoch by epoch from where the parent ended; the metric grows with quality and epochs."""
    done = 0
    if context.parent_folder is not None:
        done = json.loads((context.parent_folder / "state.json").read_text())["epochs"]
    trained = []
    for epoch in range(done, int(context.fidelity["epochs"])):
        trained.append(epoch)
        context.report(architecture["quality"] * (epoch + 1))
    context.folder.mkdir(parents=True, exist_ok=True)
    (context.folder / "state.json").write_text(json.dumps({"epochs": int(context.fidelity["epochs"])}))
    return {"default": architecture["quality"] * context.fidelity["epochs"], "trained": float(len(trained))}


def ran(tmp_path, search, evaluate=train, callbacks=(), platform="in_process", **settings):
    settings = {"seed": 0, "progress": False, "storage": tmp_path / "store.db", "max_trial_number": 60, **settings}
    experiment = RetiariiExperiment(SPACE, evaluate, strategy=search, callbacks=callbacks)
    experiment.run(RetiariiExeConfig(platform, **settings))
    return experiment


@pytest.mark.parametrize("search", [strategy.ASHA(max_fidelity=9), strategy.Hyperband(max_fidelity=9)], ids=repr)
@pytest.mark.parametrize("concurrency", [1, 3])
def test_promoted_trials_train_for_the_rest_only(tmp_path, search, concurrency):
    platform = "in_process" if concurrency == 1 else "local"
    experiment = ran(tmp_path, search, platform=platform, trial_concurrency=concurrency)
    trials = experiment.trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETED}
    promoted = [trial for trial in trials if trial.parent is not None]
    assert len(promoted) > 10
    for trial in promoted:
        parent = trials[trial.parent]
        assert parent.architecture == trial.architecture
        assert trial.fidelity["epochs"] == 3 * parent.fidelity["epochs"]
        assert trial.metrics["trained"] == trial.fidelity["epochs"] - parent.fidelity["epochs"]
    assert len({trial.parent for trial in promoted}) == len(promoted)


def test_only_files_that_may_be_needed_are_kept(tmp_path):
    kept = {}

    class Looks(Callback):
        def on_trial_start(self, trial):
            folders = experiment.directory.glob("trials/*")
            kept[trial.number] = {int(folder.name) for folder in folders if folder.name.isdigit()}

    experiment = RetiariiExperiment(SPACE, train, strategy=strategy.ASHA(max_fidelity=9), callbacks=[Looks()])
    config = RetiariiExeConfig("in_process", seed=0, progress=False, storage=tmp_path / "store.db", max_trial_number=40)
    experiment.run(config)
    trials = experiment.trials()
    promoted = {trial.parent: trial.number for trial in trials if trial.parent is not None}
    for number, folders in kept.items():
        for other in folders - {number}:
            is_best = max((t.metric, -t.number) for t in trials[:number])[1] == -other
            is_parent_of_a_running_one = promoted.get(other) == number
            may_be_continued = trials[other].fidelity["epochs"] < 9 and promoted.get(other, number) >= number
            assert is_best or is_parent_of_a_running_one or may_be_continued


def test_the_room_that_they_take_is_bounded(tmp_path):
    def heavy(architecture, context):
        context.folder.mkdir(parents=True, exist_ok=True)
        (context.folder / "weights").write_bytes(bytes(100_000))
        return architecture["quality"] * context.fidelity["epochs"]

    sizes = []

    class Measures(Callback):
        def on_trial_start(self, trial):
            root = experiment.directory / "trials"
            sizes.append(sum(path.stat().st_size for path in root.rglob("weights")))

    experiment = RetiariiExperiment(SPACE, heavy, strategy=strategy.ASHA(max_fidelity=9), callbacks=[Measures()])
    config = RetiariiExeConfig(
        "in_process",
        seed=0,
        progress=False,
        storage=tmp_path / "store.db",
        max_trial_number=60,
        checkpoint_limit=500_000,
    )
    experiment.run(config)
    assert max(sizes) <= 500_000
    assert {trial.state for trial in experiment.trials()} == {TrialState.COMPLETED}
    assert any(trial.parent is not None for trial in experiment.trials())


def test_a_fidelity_that_the_evaluator_does_not_heed_is_an_error_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match=r"gives trials the fidelity 'epochs', which .* does not heed"):
        ran(tmp_path, strategy.ASHA(), lambda architecture: 1.0)


def test_a_resume_goes_on_where_the_search_was(tmp_path):
    whole = ran(tmp_path / "whole", strategy.ASHA(max_fidelity=9))
    part = ran(tmp_path / "part", strategy.ASHA(max_fidelity=9), max_trial_number=23)
    resumed = RetiariiExperiment.resume(part.id, storage=tmp_path / "part" / "store.db", max_trial_number=60)
    assert [(t.proposal, t.metrics) for t in resumed.trials()] == [(t.proposal, t.metrics) for t in whole.trials()]
