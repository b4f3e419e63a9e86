"""Experiments and trials over the API: pages, filters and sorting, one trial in full."""

import math
import subprocess
import sys

import pytest
from api_client import ApiClient

from retiarii.space import Architecture
from retiarii.storage import ExperimentRecord, ExperimentState, Intermediate, open_store
from retiarii.testing.records import RECORD, completed, failed, running, zoo
from retiarii.trial import Failure, FailureKind, TrialState

HTML = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with open_store(tmp_path_factory.mktemp("api") / "store.db") as store:
        store.create_experiment(RECORD)
        store.create_experiment(ExperimentRecord("zoo", name=HTML))
        store.write("zoo", trials=zoo())
        store.create_experiment(ExperimentRecord("many", state=ExperimentState.DONE))
        ops = ["conv", "pool", HTML]
        store.write(
            "many",
            trials=[
                completed(number, number % 10 / 10).evolve(
                    architecture=Architecture({"op": ops[number % 3], "w=": number % 4})
                )
                for number in range(30)
            ],
        )
        store.write("many", trials=[running(30), failed(31, Failure(FailureKind.RAISED, HTML, "Traceback"), HTML)])
        yield store


@pytest.fixture(scope="module")
def client(store):
    return ApiClient(store)


def test_experiments_are_listed_newest_first_in_pages(client):
    first = client.get("/experiments", limit=2)
    assert [one["id"] for one in first["experiments"]] == ["many", "zoo"]
    assert (first["num_experiments"], first["next_offset"]) == (3, 2)
    rest = client.get("/experiments", limit=2, offset=first["next_offset"])
    assert ([one["id"] for one in rest["experiments"]], rest["next_offset"]) == ([RECORD.id], None)


def test_an_experiment_has_its_state_counts_and_best_trial(client, store):
    found = client.get("/experiments/many")
    assert (found["state"], found["is_running"], found["best"]) == ("done", False, {"number": 9, "metric": 0.9})
    assert (found["counts"]["completed"], found["counts"]["failed"], found["counts"]["interrupted"]) == (30, 1, 1)
    stopped = client.get(f"/experiments/{RECORD.id}")
    assert (stopped["config"], stopped["seed"], stopped["message"]) == (RECORD.config, RECORD.seed, RECORD.message)
    assert stopped["resume_command"] == store.command(f"resume {RECORD.id}")


def test_an_experiment_whose_process_was_killed_is_stopped(client, store):
    found = client.get("/experiments/zoo")
    assert (found["state"], found["was_killed"]) == ("stopped", True)
    with store.lock("zoo"):
        found = client.get("/experiments/zoo")
        assert (found["state"], found["was_killed"], found["is_running"]) == ("running", False, True)
        assert client.get("/experiments/zoo/trials/0")["state"] == "running"
    assert client.get("/experiments/zoo/trials/0")["state"] == "interrupted"


def numbers(client, **params):
    found = client.get("/experiments/many/trials", **params)
    return [trial["number"] for trial in found["trials"]]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, [*range(32)]),
        ({"state": "failed"}, [31]),
        ({"state": ["failed", "interrupted"]}, [30, 31]),
        ({"state": "running"}, []),
        ({"choice": "w==3"}, [3, 7, 11, 15, 19, 23, 27]),
        ({"choice": ["w==3", 'op="pool"']}, [7, 19]),
        ({"choice": ["w==2", "w==3", "op=pool"]}, [7, 10, 19, 22]),
        ({"choice": f"op={HTML}", "at_most": "default=0.2"}, [2, 11, 20]),
        ({"choice": "no=1"}, []),
        ({"contains": "ONERROR", "at_most": "default=0.1"}, [11, 20]),
        ({"contains": "17"}, [17]),
        ({"choice": "op=' OR 1=1 --"}, []),
        ({"at_least": "default=0.8", "sort": "metric:default", "descending": True}, [9, 19, 29, 8, 18, 28]),
        ({"at_least": "default=0.3", "at_most": "default=0.3"}, [3, 13, 23]),
    ],
)
def test_trials_are_filtered_and_sorted(client, params, expected):
    assert numbers(client, **params) == expected


