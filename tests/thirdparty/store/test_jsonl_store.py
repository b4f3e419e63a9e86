import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from retiarii import RetiariiExeConfig, RetiariiExperiment
from retiarii.errors import ConfigError, CorruptStoreError, NotFoundError
from retiarii.space import Categorical, SearchSpace
from retiarii.storage import STORES, ExperimentRecord, Store, described, open_store
from retiarii.strategy import Random
from retiarii.testing.records import completed
from retiarii.testing.storage import StorageConformance
from retiarii.trial import TrialState

HERE = Path(__file__).parent


def install(site, *points):
    """Make a folder look like one with an installed distribution."""
    info = site / "jsonl_store-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: jsonl-store\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[retiarii.stores]\n" + "".join(f"{point}\n" for point in points))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    install(site, "jsonl = jsonl_store:open_url", "odd = unittest.mock:Mock", "gone = jsonl_store:absent")
    return site


@pytest.fixture(autouse=True)
def _installed(site, monkeypatch):
    monkeypatch.syspath_prepend(site)


@pytest.fixture
def url(tmp_path):
    return f"jsonl://{tmp_path}/store"


class TestJsonLinesStore(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path):
        return f"jsonl://{tmp_path}/new/store"


def python(site, *arguments, **environment):
    """Run Python where the package of the store is installed."""
    path = os.pathsep.join([str(site), str(HERE), os.environ.get("PYTHONPATH", "")])
    everything = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run([sys.executable, *arguments], env=everything, capture_output=True, text=True, check=False)


def test_the_scheme_names_the_store_wherever_a_store_is_named(url, monkeypatch):
    assert "jsonl" in STORES.names()
    with open_store(url) as store:
        assert isinstance(store, Store)
        assert open_store(store) is store
        assert store.command("list") == f"retiarii list --storage {url}"
        monkeypatch.setenv("RETIARII_STORAGE", url)
        assert store.command("list") == "retiarii list"
    assert open_store().url == url


def test_a_password_in_a_url_is_not_shown(url):
    assert described("jsonl://ann:secret@host/searches") == "jsonl://ann:***@host/searches"
    assert described(url) == url


def test_errors_name_what_is_installed(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"kind 'jsnol' is not supported\. Expected a path, .* or jsonl://"):
        open_store("jsnol:///a")
    with pytest.raises(ConfigError, match=r"opens odd:// returned <Mock.*expected an instance of retiarii.*Store"):
        open_store("odd://")
    with pytest.raises(ConfigError, match=r"store 'gone' cannot be loaded from jsonl_store:absent"):
        open_store("gone://")
    monkeypatch.setenv("RETIARII_STORAGE", f"jsonl://{tmp_path}/absent")
    with pytest.raises(NotFoundError, match="no store"):
        open_store(create=False)


SCRIPT = """
import os, signal, sys
from pathlib import Path
from retiarii import RetiariiExeConfig, RetiariiExperiment
from retiarii.space import Categorical, SearchSpace
from retiarii.strategy import Random

def evaluate(architecture, context):
    context.report(architecture["x"] / 2)
    if context.number == 5 and KILL and not KILL.exists():
        KILL.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return architecture["x"]

KILL = Path(sys.argv[1]) if len(sys.argv) > 1 else None
experiment = RetiariiExperiment(SearchSpace([Categorical("x", tuple(range(50)))]), evaluate, strategy=Random())
experiment.run(RetiariiExeConfig("in_process", max_trial_number=12, seed=7, progress=False, experiment_name="numbers"))
"""


def test_an_experiment_is_listed_shown_and_resumed_by_url_after_kill_9(tmp_path, site, url):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    killed = python(site, script, tmp_path / "killed", RETIARII_STORAGE=url)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    listed = python(site, "-m", "retiarii", "list", "--json", "--storage", url)
    (row,) = json.loads(listed.stdout)
    assert (row["name"], row["state"], row["trials"]["completed"]) == ("numbers", "stopped", 5)
    resumed = python(site, "-m", "retiarii", "resume", row["id"], "--storage", url)
    assert resumed.returncode == 0, resumed.stderr
    shown = python(site, "-m", "retiarii", "show", "numbers", RETIARII_STORAGE=url)
    assert "12 completed" in shown.stdout
    doctor = json.loads(python(site, "-m", "retiarii", "doctor", "--json", url).stdout)
    assert doctor["store"] == {"where": url, "exists": True, "experiments": 1}
    assert doctor["problems"] == []

    whole = python(site, script, RETIARII_STORAGE=f"{url}-whole")
    assert whole.returncode == 0, whole.stderr
    with open_store(url) as store, open_store(f"{url}-whole") as other:
        (expected,) = other.list_experiments()
        trials, wanted = store.list_trials(row["id"]), other.list_trials(expected.id)
    facts = [(trial.number, trial.architecture, trial.state, trial.metrics, trial.intermediates) for trial in trials]
    assert facts == [(t.number, t.architecture, t.state, t.metrics, t.intermediates) for t in wanted]

    experiment = RetiariiExperiment.view(row["id"], storage=url)
    (best,) = experiment.export_top_models(top_k=1, formatter="dict")
    assert best["x"] == max(trial.metrics["default"] for trial in trials)
    deleted = python(site, "-m", "retiarii", "delete", row["id"], "--yes", "--storage", url)
    assert deleted.returncode == 0, deleted.stderr
    assert not list(Path(url.removeprefix("jsonl://")).glob("*/*.jsonl"))


def test_an_experiment_takes_an_open_store_and_isolates_its_trials(url):
    with open_store(url) as store:
        space = SearchSpace([Categorical("x", (1, 2, 3, 4))])
        experiment = RetiariiExperiment(space, lambda architecture: float(architecture["x"]), strategy=Random())
        config = RetiariiExeConfig(max_trial_number=3, trial_concurrency=2, progress=False, seed=1, storage=store)
        experiment.run(config)
        assert experiment.where == url
        resumed = RetiariiExperiment.resume(experiment.id, storage=store, max_trial_number=4)
        assert [trial.state for trial in resumed.trials()] == [TrialState.COMPLETED] * 4


def test_damage_is_named_and_the_rest_is_shown(tmp_path, site, url):
    with open_store(url) as store:
        for name in ("first", "second"):
            store.create_experiment(ExperimentRecord(name))
            store.write(name, trials=[completed(0)])
    log = tmp_path / "store" / "logs" / "first.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"state":"completed"', b'"state":"complete"'))
    with open_store(url) as store, pytest.raises(CorruptStoreError, match=r"'first'.*found 'complete'"):
        store.get_trial("first", 0)
    log.write_bytes(log.read_bytes()[9:])
    listed = python(site, "-m", "retiarii", "list", "--storage", url)
    assert listed.returncode == 1
    assert "second" in listed.stdout
    assert "experiment 'first'" in " ".join(listed.stderr.split())
    with open_store(url) as store:
        store.delete_experiment("first")
        assert [record.id for record in store.list_experiments()] == ["second"]
