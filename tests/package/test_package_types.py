"""Type checkers take what users write: the README, the docs, the examples, and `typed_user_code.py`."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import retiarii.nn.pytorch as nn
from retiarii import RetiariiExeConfig

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# The project of a user is strict, and checks functions without annotations all the same. Options are those of our own
# check in pyproject.toml wherever they are not about the user's modules, so that both share what mypy has in its cache.
SETTINGS = """
[mypy]
strict = True
[mypy-cloudpickle.*,keras.*,pandas.*,pyarrow.*,sklearn.*,pytorch_lightning.*,torchmetrics.*,psutil.*,moocore.*,yaml.*,torchvision.*,nni.*]
ignore_missing_imports = True
[mypy-{modules}]
disallow_untyped_defs = False
disallow_untyped_calls = False
disallow_incomplete_defs = False
disallow_untyped_decorators = False
check_untyped_defs = True
"""


def user_code(folder):
    """Write all that users read as modules, and return their paths."""
    found = {f"example_{path.stem}": path.read_text() for path in ROOT.glob("examples/*.py")}
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        if blocks := BLOCK.findall(page.read_text()):
            name = re.sub(r"\W", "_", str(page.relative_to(ROOT).with_suffix("")))
            found[name] = "\n".join(blocks)
    paths = [Path(__file__).with_name("typed_user_code.py")]
    for name, code in found.items():
        paths.append(folder / f"{name}.py")
        paths[-1].write_text(code)
    return paths


@pytest.mark.timeout(400)
def test_a_strict_type_checker_takes_what_users_write_and_finds_their_mistakes(tmp_path):
    modules = user_code(tmp_path)
    (tmp_path / "mypy.ini").write_text(SETTINGS.format(modules=",".join(path.stem for path in modules)))
    arguments = ["--config-file", tmp_path / "mypy.ini", "--cache-dir", ROOT / ".mypy_cache", *modules]
    command = [sys.executable, "-m", "mypy", *map(str, arguments)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_editors_see_the_arguments_of_layers_and_settings():
    layer = inspect.signature(nn.Conv2d).parameters
    assert list(layer)[:3] == ["in_channels", "out_channels", "kernel_size"]
    settings = inspect.signature(RetiariiExeConfig).parameters
    assert settings["trial_concurrency"].default == 1
    assert list(settings)[:2] == ["training_service_platform", "execution_engine"]
    assert all(item.kind is not item.VAR_KEYWORD for item in settings.values())
