"""The tuner in an experiment of its own package: from Python, and from a configuration file."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

from coordinate_tuner import CoordinateTuner

from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment
from retiarii.classic import ParameterSpace, TunerStrategy

SPACE = {
    "op": {"_type": "layer_choice", "_value": ["conv", "pool", "none"]},
    "inputs": {"_type": "input_choice", "_value": {"candidates": ["a", "b", "c"], "n_chosen": None}},
    "pair": {"_type": "input_choice", "_value": {"candidates": ["", "", ""], "n_chosen": 2}},
}

SCRIPT = """
import retiarii
parameters = retiarii.get_next_parameter()
op, inputs, pair = (parameters[name]["_idx"] for name in ("op", "inputs", "pair"))
retiarii.report_intermediate_result(op)
retiarii.report_final_result(op + len(inputs) + sum(pair))
"""

CONFIG = """
experimentName: coordinates
searchSpaceFile: search_space.json
trialCommand: {python} train.py
trialConcurrency: 1
maxTrialNumber: 6
tuner:
  className: coordinate_tuner.CoordinateTuner
  codeDirectory: {folder}
  classArgs: {{optimize_mode: maximize, max_rounds: 4}}
"""


def quality(architecture):
    op = ["conv", "pool", "none"].index(architecture["op"])
    return float(op + len(architecture["inputs"]) + sum(architecture["pair"]))


def test_in_python(tmp_path):
    parameters = ParameterSpace(SPACE)
    tuner = CoordinateTuner(max_rounds=20)
    experiment = RetiariiExperiment(
        parameters.space, FunctionalEvaluator(quality), strategy=TunerStrategy(tuner, parameters)
    )
    config = RetiariiExeConfig("in_process", progress=False)
    config.storage = tmp_path / "store.db"
    experiment.run(config)
    trials = experiment.trials()
    assert len(trials) == 1 + 20 * len(SPACE)
    assert quality(parameters.architecture(tuner.best)) == max(trial.metrics["default"] for trial in trials) == 8


def test_from_a_configuration_file_and_resumed(tmp_path):
    (tmp_path / "search_space.json").write_text(json.dumps(SPACE))
    (tmp_path / "train.py").write_text(SCRIPT)
    folder = Path(__file__).parent
    (tmp_path / "config.yml").write_text(CONFIG.format(python=shlex.quote(sys.executable), folder=folder))

    def retiarii(*words):
        command = [sys.executable, "-m", "retiarii", "--storage", "store.db", *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)

    assert "6/6 trials" in retiarii("create", "--config", "config.yml").stderr
    assert "13/20 trials" in retiarii("resume", "coordinates", "--max-trial-number", "20").stderr
    best = json.loads(retiarii("export", "coordinates").stdout)
    assert set(best) == set(SPACE)
