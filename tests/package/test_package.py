import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import retiarii

SOURCES = sorted(Path(retiarii.__file__).parent.glob("**/*.py"))
ROOMS = [
    "benchmarks",
    "benchmarks.nasbench101",
    "benchmarks.nasbench201",
    "benchmarks.nats_size",
    "benchmarks.nds",
    "benchmarks.report",
    "experiment",
    "evaluator",
    "execution",
    "nn.pytorch",
    "space",
    "storage",
    "strategy",
    "trial",
    "utils",
]


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_by("import retiarii, retiarii.experiment")
    assert not loaded & {"torch", "numpy", "sqlalchemy", "pytorch_lightning", "rich"}


def test_submodules_are_attributes_without_an_import_of_their_own():
    code = "import sys, retiarii; print(sorted(m for m in sys.modules if m == 'torch')); " + "; ".join(
        f"retiarii.{name}" for name in ["strategy.Random", "nn.pytorch.Linear", "evaluator.pytorch.lightning.Trainer",
        "experiment.pytorch.RetiariiExperiment", "oneshot.DARTS", "graph.draw", "utils.ContextStack", "cli.main"]
    )  # fmt: skip
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    assert {"strategy", "nn"} <= set(dir(retiarii))


def test_what_a_script_imports_loads_what_is_used_later_when_it_is_used():
    loaded = loaded_by(
        "import retiarii.nn.pytorch as nn, retiarii.strategy as strategy; strategy.Random; "
        "from retiarii.evaluator import FunctionalEvaluator; "
        "from retiarii.experiment.pytorch import RetiariiExeConfig, RetiariiExperiment"
    )
    assert "torch" in loaded
    later = {"sqlalchemy", "alembic", "rich", "typer", "moocore", "cloudpickle", "pytorch_lightning"}
    assert not loaded & {*later, "retiarii.execution", "retiarii.oneshot", "retiarii.graph", "retiarii.storage"}


def test_plain_data_rooms_and_the_command_line_load_no_torch():
    assert "torch" not in loaded_by("import retiarii.space, retiarii.trial, retiarii.storage, retiarii.cli")


@pytest.mark.parametrize("module", ["strategies", "evaluators", "storage", "execution"])
def test_conformance_tests_without_pytest_say_what_to_install(module):
    code = f"import sys; sys.modules['pytest'] = None; import retiarii.testing.{module}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1].startswith("retiarii.errors.MissingExtraError: The conformance tests")
    assert "pip install pytest" in run.stderr


def test_lightning_is_loaded_only_by_those_who_use_it():
    loaded = loaded_by("import retiarii.experiment.pytorch, retiarii.evaluator, retiarii.execution, retiarii.strategy")
    assert not loaded & {"pytorch_lightning", "torchmetrics", "sklearn"}


@pytest.mark.parametrize("name", retiarii.__all__)
def test_every_name_that_the_package_promises_is_there(name):
    assert getattr(retiarii, name) is not None


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_export_what_they_say(room):
    module = importlib.import_module(f"retiarii.{room}")
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert module.__doc__


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="'retiarii' has no attribute 'Experimental'"):
        _ = retiarii.Experimental


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_error_messages_do_not_forget_their_f(path):
    """Ruff's RUF027 does not see ``{self.name}`` in a plain string under ``raise``."""
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.Raise) and statement.exc is not None:
            inside_f = {id(part) for f in ast.walk(statement) if isinstance(f, ast.JoinedStr) for part in ast.walk(f)}
            for node in ast.walk(statement.exc):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside_f:
                    assert "{" not in node.value or "}" not in node.value, f"{path}:{node.lineno}: {node.value!r}"
