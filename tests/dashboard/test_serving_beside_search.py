import os
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest
from written_experiments import write_experiment

from retiarii.experiment import RetiariiExperiment

SEARCH = """
import sys, time
from retiarii.experiment import RetiariiExeConfig, RetiariiExperiment
from retiarii.space import Integer, SearchSpace
from retiarii.strategy import Random

def evaluate(architecture):
    time.sleep(float(sys.argv[1]))
    return architecture["width"]

config = RetiariiExeConfig("local")
config.max_trial_number = 3
port = None if sys.argv[2] == "None" else int(sys.argv[2])
RetiariiExperiment(SearchSpace([Integer("width", 1, 9)]), evaluate, [], Random()).run(config, port)
RetiariiExperiment(SearchSpace([Integer("width", 1, 9)]), evaluate, [], Random()).run(config, port)
"""


@pytest.fixture
def search(monkeypatch, tmp_path):
    """Start a script with two searches: ``search(seconds_per_trial, port)``."""
    monkeypatch.setenv("RETIARII_DASHBOARD", "on")
    started = []

    def search(seconds, port, **environment):
        process = subprocess.Popen(
            [sys.executable, "-c", SEARCH, str(seconds), str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            start_new_session=True,
            env={**os.environ, **environment},
        )
        started.append(process)
        return process

    yield search
    for process in started:
        process.kill()
        process.wait(20)
        process.stdout.close()


def line_with(process, words):
    """Return the next line of the output that contains some words."""
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(f"the process ended without a line with {words!r}")


def answers(address):
    try:
        return httpx.get(address, timeout=20).status_code == 200
    except httpx.TransportError:
        return False


def test_a_search_shows_its_page_which_ends_with_a_killed_script(search):
    script = search(30, 0)
    shown = re.search(r"(http://127\.0\.0\.1:\d+)/experiments/(\w+)", line_with(script, "Dashboard"))
    address, experiment_id = shown.groups()
    found = httpx.get(f"{address}/api/experiments/{experiment_id}", timeout=30).json()
    assert found["is_running"]
    assert found["pid"] == script.pid
    port = address.rpartition(":")[2]
    assert f'content="retiarii dashboard --port {port}"' in httpx.get(address, timeout=30).text  # if it is killed
    os.kill(script.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while answers(address):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slow
def test_ctrl_c_stops_the_search_and_leaves_the_page_to_the_next_search(search):
    script = search(0.5, 0)
    first = line_with(script, "Dashboard")
    line_with(script, "started")
    os.killpg(script.pid, signal.SIGINT)  # as a terminal does
    second = line_with(script, "Dashboard")
    address = re.search(r"http://[\d.:]+", first)[0]
    assert address in second
    assert answers(address)
    assert script.wait(60) == 0


@pytest.mark.slow
def test_a_taken_port_is_replaced_by_the_next_free_one(search):
    first, second = search(30, 18_190), search(30, 18_190)
    ports = [int(re.search(r":(\d+)/", line_with(one, "Dashboard"))[1]) for one in (first, second)]
    assert ports == [18_190, 18_191]


@pytest.mark.slow
def test_a_dashboard_that_cannot_start_does_not_stop_the_search(search, tmp_path):
    (tmp_path / "uvicorn.py").write_text("raise ImportError('broken on purpose')")
    script = search(0, 0, PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    output = script.communicate(timeout=60)[0]
    assert script.returncode == 0
    assert "No dashboard: " in output
    assert "The search goes on without it." in output
    assert output.count("3/3 trials") == 2


@pytest.fixture
def stored(module_store):
    if not module_store.list_experiments():
        write_experiment(module_store, experiment_id="one")
    return module_store


def test_there_is_no_page_without_a_port_or_when_it_is_switched_off(stored, monkeypatch, capsys):
    monkeypatch.setenv("RETIARII_DASHBOARD", "on")
    assert RetiariiExperiment.view("one", storage=stored).id == "one"
    monkeypatch.setenv("RETIARII_DASHBOARD", "off")
    assert RetiariiExperiment.view("one", 8080, storage=stored).id == "one"
    assert capsys.readouterr().out == ""


def test_the_missing_extra_is_named(stored, monkeypatch, capsys):
    monkeypatch.setenv("RETIARII_DASHBOARD", "on")
    monkeypatch.setattr("retiarii.experiment._control.dashboard_process.find_spec", lambda name: None)
    RetiariiExperiment.view("one", 8080, storage=stored)
    assert 'pip install "retiarii[dashboard]"' in capsys.readouterr().out
