"""A script with argparse and data loaders that start worker processes in the trials."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

SCRIPT = Path(__file__).with_name("search_script.py")


def search(tmp_path, *arguments):
    """Run the script as a user does; return a row of texts for each trial."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--seed", "3", *arguments],
        cwd=tmp_path,
        env={**os.environ, "RETIARII_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("workers", [0, 2])
def test_trials_train_with_worker_processes(tmp_path, workers):
    rows = search(tmp_path, "--workers", str(workers), "--trials", "3")
    assert [(row[0], row[1]) for row in rows] == [("0", "completed"), ("1", "completed"), ("2", "completed")]
    assert {float(row[3]) for row in rows} == {2.0 * workers}, "two epochs, each with its own workers"
    assert not [
        process for process in psutil.process_iter(["cmdline"]) if str(SCRIPT) in (process.info["cmdline"] or [])
    ]


def test_arguments_of_the_script_and_the_seed_reach_the_trials(tmp_path):
    first, second = (search(tmp_path, "--trials", "2", "--samples", "32") for _ in range(2))
    assert first == second
    assert first != search(tmp_path, "--trials", "2", "--samples", "32", "--lr", "0.1")
