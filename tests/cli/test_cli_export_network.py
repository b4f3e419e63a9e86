import subprocess
import sys

import pytest
import torch

import retiarii.nn.pytorch as nn
from retiarii.evaluator import FunctionalEvaluator
from retiarii.experiment import RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import GridSearch


def width_of(model):
    return model[0].out_features


@pytest.fixture
def experiment():
    model = nn.Sequential(nn.Linear(3, nn.ValueChoice([2, 4], label="width")), nn.ReLU())
    made = RetiariiExperiment(model, FunctionalEvaluator(width_of), [], GridSearch())
    made.run(RetiariiExeConfig("in_process", progress=False))
    return made


def test_code_runs_without_this_package(run, experiment, tmp_path):
    outcome = run("export", experiment.id, "--format", "code", "-o", str(tmp_path / "best.py"))
    assert outcome.code == 0, outcome.err
    script = (
        "import sys; sys.modules['retiarii'] = None; import best, torch; print(best.Chain()(torch.ones(1, 3)).shape)"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "[1, 4]" in ran.stdout


def test_the_code_of_one_trial(run, experiment):
    for trial in experiment.trials():
        outcome = run("export", experiment.id, "--format", "code", "--trial", str(trial.number))
        assert f"nn.Linear(3, {trial.architecture['width']})" in outcome.out, outcome.err
        assert f"nn.Linear(3, {trial.architecture['width']})" in experiment.export_trial(trial.number, "code")
        assert experiment.export_trial(trial.number) == trial.architecture.to_json()


def test_a_drawing_is_written(run, experiment, tmp_path):
    path = tmp_path / "best.svg"
    assert run("export", experiment.id, "--format", "svg", "-o", str(path)).code == 0
    assert path.read_text().lstrip().startswith(("<svg", "<?xml"))


def test_a_program_is_written_and_runs(run, experiment, tmp_path):
    path = tmp_path / "best.pt2"
    outcome = run("export", experiment.id, "--format", "pt2", "--input-shape", "2,3", "-o", str(path))
    assert outcome.code == 0, outcome.err
    assert torch.export.load(path).module()(torch.ones(2, 3)).shape == (2, 4)


def test_what_is_missing_is_said(run, experiment, tmp_path):
    assert "-o FILE" in run("export", experiment.id, "--format", "onnx").err
    path = str(tmp_path / "x.onnx")
    assert "--input-shape 1,3,32,32" in run("export", experiment.id, "--format", "onnx", "-o", path).err
    wrong = run("export", experiment.id, "--format", "pt2", "-o", path, "--input-shape", "two")
    assert "expected sizes such as" in wrong.err
