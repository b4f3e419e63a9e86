import sys
import types

import pytest

from retiarii.errors import ExperimentError
from retiarii.experiment.pytorch import RetiariiExperiment
from retiarii.storage import ExperimentState


@pytest.fixture
def resumed(monkeypatch):
    """Record how the experiment is resumed, instead of doing so."""
    calls = []
    monkeypatch.setattr(RetiariiExperiment, "resume", lambda *args, **kwargs: calls.append((args, kwargs)))
    return calls


def test_resume_goes_on_with_the_experiment(run, store, resumed):
    outcome = run("resume", "bb")
    assert outcome.code == 0
    assert resumed == [(("bb22",), {"storage": store.url})]
    assert "retiarii show bb22" in outcome.out


def test_the_last_line_of_a_resume_that_was_stopped_is_how_to_go_on(run, store, monkeypatch):
    def stop(*args, **kwargs):
        store.update_experiment("bb22", state=ExperimentState.STOPPED)
        print("Go on with: retiarii resume bb22")

    monkeypatch.setattr(RetiariiExperiment, "resume", stop)
    assert run("resume", "bb22").out == "Go on with: retiarii resume bb22\n"


def test_resume_may_go_further(run, store, resumed):
    run("resume", "bb22", "--max-trial-number", "50")
    run("resume", "bb22", "--max-experiment-duration", "2h")
    changes = [{"max_trial_number": 50}, {"max_experiment_duration": "2h"}]
    assert resumed == [(("bb22",), {"storage": store.url, **change}) for change in changes]


def test_resume_of_a_wrong_id_is_one_line(run, store, resumed):
    outcome = run("resume", "zz")
    assert (outcome.code, resumed) == (1, [])
    assert len(outcome.err.splitlines()) == 1


def test_ctrl_c_has_its_own_exit_code(run, store, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(RetiariiExperiment, "resume", interrupt)
    outcome = run("resume", "bb22")
    assert outcome.code == 130
    assert outcome.err == "Interrupted. Go on with: retiarii resume bb22\n"


def test_demo_runs_where_it_is_told(run, monkeypatch):
    calls = []
    demo = types.SimpleNamespace(run_demo=lambda **kwargs: calls.append(kwargs["storage"]))
    monkeypatch.setitem(sys.modules, "retiarii.cli._demo", demo)
    assert run("demo").code == run("--storage", "a.db", "demo").code == run("demo", "--storage", "b.db").code == 0
    assert calls == [None, "a.db", "b.db"]


def test_debug_shows_the_traceback(run, store, monkeypatch):
    def fail(*args, **kwargs):
        raise ExperimentError("all is lost")

    monkeypatch.setattr(RetiariiExperiment, "resume", fail)
    assert run("resume", "bb22").err == "Error: all is lost\n"
    outcome = run("--debug", "resume", "bb22")
    assert outcome.code == 1
    assert "Traceback" in outcome.err
    assert outcome.err.endswith("Error: all is lost\n")
