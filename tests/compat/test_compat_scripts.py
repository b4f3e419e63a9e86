"""Scripts written for NNI run unchanged: through ``retiarii run``, or with one import at the top."""

import ast
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = ["-m", "retiarii", "run"]


# What ``retiarii run`` does


def test_a_script_finds_its_arguments_its_name_and_the_modules_beside_it(python, tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "beside.py").write_text("import nni\nCHOICE = nni.trace\n")
    (folder / "script.py").write_text(
        "import os, sys, beside, retiarii\n"
        "print(__name__, os.path.relpath(__file__), sys.argv, beside.CHOICE is retiarii.trace)\n"
        "if len(sys.argv) == 1: sys.exit(3)\n"
    )
    words = ["--epochs", "3", "-h", "--", "--over-nni"]
    done = python(*RUN, "project/script.py", *words)
    argv = ["project/script.py", *words]
    assert done.stdout == f"__main__ project/script.py {argv} True\n"
    assert python(*RUN, "project/script.py", code=3).stderr == ""


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    return 1 / x\ntry:\n    f(0)\nexcept ArithmeticError as err:\n    raise ValueError from err\n",
        "import retiarii.strategy\nretiarii.strategy.Random(dedup=3)\n",
        "x = (1,\n",
        "raise KeyboardInterrupt\n",
    ],
    ids=["chained", "ours", "syntax", "interrupt"],
)
def test_a_traceback_is_what_python_shows(python, tmp_path, text):
    (tmp_path / "script.py").write_text(text)
    is_interrupt = "Interrupt" in text
    wanted = python("script.py", code=-2 if is_interrupt else 1).stderr
    assert "Traceback" in wanted or "SyntaxError" in wanted
    assert python(*RUN, "script.py", code=130 if is_interrupt else 1).stderr == wanted


def test_a_script_that_is_not_there_is_wrong_usage(python):
    assert "'nowhere.py' does not exist" in python(*RUN, "nowhere.py", code=2).stderr


def test_a_name_that_is_not_there_ends_the_script_with_the_nearest(python, tmp_path):
    (tmp_path / "script.py").write_text("from nni.algorithms.nas.pytorch.cdarts import CdartsTrainer\n")
    last = python(*RUN, "script.py", code=1).stderr.splitlines()[-1]
    assert last.startswith("retiarii.errors.NoEquivalentError: retiarii has no equivalent of nni.algorithms")
    assert "What comes nearest is retiarii.strategy.DARTS." in last


# An NNI that is installed


@pytest.fixture
def installed(tmp_path):
    """A folder with a package called nni."""
    (tmp_path / "site" / "nni").mkdir(parents=True)
    (tmp_path / "site" / "nni" / "__init__.py").write_text("trace = 'the real one'\n")
    return str(tmp_path / "site")


def test_an_installed_nni_is_never_shadowed_unless_the_user_says_so(python, tmp_path, installed):
    (tmp_path / "script.py").write_text("import nni\nprint(nni.trace)\n")
    paths = {"PYTHONPATH": ":".join([installed, str(ROOT / "src")])}
    left = python(*RUN, "script.py", **paths)
    assert left.stdout == "the real one\n"
    assert "NNI is installed" in left.stderr
    assert "RETIARII_OVER_NNI=1" in left.stderr
    for over in (
        python(*RUN, "--over-nni", "script.py", **paths),
        python("-c", "import retiarii.compat, nni; print(nni.trace)", RETIARII_OVER_NNI="1", **paths),
    ):
        assert over.stdout.startswith("<function trace")
        assert not over.stderr
    late = python("-c", "import nni, retiarii.compat", code=1, RETIARII_OVER_NNI="1", **paths)
    assert "NNI was imported already, from" in late.stderr


def test_a_folder_called_nni_without_code_is_no_installed_nni(python, tmp_path):
    (tmp_path / "nni" / "logs").mkdir(parents=True)
    (tmp_path / "script.py").write_text("import nni\nprint(nni.trace)\n")
    assert python(*RUN, "script.py").stdout.startswith("<function trace")


def test_finders_are_installed_in_another_process_by_their_names():
    from retiarii import compat, execution

    assert execution.finders_here() == ["retiarii.compat:install"]
    compat.uninstall()
    assert execution.finders_here() == []
    for _ in range(2):
        execution.install_finders(["retiarii.compat:install"])
        assert execution.finders_here() == ["retiarii.compat:install"]


def test_a_script_can_be_run_from_python(monkeypatch, capsys, tmp_path):
    from retiarii import compat

    script = tmp_path / "script.py"
    script.write_text("import nni, sys\nprint(nni.trace.__name__, sys.argv[1:], __file__)\n")
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    compat.run_script(script, ["a"])
    assert capsys.readouterr().out == f"trace ['a'] {script}\n"


