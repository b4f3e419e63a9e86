"""Tuner-driven search as the guide describes it, in real processes: ss-gen, create, trials that fail, resume."""

import json
import shlex
import subprocess
import sys
import textwrap

import pytest

from retiarii.storage import open_store
from retiarii.trial import TrialState

PYTHON = shlex.quote(sys.executable)

MODEL = """
import torch
from torch import nn
from torch.nn import functional as F
from retiarii.classic.pytorch import mutables


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = mutables.LayerChoice([nn.Conv2d(1, 4, 3, 1, 1), nn.Conv2d(1, 4, 5, 1, 2)], key="first_conv")
        self.conv2 = nn.Conv2d(4, 4, 3, 1, 1)
        self.skipcon = mutables.InputChoice(n_candidates=1, key="skip")
        self.pick = mutables.InputChoice(choose_from=["conv1", "conv2"], n_chosen=1, key="pick")
        self.fc = nn.Linear(4, 10)

    def forward(self, x):
        first = F.relu(self.conv1(x))
        x = self.conv2(first)
        skipped = self.skipcon([first])
        if skipped is not None:
            x = x + skipped
        return self.fc(self.pick([first, x]).mean((2, 3)))
"""

TRAIN = """
import pathlib
import retiarii
import torch
from model import Net
from retiarii.classic.pytorch.classic_nas import get_and_apply_next_architecture

torch.manual_seed(0)
parameters = {"lr": 0.1, **retiarii.get_next_parameter()}
model = Net()
get_and_apply_next_architecture(model)
pathlib.Path("went_on").touch()
optimizer = torch.optim.SGD(model.parameters(), lr=parameters["lr"])
images, labels = torch.randn(8, 1, 8, 8), torch.arange(8)
for epoch in range(2):
    loss = torch.nn.functional.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    retiarii.report_intermediate_result(-loss.item())
print(model)
retiarii.report_final_result({"default": -loss.item(), "kernel": model.conv1.kernel_size[0]})
"""

SPACE = {
    "first_conv": {"_type": "layer_choice", "_value": ["0", "1"]},
    "skip": {"_type": "input_choice", "_value": {"candidates": [""], "n_chosen": None}},
    "pick": {"_type": "input_choice", "_value": {"candidates": ["conv1", "conv2"], "n_chosen": 1}},
}

CONFIG = """
authorName: default
experimentName: classic_nas
trialConcurrency: 2
maxExecDuration: 1h
maxTrialNum: 4
trainingServicePlatform: local
searchSpacePath: search_space.json
useAnnotation: false
tuner:
  builtinTunerName: Evolution
  classArgs: {optimize_mode: maximize, population_size: 4}
trial:
  command: PYTHON train.py
  codeDir: .
  gpuNum: 0
"""


@pytest.fixture
def project(tmp_path):
    """A folder with the model, the training script and the configuration."""
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "config.yml").write_text(CONFIG.replace("PYTHON", PYTHON))
    return tmp_path


def run(project, *words, is_ok=True):
    done = subprocess.run(
        [sys.executable, "-m", "retiarii", *map(str, words)], cwd=project, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == is_ok, done.stderr
    return done


def trials_of(project):
    with open_store(project / "store.db") as store:
        (record,) = store.list_experiments()
        return record.id, store.list_trials(record.id)


def create(project, *, is_ok=True):
    return run(project, "--storage", "store.db", "create", "--config", "config.yml", is_ok=is_ok)


@pytest.mark.timeout(240)
def test_the_path_of_the_guide_from_the_script_to_the_resumed_search(project):
    run(project, "ss-gen", "-t", f"{PYTHON} train.py")
    file = project / "search_space.json"
    assert json.loads(file.read_text()) == SPACE
    assert not (project / "went_on").exists()
    file.write_text(json.dumps({**SPACE, "lr": {"_type": "loguniform", "_value": [0.001, 0.1]}}))

    assert "4/4 trials" in create(project).stderr
    experiment_id, trials = trials_of(project)
    for trial in trials:
        assert trial.state is TrialState.COMPLETED
        assert trial.metrics["kernel"] == {"0": 3, "1": 5}[trial.architecture["first_conv"]]
        assert len(trial.intermediates) == 2
        assert "ChosenInputs([0]" in trial.output if trial.architecture["skip"] else "ChosenInputs([]," in trial.output
        assert 0.001 <= trial.architecture["lr"] <= 0.1
    assert len({trial.architecture.key for trial in trials}) > 1

    done = run(project.parent, "--storage", project / "store.db", "resume", experiment_id, "--max-trial-number", 6)
    assert "6/6 trials" in done.stderr
    assert trials_of(project)[1][:4] == trials


@pytest.mark.timeout(240)
def test_a_project_for_nni_runs_unchanged(project):
    for name in ("model.py", "train.py"):
        text = (project / name).read_text().replace("retiarii.classic.pytorch", "nni.nas.pytorch")
        (project / name).write_text(text.replace("import retiarii\n", "import nni\n").replace("retiarii.", "nni."))
    assert "import nni" in (project / "train.py").read_text()
    command = f"{PYTHON} -m retiarii run train.py"
    run(project, "ss_gen", "--trial_command", command, "--trial_dir", ".", "--file", "search_space.json")
    assert json.loads((project / "search_space.json").read_text()) == SPACE
    text = CONFIG.replace("PYTHON train.py", command).replace("maxTrialNum: 4", "maxTrialNum: 2")
    (project / "config.yml").write_text(text)
    create(project)
    _, trials = trials_of(project)
    assert [trial.state for trial in trials] == [TrialState.COMPLETED] * 2


def test_a_script_on_its_own_runs_the_first_candidates(project):
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=project, capture_output=True, text=True, check=True, timeout=100
    )
    assert "(conv1): Conv2d(1, 4, kernel_size=(3, 3)" in done.stdout
    assert "No experiment runs this script" in done.stderr


