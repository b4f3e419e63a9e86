"""An experiment whose one-shot search has decided nothing says so wherever its architecture is read."""

from __future__ import annotations

import json
import logging

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii.cli import main
from retiarii.evaluator import Evaluator
from retiarii.oneshot import SearchLoop


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.op = nn.LayerChoice({"linear": nn.Linear(3, 3), "tanh": nn.Tanh()}, label="op")
        self.head = nn.Linear(3, nn.ValueChoice([1, 2, 4], label="width"))

    def forward(self, x):
        return self.head(self.op(x))


class Plain(Evaluator):
    """A loop of a user's own, a few steps long."""

    def train_supernet(self, search, training):
        batches = list(torch.randn(4, 4, 3, generator=torch.Generator().manual_seed(0)))
        training.listener.on_start(0, 1)
        optimizer = torch.optim.SGD(search.supernet.parameters(), lr=0.01)
        loop = SearchLoop(search, lambda network, x: (network(x) - 1).square().mean(), optimizer)
        loop.run(batches, batches, 1, on_record=lambda record: training.listener.on_epoch(record, {"default": 0.5}))

    def evaluate_subnet(self, model):
        return 0.5

    def evaluate(self, model):
        return 0.5


def run(searching, **settings):
    torch.manual_seed(0)
    experiment = RetiariiExperiment(Net(), Plain(), [], searching)
    experiment.run(RetiariiExeConfig(seed=0, **{"progress": False, **settings}))
    return experiment


def warnings_of(caplog):
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return said


def command(capsys, *arguments):
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert not ended.value.code
    return capsys.readouterr()


def test_a_coin_toss_is_called_one_wherever_it_is_read(caplog, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    experiment = run(strategy.DARTS())
    (said,) = warnings_of(caplog)
    assert "has not decided 2 of the 2 labels of its architecture" in said
    assert "'op' (0.6931 of 0.6931)" in said
    assert "'width' (1.099 of 1.099)" in said
    experiment.export_top_models()
    assert not warnings_of(caplog)  # it was said when the search ended
    for opened in (RetiariiExperiment.load(experiment.id), RetiariiExperiment.view(experiment.id)):
        opened.export_top_models()
        assert warnings_of(caplog) == [said]
        assert opened.search_history()[-1].undecided == ("op", "width")

    shown = command(capsys, "show", experiment.id).out
    assert "mean entropy 0.8959 of at most 0.8959 nats" in shown
    assert "Undecided so far: op, width." in shown
    exported = command(capsys, "export", experiment.id)
    assert set(json.loads(exported.out)) == {"op", "width"}
    assert "has not decided on op, width" in exported.err
    (epoch,) = json.loads(command(capsys, "show", experiment.id, "--json").out)["epochs"]
    assert epoch["undecided"] == ["op", "width"]
    assert epoch["max_entropy"] == pytest.approx({"op": 0.6931, "width": 1.0986}, abs=1e-4)


def test_what_was_decided_is_said_without_a_warning(caplog, capsys):
    experiment = run(strategy.DARTS(arc_learning_rate=0.5))
    assert not warnings_of(caplog)
    assert "Undecided" not in command(capsys, "show", experiment.id).out
    assert not command(capsys, "export", experiment.id).err
    RetiariiExperiment.view(experiment.id).export_top_models()
    assert not warnings_of(caplog)


def test_a_strategy_that_learns_no_probabilities_decides_by_its_trials(caplog, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    experiment = run(strategy.RandomOneShot(), max_trial_number=3)
    assert not warnings_of(caplog)
    RetiariiExperiment.view(experiment.id).export_top_models()
    assert not warnings_of(caplog)
    shown = command(capsys, "show", experiment.id).out
    assert "this strategy learns none" in shown
    assert "Undecided" not in shown
    assert "mean entropy" not in shown


def test_progress_shows_the_entropy_beside_its_maximum(capsys):
    run(strategy.DARTS(), progress=True)
    assert "mean entropy 0.896 of at most 0.896 nats" in capsys.readouterr().err
    run(strategy.RandomOneShot(), progress=True, max_trial_number=1)
    assert "entropy" not in capsys.readouterr().err