def test_what_was_installed_can_be_taken_back():
    from retiarii import compat

    compat.install()
    assert [finder for finder in sys.meta_path if getattr(finder, "installed_by", None)] == [sys.meta_path[0]]
    import nni

    assert nni.trace
    compat.uninstall()
    with pytest.raises(ModuleNotFoundError):
        __import__("nni")
    compat.install_over_nni()
    assert __import__("nni") is not nni


# Trials, and experiments that are resumed

_SPACE = """
import nni.retiarii.nn.pytorch as nn
from nni.retiarii import model_wrapper

@model_wrapper
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, nn.ValueChoice([1, 2, 3, 4], label="width"))

    def forward(self, x):
        return self.layer(x)
"""

_SCRIPT = """
import sys
import nni
import nni.retiarii.strategy as strategy
from nni.retiarii.evaluator import FunctionalEvaluator
from nni.retiarii.experiment.pytorch import RetiariiExeConfig, RetiariiExperiment
from retiarii.execution import TemplateExecutor
from space import Net

def evaluate(model):
    import nni.retiarii.utils
    nni.report_final_result(float(model().layer.out_features))

def spawning(task):
    return TemplateExecutor(task, start_method="spawn")

experiment = RetiariiExperiment(Net(), FunctionalEvaluator(evaluate), [], strategy.GridSearch(shuffle=False))
config = RetiariiExeConfig("local")
config.max_trial_number = 2
config.executor = spawning if sys.argv[1] == "spawn" else None
experiment.run(config)
print([trial.metrics["default"] for trial in experiment.trials()])
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_trials_and_resumed_experiments_import_nni_too(python, tmp_path, start):
    (tmp_path / "space.py").write_text(_SPACE)
    (tmp_path / "script.py").write_text(_SCRIPT)
    assert python(*RUN, "script.py", start).stdout == "[1.0, 2.0]\n"
    (record,) = json.loads(python("-m", "retiarii", "list", "--json").stdout)
    python("-m", "retiarii", "resume", record["id"], "--max-trial-number", 4)
    look = "import sys, retiarii; print(retiarii.RetiariiExperiment.view(sys.argv[1]).top_trials(1)[0].metrics)"
    assert python("-c", look, record["id"]).stdout == "{'default': 4.0}\n"


# Whole scripts, before and after


@pytest.mark.parametrize("name", ["hello_nas_2", "hello_nas_3"])
def test_a_script_of_each_generation_runs_as_it_is_and_with_the_names_of_retiarii(python, name):
    script = ROOT / "docs" / "from_nni" / f"{name}.py"
    now = script.with_name(f"{name}_now.py")
    assert "import nni" in script.read_text()
    assert "nni" not in now.read_text().partition('"""\n')[2].replace("running", "")
    sizes = ["--epochs", 1, "--trials", 2]
    before, after = python(*RUN, script, *sizes).stdout, python(now, *sizes).stdout
    for printed in (before, after):
        chosen = json.loads(printed.splitlines()[0].replace("'", '"'))
        assert {"conv2", "dropout", "feature"} <= set(chosen)
        assert f"out_features={chosen['feature']}, bias=True" in printed
        assert "ValueChoice" not in printed


def test_a_script_of_the_classic_api_runs_as_it_is_and_with_the_names_of_retiarii(python, tmp_path):
    script = ROOT / "docs" / "from_nni" / "hello_nas_1.py"
    now = script.with_name("hello_nas_1_now.py")
    assert "nni" not in now.read_text().partition('"""\n')[2]
    for command, epochs in (([*RUN, script], 2), ([now], 1)):
        done = python(*command, "--epochs", epochs)
        found = ast.literal_eval(done.stdout.splitlines()[0])
        chosen = dict(zip(("conv3x3", "conv5x5", "maxpool"), found["conv2"], strict=True))
        assert ("MaxPool2d(kernel_size=3" in done.stdout) is chosen["maxpool"]
        assert ("kernel_size=(5, 5)" in done.stdout) is chosen["conv5x5"]
        assert 0 < float(done.stdout.splitlines()[-1]) <= 1
        assert json.loads((tmp_path / "checkpoints" / f"epoch_{epochs - 1}.json").read_text()) == found
        # What is logged is shown, although the script has not set up logging.
        assert re.search(r"^\[\d\d:\d\d:\d\d\] Epoch \[1/\d\] valid  acc1: 0\.\d+  loss: ", done.stderr, re.MULTILINE)