@pytest.mark.timeout(240)
def test_trials_that_fail_have_their_reason_and_the_experiment_goes_on(project):
    (project / "search_space.json").write_text(json.dumps(SPACE))
    (project / "train.py").write_text(
        textwrap.dedent("""
        import os, retiarii
        from model import Net
        from retiarii.classic.pytorch.classic_nas import get_and_apply_next_architecture

        number = int(os.environ["RETIARII_TRIAL_NUMBER"])
        model = Net()
        if number == 4:
            del model.pick
        if number == 5:
            get_and_apply_next_architecture(Net())
        get_and_apply_next_architecture(model)
        if number == 1:
            raise ValueError("a bug in the script")
        if number != 2:
            retiarii.report_final_result(number)
        if number == 3:
            retiarii.report_final_result(number)
        """)
    )
    (project / "config.yml").write_text(CONFIG.replace("PYTHON", PYTHON).replace("maxTrialNum: 4", "maxTrialNum: 7"))
    assert "7/7 trials" in create(project).stderr
    _, trials = trials_of(project)
    completed = [trial.number for trial in trials if trial.state is TrialState.COMPLETED]
    assert completed == [0, 5, 6]
    expected = {
        1: "ValueError: a bug in the script",
        2: "",
        3: "two final results",
        4: "The parameters of the trial do not fit Net: There is a value for 'pick', which is no choice of the model.",
    }
    for number, message in expected.items():
        assert message in " ".join(trials[number].output.split())
    assert "reported no final result" in trials[2].failure.message
    assert "exit code 1" in trials[4].failure.message
    assert "There is a value for 'pick', which is no choice of the model." in trials[4].failure.message


TUNER = """
import json
from retiarii.classic import Tuner


class Mine(Tuner):
    def __init__(self, optimize_mode):
        assert optimize_mode == "maximize"

    def update_search_space(self, search_space):
        json.dump(search_space, open("seen.json", "w"))

    def generate_parameters(self, parameter_id, **kwargs):
        proposed = {
            "first_conv": {"_value": "1", "_idx": 1},
            "skip": {"_value": [], "_idx": []},
            "pick": {"_value": ["conv2"], "_idx": [1]},
        }
        if parameter_id == 1:
            proposed["pick"] = {"_value": ["conv3"], "_idx": [2]}
        if parameter_id == 2:
            del proposed["skip"]
        return proposed

    def receive_trial_result(self, parameter_id, parameters, value, **kwargs):
        pass
"""


@pytest.mark.timeout(240)
def test_a_tuner_of_the_users_gets_the_space_and_may_be_wrong(project):
    (project / "search_space.json").write_text(json.dumps(SPACE))
    (project / "tuners").mkdir()
    (project / "tuners" / "mine_for_nas.py").write_text(TUNER)
    start, end = CONFIG.index("tuner:"), CONFIG.index("trial:\n")
    tuner = "tuner:\n  codeDir: tuners\n  classFileName: mine_for_nas.py\n  className: Mine\n"
    config = f"{CONFIG[:start]}{tuner}  classArgs: {{optimize_mode: maximize}}\n{CONFIG[end:]}"
    (project / "config.yml").write_text(config.replace("PYTHON", PYTHON))
    create(project)
    assert json.loads((project / "seen.json").read_text()) == SPACE
    _, trials = trials_of(project)
    assert [trial.state for trial in trials] == [
        TrialState.COMPLETED,
        TrialState.FAILED,
        TrialState.FAILED,
        TrialState.COMPLETED,
    ]
    assert "'pick' has value" in trials[1].failure.message
    assert "no value for 'skip'" in trials[2].failure.message
    assert trials[0].metrics["kernel"] == 5


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({**SPACE, "skip": {"_type": "input_choices", "_value": []}}, "Did you mean 'input_choice'"),
        ({**SPACE, "skip": {"_type": "input_choice", "_value": {"candidates": ["a"]}}}, '"n_chosen": 1'),
        ({**SPACE, "skip": {"_type": "input_choice", "_value": {"candidates": ["a"], "n_chosen": 2}}}, "'skip'"),
        ({**SPACE, "first_conv": {"_type": "layer_choice", "_value": "conv"}}, "expected names"),
    ],
)
def test_mistakes_in_layers_and_inputs_are_named_before_a_trial_starts(project, space, message):
    (project / "search_space.json").write_text(json.dumps(space))
    done = create(project, is_ok=False)
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