def test_trials_are_read_in_pages(client):
    seen, after = [], {}
    while True:
        page = client.get("/experiments/many/trials", sort="choice:op", at_most="default=0.5", limit=5, **after)
        assert page["num_matching"] == 18
        seen += [trial["number"] for trial in page["trials"]]
        if page["next_after"] is None:
            break
        after = {"after": page["next_after"]}
    assert len(seen) == 18
    assert seen == numbers(client, sort="choice:op", at_most="default=0.5")


def test_numbers_that_json_lacks_are_texts(client):
    found = client.get("/experiments/zoo/trials", sort="number")["trials"][5]
    assert (found["metrics"], found["violation"]) == ({"default": "-Infinity"}, "Infinity")
    found = client.get("/experiments/zoo/trials/5")
    assert found["metrics"] == {"default": "-Infinity"}
    assert [report["metrics"]["default"] for report in found["reports"]] == [0.5, "-Infinity"]


def test_a_trial_is_shown_in_full(client):
    found = client.get("/experiments/many/trials/31")
    assert (found["failure"], found["traceback"], found["output"]) == (
        {"kind": "raised", "message": HTML},
        "Traceback",
        HTML,
    )
    found = client.get("/experiments/zoo/trials/1")
    assert found["architecture"] == zoo()[1].architecture.to_json()
    assert found["key"] == zoo()[1].architecture.key


def test_intermediate_results_are_read_in_pages(client, store):
    store.write("many", intermediates=[Intermediate(30, step, {"default": math.nan}, 1.0) for step in range(1100)])
    found = client.get("/experiments/many/trials/30")
    assert (found["num_reports"], len(found["reports"]), found["reports"][0]["step"]) == (1100, 1000, 100)
    page = client.get("/experiments/many/trials/30/reports", limit=600)
    assert (len(page["reports"]), page["next_after"]) == (600, 599)
    page = client.get("/experiments/many/trials/30/reports", limit=600, after=599)
    assert (page["reports"][0]["step"], len(page["reports"]), page["next_after"]) == (600, 500, None)
    assert page["reports"][0]["metrics"] == {"default": "NaN"}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/experiments/elsewhere", 404, "no experiment 'elsewhere'"),
        ("/experiments/elsewhere/trials", 404, "no experiment 'elsewhere'"),
        ("/experiments/many/trials/99", 404, "no trial 99"),
        ("/experiments/..%2f..%2fetc", 404, "Not Found"),
        ("/experiments/a;DROP TABLE trials", 422, "experiment_id"),
        ("/experiments/many/trials/-1", 422, "path.trial"),
        ("/experiments/many/trials/99999999999999999999", 422, "path.trial"),
        ("/experiments/many/trials?sort=nothing", 422, "no column 'nothing'"),
        ("/experiments/many/trials?at_least=default=nan", 422, "METRIC=NUMBER"),
        ("/experiments/many/trials?at_least=default", 422, "METRIC=NUMBER"),
        ("/experiments/many/trials?choice==3", 422, "LABEL=VALUE"),
        ("/experiments/many/trials?after=99", 422, "no trial 99"),
        ("/experiments/many/trials?limit=0", 422, "query.limit"),
        ("/nowhere", 404, "Not Found"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_sentence(client, path, status, words):
    found = client.get(path, status)
    assert set(found) == {"error", "detail"}
    assert words in found["detail"]


def test_the_number_of_a_state_counts_every_trial(client):
    counts = client.get("/experiments/many")["counts"]
    assert {state.value for state in TrialState} == set(counts)
    assert sum(counts.values()) == 32


def test_torch_is_never_imported():
    script = "import sys, retiarii.dashboard._api.api; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
