"""The examples are what users copy, so they run as they are."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.py"))


@pytest.mark.timeout(320)
@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs(script, tmp_path):
    environment = {**os.environ, "RETIARII_HOME": str(tmp_path), "RETIARII_EXAMPLE_FAST": "1"}
    run = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.strip()


@pytest.mark.timeout(320)
def test_the_example_of_a_tuner_runs_as_its_first_lines_say(tmp_path):
    folder = tmp_path / "digits_tuner"
    shutil.copytree(EXAMPLES[0].parent / "digits_tuner", folder)
    (folder / "config.yml").write_text((folder / "config.yml").read_text().replace("maxTrialNum: 10", "maxTrialNum: 3"))
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "RETIARII_HOME": str(tmp_path),
        "RETIARII_EXAMPLE_FAST": "1",
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
    }
    said = (folder / "train.py").read_text().partition('"""')[2].partition('"""')[0]
    commands = [line.partition("#")[0].strip() for line in said.splitlines() if line.startswith("    ")]
    assert len(commands) == 5
    for command in commands:
        words = [
            sys.executable,
            *(["-m", "retiarii"] if command.startswith("retiarii") else []),
            *shlex.split(command)[1:],
        ]
        run = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, run.stderr[-3000:]
    assert "accuracy on unseen digits" in run.stdout
