"""The framework line: rooms without torch import it in no process.

The import contract in ``pyproject.toml`` says the same of every module; here a package called torch that notes who
imports it stands before the real one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_TRAP = """
import os, traceback
with open(os.environ["TRAP"], "a") as file:
    file.write(f"process {os.getpid()}\\n" + "".join(traceback.format_stack()))
raise ModuleNotFoundError("No module named 'torch'", name="torch")
"""

_SCRIPT = """
import sys
from pathlib import Path
from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment, SearchSpace, at_most, strategy
from retiarii.execution import TemplateExecutor
from retiarii.experiment import Callback
from retiarii.space import Categorical, Float, Integer, when

def measure(architecture, rate, context):
    import sys
    assert "torch" not in sys.modules
    state = context.folder / "state.txt"
    done = 0 if context.parent is None else int((context.parent_folder / "state.txt").read_text())
    epochs = int(context.fidelity.get("epochs", 1))
    for epoch in range(done, epochs):
        context.report(epoch)
    state.write_text(str(epochs))
    return {"default": architecture["width"] * rate, "width": architecture["width"]}

def spawning(task):
    return TemplateExecutor(task, start_method="spawn")

space = SearchSpace([
    Categorical("op", ("conv", "pool")),
    Integer("width", 1, 64),
    Integer("kernel", 1, 7, condition=when("op", "conv")),
])
kind, folder = sys.argv[1:]
settings = {"executor": spawning} if kind == "spawn" else {}
strategies = [strategy.RegularizedEvolution(population_size=4, sample_size=2)] if kind == "spawn" else [
    strategy.Random(),
    strategy.RegularizedEvolution(population_size=4, sample_size=2),
    strategy.ASHA(max_fidelity=4, reduction_factor=2),
    strategy.NSGA2(population_size=4),
    strategy.MedianStop(strategy.Random()),
]
for number, searched in enumerate(strategies):
    config = RetiariiExeConfig(
        "in_process" if kind == "in_process" else "local",
        max_trial_number=6,
        seed=0,
        progress=False,
        storage=Path(folder) / "store.db",
        constraints=[at_most("width", 60)],
        objectives={"default": "maximize", "width": "minimize"} if isinstance(searched, strategy.NSGA2) else None,
        **settings,
    )
    evaluator = FunctionalEvaluator(measure, rate=Float("rate", 0.1, 1.0))
    experiment = RetiariiExperiment(space, evaluator, strategy=searched, callbacks=[Callback()])
    experiment.run(config)
    assert experiment.export_top_models()
    assert experiment.top_hyperparameters()[0]["rate"]
    assert experiment.pareto_front()
RetiariiExperiment.resume(experiment.id, storage=Path(folder) / "store.db", max_trial_number=8)
assert len(experiment.trials()) == 8
assert "torch" not in sys.modules
print(experiment.id)
"""


@pytest.fixture
def run(tmp_path):
    """Runs Python where torch cannot be imported, and checks that nobody tried."""
    (tmp_path / "trap" / "torch").mkdir(parents=True)
    (tmp_path / "trap" / "torch" / "__init__.py").write_text(_TRAP)
    noted = tmp_path / "noted.txt"
    path = os.pathsep.join([str(tmp_path / "trap"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "TRAP": str(noted), "RETIARII_HOME": str(tmp_path / "home")}

    def run(*arguments: str) -> str:
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert not noted.exists(), noted.read_text()
        return done.stdout

    return run


@pytest.mark.parametrize("kind", ["in_process", "fork", "spawn"])
def test_a_bare_space_is_searched_without_torch_in_any_process(run, tmp_path, kind):
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    experiment = run(str(script), kind, str(tmp_path)).split()[-1]
    store = f"--storage={tmp_path / 'store.db'}"
    assert experiment in run("-m", "retiarii", "list", store)
    assert "op" in run("-m", "retiarii", "show", experiment, store)
    assert "width" in run("-m", "retiarii", "show", experiment, "--trial", "0", store)
    assert "width" in run("-m", "retiarii", "export", experiment, store)


def test_the_trap_works(tmp_path, run):
    with pytest.raises(AssertionError, match="No module named 'torch'"):
        run("-c", "import retiarii.nn.pytorch")
    assert "retiarii/nn/pytorch" in Path(tmp_path / "noted.txt").read_text()
