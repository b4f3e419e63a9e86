import itertools
import os
import sys
from pathlib import Path

import pytest

# Keras computes with torch in the processes of tests: JAX has threads, and other tests fork these processes.
# What uses JAX runs in a process of its own.
os.environ.setdefault("KERAS_BACKEND", "torch")

# Tests run in as many processes as there are cores. With more threads than that, PyTorch's threads wait for each other,
# and a page of the docs that trains takes four times as long. Also holds for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def _new_folders(tmp_path_factory):
    """New folders of this session, numbered by a counter: ``mktemp`` lists those of all earlier tests each time."""
    parent = tmp_path_factory.mktemp("homes")
    return (parent / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def _own_experiments_home(_new_folders, monkeypatch):
    """No test reads or writes the experiments of the person who runs it, or uses that person's key."""
    folder = next(_new_folders)
    for name in ("RETIARII_HOME", "RETIARII_CONFIG_HOME", "RETIARII_CACHE_HOME"):
        (folder / name).mkdir(parents=True)
        monkeypatch.setenv(name, str(folder / name))
    monkeypatch.delenv("RETIARII_STORAGE", raising=False)
    monkeypatch.setenv("RETIARII_DASHBOARD", "off")  # a process of a second for each script that asks for a port
    monkeypatch.setenv("RETIARII_DRAWING", "off")  # a tenth of a second for each of a thousand experiments


@pytest.fixture(autouse=True)
def _seeded_torch(request):
    """Initial weights follow from the seed that pytest prints, as other random numbers do, in any order of tests."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(request.config.getoption("randomly_seed", 0))


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data are not there: {folder}")
    return folder
