"""Reinforcement learning from the outside: in an experiment with a model, and named in a configuration file."""

import json
import shlex
import subprocess
import sys

import pytest

import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig, RetiariiExperiment, strategy
from retiarii.storage import open_store

TRIAL = """
import retiarii
parameters = retiarii.get_next_parameter()
retiarii.report_final_result(parameters["layer"]["_idx"] + len(parameters["inputs"]["_value"]) + parameters["lr"])
"""
SPACE = {
    "layer": {"_type": "layer_choice", "_value": ["conv", "pool", "skip"]},
    "inputs": {"_type": "input_choice", "_value": {"candidates": ["x", "y", "z"], "n_chosen": None}},
    "lr": {"_type": "loguniform", "_value": [0.001, 0.1]},
}
CONFIG = f"""
experimentName: ppo
trialConcurrency: 2
maxTrialNum: 5
seed: 3
searchSpacePath: search_space.json
tuner:
  builtinTunerName: PPOTuner
  classArgs: {{optimize_mode: maximize, trials_per_update: 2, epochs_per_update: 3}}
trial:
  command: {shlex.quote(sys.executable)} trial.py
  codeDir: .
"""


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = nn.ValueChoice([4, 8, 16], label="width")
        self.first = nn.Linear(2, width)
        self.act = nn.LayerChoice([nn.ReLU(), nn.Tanh(), nn.Sigmoid()], label="act")
        self.last = nn.Linear(width, 1)

    def forward(self, x):
        return self.last(self.act(self.first(x)))


def size(network):
    return sum(parameter.numel() for parameter in network.parameters()) + isinstance(network.act, nn.Tanh)


def searched(store, trials):
    """Run an experiment with some trials, and return it."""
    learner = strategy.PolicyBasedRL(trial_per_collect=3, dedup=False)
    experiment = RetiariiExperiment(Net(), size, strategy=learner)
    experiment.run(RetiariiExeConfig("in_process", max_trial_number=trials, seed=5, storage=store, progress=False))
    return experiment


def test_a_resumed_experiment_goes_on_as_it_would_have(tmp_path):
    begun = searched(tmp_path / "begun.db", 7)
    resumed = RetiariiExperiment.resume(begun.id, storage=tmp_path / "begun.db", max_trial_number=14)
    whole = searched(tmp_path / "whole.db", 14)
    assert [trial.architecture for trial in resumed.trials()] == [trial.architecture for trial in whole.trials()]
    assert len({trial.architecture for trial in whole.trials()}) > 1


@pytest.mark.timeout(240)
def test_a_configuration_file_names_it_and_its_trials_are_commands(tmp_path):
    (tmp_path / "trial.py").write_text(TRIAL)
    (tmp_path / "search_space.json").write_text(json.dumps(SPACE))
    (tmp_path / "config.yml").write_text(CONFIG)
    command = [sys.executable, "-m", "retiarii", "--storage", "store.db"]
    done = subprocess.run(
        [*command, "create", "--config", "config.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "5/5 trials" in done.stderr
    with open_store(tmp_path / "store.db") as store:
        [record] = store.list_experiments()
        trials = store.list_trials(record.id)
    for trial in trials:
        values = trial.architecture
        expected = SPACE["layer"]["_value"].index(values["layer"]) + len(values["inputs"]) + values["lr"]
        assert trial.metric == pytest.approx(expected)
    resumed = subprocess.run(
        [*command, "resume", record.id, "--max-trial-number", "7"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "7/7 trials" in resumed.stderr
