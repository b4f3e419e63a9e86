"""Lightning evaluators in experiments whose trials continue others."""

from __future__ import annotations

import resource
from dataclasses import dataclass

import pytest
import pytorch_lightning
import torch

import retiarii.evaluator.pytorch.lightning as pl
import retiarii.nn.pytorch as nn
from retiarii.errors import SearchExhausted
from retiarii.experiment import Callback, RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import ASHA, Search, Strategy
from retiarii.trial import Direction, Fidelity, Proposal, TrialState


@dataclass(frozen=True)
class Planned(Strategy):
    """Proposes one architecture with given epochs and parents, one trial after the other."""

    parts: tuple[tuple[int, int | None], ...]
    fidelities = ("epochs",)

    def search(self, space, *, seed=0, objectives=Direction.MAXIMIZE):
        return PlannedSearch(self, space, seed=seed, objectives=objectives)


class PlannedSearch(Search):
    def __init__(self, options, space, *, seed, objectives):
        super().__init__(space, seed=seed, objectives=objectives)
        self._parts = options.parts

    @property
    def continuable(self):
        return range(self.num_asked)

    def _propose(self, number):
        if number == len(self._parts):
            raise SearchExhausted("all were proposed")
        if self.pending:
            return None
        epochs, parent = self._parts[number]
        return Proposal(self.space.default(), Fidelity(epochs=epochs), parent)


def made(digits, strategy, callbacks=(), trainer_callbacks=()):
    train, validation = digits
    evaluator = pl.Classification(
        learning_rate=0.01,
        train_dataloaders=pl.DataLoader(train, batch_size=64, shuffle=True),
        val_dataloaders=pl.DataLoader(validation, batch_size=50),
        callbacks=list(trainer_callbacks),
    )
    width = nn.ValueChoice([8, 16], label="width")
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Dropout(0.2), nn.ReLU(), nn.Linear(width, 10))
    return RetiariiExperiment(model, evaluator, [], strategy, callbacks=callbacks)


def ran(experiment, platform="in_process", **settings):
    experiment.run(RetiariiExeConfig(platform, progress=False, seed=0, **settings))
    return experiment


@pytest.mark.parametrize("platform", ["in_process", "local"])
def test_a_promoted_trial_has_the_numbers_of_one_that_was_trained_at_once(digits, platform):
    whole = ran(made(digits, Planned(((4, None),))), platform)
    parts = ran(made(digits, Planned(((1, None), (2, 0), (4, 1)))), platform)
    [expected], trials = whole.trials(), parts.trials()
    assert [len(trial.intermediates) for trial in trials] == [1, 1, 2]
    assert [metrics for trial in trials for metrics in trial.intermediates] == list(expected.intermediates)
    assert trials[-1].metrics == expected.metrics
    weights = [torch.load(path, weights_only=True) for path in (whole.checkpoint(0), parts.checkpoint(2))]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_asha_promotes_from_checkpoints(digits):
    search = ASHA(max_fidelity=4, reduction_factor=2, dedup=False)
    trials = ran(made(digits, search), "local", max_trial_number=10, trial_concurrency=2).trials()
    assert {trial.state for trial in trials} == {TrialState.COMPLETED}
    promoted = [trial for trial in trials if trial.parent is not None]
    assert promoted
    for trial in promoted:
        assert len(trial.intermediates) == trial.fidelity["epochs"] - trials[trial.parent].fidelity["epochs"]


def test_a_parent_without_checkpoint_is_a_failed_trial_and_the_experiment_goes_on(digits):
    class Removes(Callback):
        def on_trial_end(self, trial):
            for path in experiment.directory.glob("trials/*/training.ckpt"):
                path.unlink()

    experiment = made(digits, Planned(((1, None), (2, 0), (1, None))), [Removes()])
    first, orphan, last = ran(experiment).trials()
    assert (first.state, orphan.state, last.state) == (TrialState.COMPLETED, TrialState.FAILED, TrialState.COMPLETED)
    assert "Trial 1 continues trial 0, which left no checkpoint" in orphan.failure.message


class Fill(pytorch_lightning.Callback):
    """Lets the disk be full at the end of the training, in the process of the trial."""

    def on_fit_end(self, trainer, pl_module):
        if trainer.max_epochs == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))


def test_a_full_disk_is_a_failed_trial_with_its_reason(digits):
    experiment = made(digits, Planned(((1, None), (2, 0), (3, 0))), trainer_callbacks=[Fill()])
    first, full, third = ran(experiment, "local").trials()
    assert (first.state, full.state, third.state) == (TrialState.COMPLETED, TrialState.FAILED, TrialState.COMPLETED)
    assert "checkpoint of this training cannot be written to" in full.failure.message
    assert "File too large. Make room on the disk" in full.failure.message
    assert not list(experiment.directory.glob("trials/1/*"))
    assert not list(experiment.directory.rglob("*.tmp"))


@pytest.mark.parametrize("platform", ["in_process", "local"])
def test_a_pruned_trial_ends_at_its_report(digits, platform):
    class Prunes(Callback):
        prunes = True

        def should_prune(self, trial):
            return "two are enough" if len(trial.intermediates) == 2 else None

    experiment = ran(made(digits, Planned(((4, None),)), [Prunes()]), platform)
    [trial] = experiment.trials()
    assert (trial.state, trial.reason) == (TrialState.PRUNED, "two are enough")
    assert len(trial.intermediates) == 2
    assert trial.metrics == trial.intermediates[-1]
