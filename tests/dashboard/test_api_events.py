"""Changes over the API as they happen, from a real server."""

import json
import threading
from contextlib import contextmanager

import httpx
import pytest
from api_client import serving

from retiarii.dashboard._api import event_routes
from retiarii.dashboard._api.api import create_api
from retiarii.dashboard._reading.reader import Reader
from retiarii.storage import ExperimentRecord, open_store
from retiarii.testing.records import completed, running


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        store.create_experiment(ExperimentRecord("e", name="<b>"))
        yield store


@pytest.fixture
def address(store):
    with open_store(store.url) as read, serving(create_api(Reader(read))) as address:
        yield address
    for thread in threading.enumerate():
        if thread.name == "retiarii-changes":
            thread.join(10)
            assert not thread.is_alive(), "nobody follows any more"


@contextmanager
def events(address, **options):
    """The lines of a stream of events."""
    with httpx.Client(timeout=20) as client, client.stream("GET", f"{address}/events", **options) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-content-type-options"] == "nosniff"
        yield response.iter_lines()


def next_change(lines):
    for line in lines:
        if line.startswith("data: "):
            return json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream has ended")


def test_changes_are_streamed_from_the_present_state_on(store, address):
    store.write("e", trials=[running(0)])
    with store.lock("e"), events(address, params={"experiment": "e"}, headers={"Last-Event-ID": "77"}) as lines:
        first = next_change(lines)
        assert (first["state"], first["is_running"], first["is_complete"]) == ("running", True, False)
        assert first["counts"]["running"] == 1
        store.write("e", trials=[completed(0), running(1)])
        change = next_change(lines)
        assert (change["started"], change["ended"], change["is_complete"]) == ([1], [0], True)
        assert change["counts"]["completed"] == 1


def test_without_an_experiment_all_are_followed(store, address):
    with events(address) as lines:
        assert next_change(lines)["experiment_id"] is None
        store.create_experiment(ExperimentRecord("f"))
        assert next_change(lines)["experiment_id"] == "f"


def test_a_quiet_stream_has_signs_of_life(store, address, monkeypatch):
    monkeypatch.setattr(event_routes, "HEARTBEAT_S", 0.05)
    with events(address, params={"experiment": "e"}) as lines:
        next_change(lines)
        assert ": nothing new" in [next(lines) for _ in range(4)]


def test_the_end_of_the_server_ends_its_streams(store, capfd):
    with open_store(store.url) as read:
        reader = Reader(read)
        with serving(create_api(reader)) as address, events(address) as lines:
            next_change(lines)
            reader.changes.close()
            assert list(lines) == [""]
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("wanted", ["a/b", "", "x" * 65, "'; DROP"])
def test_a_wrong_id_is_refused(address, wanted):
    answer = httpx.get(f"{address}/events", params={"experiment": wanted})
    assert (answer.status_code, set(answer.json())) == (422, {"error", "detail"})
