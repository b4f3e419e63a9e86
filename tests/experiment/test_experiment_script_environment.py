"""Experiments of ordinary projects, several files in a folder, resumed and exported by a process in another folder."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from retiarii.errors import ExperimentError
from retiarii.experiment._stored_objects.script_environment import ScriptEnvironment
from retiarii.experiment._stored_objects.signed_payload import Payload, pack, read_payload, save_payload

MODELS = """
import retiarii.nn.pytorch as nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, nn.ValueChoice([8, 16, 32, 64], label="width"))

    def forward(self, x):
        return self.layer(x)
"""
SEARCH = """
from pathlib import Path

from {package}models import Net
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment
from retiarii.strategy import GridSearch

def score(model):
    from {package}scoring import count  # not imported when the objects are loaded
    return count(model) * float(Path("factor.txt").read_text())

if __name__ == "__main__":
    experiment = RetiariiExperiment(Net(), FunctionalEvaluator(score), [], GridSearch())
    experiment.run(RetiariiExeConfig("local", max_trial_number=1, progress=False))
    print(experiment.id)
"""
SCORING = "def count(model): return sum(p.numel() for p in model.parameters())"
BEST = [{"width": 64}]


@pytest.fixture
def project(tmp_path):
    """A folder with a script, its modules and its data."""
    folder = tmp_path / "project"
    write(folder, package="")
    (folder / "factor.txt").write_text("2.0")
    return folder


def write(folder, package):
    folder.mkdir(exist_ok=True)
    files = {"models.py": MODELS, "search.py": SEARCH.format(package=package), "scoring.py": SCORING}
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text))


def python(*arguments, folder, code=0, environment=None, script=None):
    """Run Python in a folder and return what it printed."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        input=script,
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    return (ended.stdout if code == 0 else ended.stderr).strip()


def go_on(experiment_id, elsewhere, **options):
    """Resume an experiment by the command line from another folder, and return the best architecture."""
    python("-m", "retiarii", "resume", experiment_id, "--max-trial-number", "4", folder=elsewhere, **options)
    shown = python("-m", "retiarii", "show", experiment_id, "--json", folder=elsewhere)
    assert [trial["metric"] for trial in json.loads(shown)["top"]] == [640.0, 320.0, 160.0, 80.0]


def test_a_model_in_a_module_beside_the_script(project, tmp_path):
    experiment_id = python("search.py", folder=project)
    go_on(experiment_id, tmp_path)
    code = python("-m", "retiarii", "export", experiment_id, "--format", "code", folder=tmp_path)
    assert "nn.Linear(4, 64)" in code

    (project / "models.py").write_text("class Other: pass")
    said = python("-m", "retiarii", "export", experiment_id, "--format", "code", folder=tmp_path, code=1)
    [line] = said.splitlines()
    assert "Can't get attribute 'Net'" in line
    assert "base_model=" in line


def test_a_package_run_as_a_module(project, tmp_path):
    write(project / "pkg", package="pkg.")
    (project / "pkg" / "__init__.py").touch()
    go_on(python("-m", "pkg.search", folder=project), tmp_path)


UNIT = """
import torch
import retiarii.nn.pytorch as nn
import torch.nn.functional as F
from torch.nn import Module as Base
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment, basic_unit
from retiarii.strategy import GridSearch

FACTOR = 2.0

def gate(x):
    return F.relu(x) * FACTOR

@basic_unit
class Gate(Base):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return gate(x) * self.scale

if __name__ == "__main__":
    model = nn.Sequential(nn.Linear(2, 2), Gate(nn.ValueChoice([1.0, 3.0], label="scale")))
    experiment = RetiariiExperiment(model, FunctionalEvaluator(lambda model: model[1].scale), [], GridSearch())
    experiment.run(RetiariiExeConfig("in_process", progress=False))
    print(experiment.id)
"""


def test_units_that_the_script_itself_defines_are_exported(project, tmp_path):
    (project / "one_file.py").write_text(UNIT)
    experiment_id = python("one_file.py", folder=project)
    command = ("-m", "retiarii", "export", experiment_id, "--format", "code")
    (tmp_path / "best.py").write_text(python(*command, folder=tmp_path))
    check = (
        "import sys, torch; sys.modules['retiarii'] = None; import best; print(best.Chain()[1](torch.ones(2)).tolist())"
    )
    assert python("-c", check, folder=tmp_path) == "[6.0, 6.0]"

    (project / "one_file.py").write_text(UNIT.replace("gate(x) * self.scale", "gate(x) / self.scale"))
    said = python(*command, folder=tmp_path, code=1)
    assert "changed since the experiment was started" in said


def test_a_script_that_is_no_file(project, tmp_path):
    """As in a notebook: what is defined there exists nowhere else."""
    script = SEARCH.format(package="")
    experiment_id = python("-", script=script, folder=project)
    go_on(experiment_id, tmp_path)
    assert "64" in python("-m", "retiarii", "export", experiment_id, "--format", "code", folder=tmp_path)


def test_a_folder_that_was_renamed(project, tmp_path):
    experiment_id = python("search.py", folder=project)
    renamed = project.rename(tmp_path / "renamed")
    said = python("-m", "retiarii", "resume", experiment_id, folder=tmp_path, code=1)
    [line] = [line for line in said.splitlines() if "Error" in line]
    assert "no module 'models'" in line
    assert f"{project} is not there any more" in line
    assert "PYTHONPATH=" in line
    assert "Traceback" not in said
    go_on(experiment_id, renamed, environment={"PYTHONPATH": str(renamed)})


@pytest.fixture
def own_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.usefixtures("own_path")
def test_folders_of_the_script_shadow_no_more_than_they_did_in_the_script(tmp_path, monkeypatch):
    first, last = tmp_path / "first", tmp_path / "last"
    ordinary = list(sys.path)
    sys.path[:] = [str(first), *ordinary, str(last)]
    monkeypatch.chdir(tmp_path)
    stored = ScriptEnvironment.from_json(json.loads(json.dumps(ScriptEnvironment.here().to_json())))
    assert stored.before[0] == str(first)
    assert stored.after[-1] == str(last)

    sys.path[:] = ordinary
    monkeypatch.chdir("/")
    with stored.entered():
        assert sys.path == [str(first), *ordinary, str(last)]
        assert os.getcwd() == str(tmp_path)
    assert sys.path == [*ordinary, str(last), str(first)]  # after everything that this process has
    assert os.getcwd() == "/"


@pytest.mark.usefixtures("own_path")
def test_folders_are_used_only_if_this_user_signed_them(tmp_path):
    (tmp_path / "stored").mkdir()
    sys.path.insert(0, str(tmp_path / "mine"))
    save_payload(tmp_path / "stored", pack(Payload(None, None, None)))
    sys.path.pop(0)
    before = list(sys.path)
    assert read_payload(tmp_path / "stored").script_environment.before[0] == str(tmp_path / "mine")
    [file] = (tmp_path / "stored").iterdir()
    file.write_bytes(file.read_bytes().replace(b"mine", b"evil"))
    with pytest.raises(ExperimentError, match="was not written by this user"):
        read_payload(tmp_path / "stored")
    assert sys.path == before


@pytest.mark.usefixtures("own_path")
def test_the_standard_library_of_the_script_is_not_taken_over():
    stored = ScriptEnvironment.here()
    assert not any(os.path.dirname(os.__file__) == entry for entry in (*stored.before, *stored.after))
