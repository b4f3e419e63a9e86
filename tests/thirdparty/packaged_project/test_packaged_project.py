"""A project in a package, run as ``python -m shapes.search``: model, evaluator and script are files of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from retiarii import RetiariiExperiment
from retiarii.trial import TrialState

PROJECT = Path(__file__).parent / "src"
RETIARII = Path(__import__("retiarii").__file__).parents[1]


def run(folder, *command, **environment):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def searched(tmp_path, monkeypatch):
    """The environment after a search of four trials."""
    monkeypatch.setenv("RETIARII_HOME", str(tmp_path / "home"))
    return run(tmp_path, "-m", "shapes.search", PYTHONPATH=f"{PROJECT}{os.pathsep}{RETIARII}")


def test_the_trials_of_a_package_run_and_the_best_network_is_built(searched):
    result = json.loads(searched.stdout)
    assert set(result["architecture"]) >= {"width", "depth", "block0"}
    assert "learning_rate" not in result["architecture"]
    assert result["layers"] == ["stem", "blocks", "classify"]
    trials = RetiariiExperiment.view("lines").trials()
    assert [(trial.state, len(trial.intermediates)) for trial in trials] == [(TrialState.COMPLETED, 3)] * 4
    assert {trial.architecture["learning_rate"] for trial in trials} <= {0.001, 0.01}


def test_the_search_is_resumed_and_exported_from_another_folder_that_does_not_know_the_package(searched, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(elsewhere, "-m", "retiarii", "resume", "lines", "--max-trial-number", "6", PYTHONPATH=str(RETIARII))
    trials = RetiariiExperiment.view("lines").trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETED] * 6
    run(elsewhere, "-m", "retiarii", "export", "lines", "--format", "code", "-o", "best.py", PYTHONPATH=str(RETIARII))
    shape = run(
        elsewhere, "-c", "import torch, best; print([*best.LineNet()(torch.zeros(2, 1, 8, 8)).shape])", PYTHONPATH=""
    )
    assert shape.stdout.strip() == "[2, 2]"
