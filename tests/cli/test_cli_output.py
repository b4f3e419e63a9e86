"""Commands whose output nobody reads to its end, as in ``retiarii list | head -1``."""

import os
import subprocess
import sys

import pytest

from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord, open_store
from retiarii.trial import Objectives, Trial, TrialState


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    with open_store(folder / "store.db") as store:
        for number in range(3):
            record = ExperimentRecord(
                id=f"{number:08x}",
                name="n" * 100,
                objectives=Objectives.of("maximize"),
                seed=0,
                strategy="s",
                config={},
                space={},
            )
            store.create_experiment(record)
        trial = Trial(0, Architecture({"a": 1}), TrialState.COMPLETED, {"default": 1.0}, finish_order=0)
        store.write(record.id, trials=[trial], intermediates=[])
    return folder


def run_unread(folder, *words):
    """Run a command whose reader has gone already; return its exit code and what it says about that."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "retiarii", "--storage", str(folder / "store.db"), *words]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=100, check=False)
    os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["show", "00000002"], ["--help"]])
def test_a_reader_that_is_gone_is_no_error(folder, words):
    assert run_unread(folder, *words) == (0, "")


def test_errors_keep_their_exit_code(folder):
    code, errors = run_unread(folder, "show", "nothing")
    assert code == 1
    assert errors.startswith("Error: ")
    assert "Traceback" not in errors
