import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from retiarii.errors import StorageError, StoreLostError
from retiarii.storage import ExperimentRecord, open_store
from retiarii.testing.records import completed, running


def deleted(path):
    path.unlink()


def deleted_with_its_log(path):
    for file in path.parent.glob("store.db*"):
        if file.is_file():
            file.unlink()


def deleted_with_its_folder(path):
    shutil.rmtree(path.parent)


def moved(path):
    path.rename(path.with_name("moved.db"))


def replaced_by_a_store(path):
    path.unlink()
    open_store(path).close()


def replaced_by_a_file(path):
    path.with_name("other").write_text("something else " * 100)
    path.with_name("other").replace(path)


def log_deleted(path):
    path.with_name("store.db-wal").unlink()


SAVED = [deleted, deleted_with_its_log, deleted_with_its_folder, moved, replaced_by_a_file]
FATES = [*SAVED, replaced_by_a_store]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "place" / "store.db"


def write_often(store):
    for _ in range(10):
        store.write("first", trials=[completed(2)])


@pytest.mark.parametrize("fate", [*SAVED, log_deleted])
def test_a_store_that_goes_away_is_noticed_and_its_content_saved(path, fate):
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
        with store.lock("first"):
            store.write("first", trials=[completed(0)])
            for _ in range(10):  # the log is looked at now and then
                store.write("first", trials=[completed(1)])
            fate(path)
            with pytest.raises(StoreLostError, match=r"was (deleted|moved|replaced).*was saved in .*resume") as caught:
                write_often(store)
    rescued = caught.value.rescued
    assert str(rescued) in str(caught.value)
    assert rescued.stat().st_mode & 0o777 == 0o600
    with open_store(rescued, create=False) as store:
        assert store.list_trials("first")[:2] == [completed(0), completed(1)]
        with store.lock("first"):
            store.write("first", trials=[running(3)])


def test_a_store_made_in_the_place_of_a_running_one_is_noticed(path):
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
        with store.lock("first"):
            store.write("first", trials=[completed(0)])
            replaced_by_a_store(path)  # at once: it has cleared the log that both share
            with pytest.raises(StoreLostError, match="replaced by another file"):
                store.write("first", trials=[completed(1)])
    with open_store(path) as store:
        assert store.list_experiments() == []


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize(
    "use",
    [
        lambda store: store.stop_requested("first"),
        lambda store: store.update_experiment("first", message="x"),
        lambda store: store.list_trials("first"),
    ],
)
def test_every_use_notices(path, fate, use):
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
        fate(path)
        for _ in range(2):
            with pytest.raises(StoreLostError):
                use(store)
    assert not list(path.parent.glob("*rescued*"))  # nobody was running it


def test_a_new_file_is_never_made_in_the_place_of_a_lost_one(path):
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
        store.close()
        path.unlink()
        with pytest.raises(StorageError):
            store.get_experiment("first")
    assert os.listdir(path.parent) == []


SCRIPT = """
    import os, sys
    import retiarii.nn.pytorch as nn
    from retiarii import FunctionalEvaluator, RetiariiExeConfig, RetiariiExperiment, strategy

    def evaluate(model):
        if model.out_features == 3:
            os.replace(sys.argv[1], sys.argv[1] + ".gone") if sys.argv[2] == "moved" else os.unlink(sys.argv[1])
        return float(model.out_features)

    model = nn.Linear(1, nn.ValueChoice([1, 2, 3, 4], label="width"))
    config = RetiariiExeConfig("in_process", storage=sys.argv[1], progress=False)
    RetiariiExperiment(model, FunctionalEvaluator(evaluate), [], strategy.GridSearch()).run(config)
"""


@pytest.mark.parametrize("fate", ["moved", "deleted"])
def test_a_search_whose_store_is_lost_ends_with_an_error_and_goes_on_from_the_copy(path, tmp_path, fate):
    script = tmp_path / "search.py"
    script.write_text(textwrap.dedent(SCRIPT))
    outcome = subprocess.run([sys.executable, script, path, fate], capture_output=True, text=True)
    assert outcome.returncode == 1
    assert "StoreLostError" in outcome.stderr.splitlines()[-1]
    [rescued] = path.parent.glob("store.db.rescued-*")
    rescued.rename(path)
    with open_store(path) as store:
        [record] = store.list_experiments()
        trials = store.list_trials(record.id)
        assert {"width": 3} in [dict(trial.architecture) for trial in trials]
        assert sum(trial.metric is None for trial in trials) <= 1
