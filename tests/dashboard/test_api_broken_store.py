"""A store that is locked, deleted, replaced or damaged: the API says so, and answers again once it can be read."""

import sqlite3
import subprocess

import pytest
from api_client import ApiClient

from retiarii.storage import ExperimentRecord, open_store
from retiarii.storage._database import sqlite
from retiarii.testing.records import completed

PATHS = (
    "/experiments",
    "/experiments/e",
    "/experiments/e/trials",
    "/experiments/e/trials/0",
    "/experiments/e/failures",
)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "_TIMEOUT_S", 0.1)
    path = tmp_path / "store.db"
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("e"))
        store.create_experiment(ExperimentRecord("f"))
        store.write("e", trials=[completed(0), completed(1)])
    return path


@pytest.fixture
def client(path):
    with open_store(path) as read:
        yield ApiClient(read)


def assert_reads(client):
    for path in PATHS:
        client.get(path)


def assert_refuses(client, words):
    for path in PATHS:
        problem = client.get(path, 503)
        assert words in problem["detail"]


def copy(source, target):  # in a process of its own: a process that closes a file loses its locks of that file
    subprocess.run(["cp", source, target], check=True)


def test_a_locked_store(client, path):
    assert_reads(client)
    with sqlite3.connect(path, isolation_level=None) as other:  # a writer that does not end keeps nobody from reading
        other.execute("BEGIN IMMEDIATE")
        assert_reads(client)
        problem = client.request("PUT", "/experiments/e/tags", json={"tags": ["a"]})
        assert (problem.status_code, "has been locked" in problem.json()["detail"]) == (503, True)
    other.close()
    assert client.request("PUT", "/experiments/e/tags", json={"tags": ["a"]}).status_code == 200


def test_a_deleted_store(client, path):
    assert_reads(client)
    aside = path.rename(path.with_name("aside"))
    assert_refuses(client, "deleted or moved away")
    aside.rename(path)
    assert_reads(client)


def test_a_store_in_the_place_of_another(client, path, tmp_path):
    assert_reads(client)
    with open_store(tmp_path / "other.db") as other:
        other.create_experiment(ExperimentRecord("other"))
    for end in ("-wal", "-shm"):
        path.with_name(f"store.db{end}").unlink(missing_ok=True)
    (tmp_path / "other.db").replace(path)
    assert [one["id"] for one in client.get("/experiments")["experiments"]] == ["other"]


def test_a_damaged_store(client, path, tmp_path):
    copy(path, tmp_path / "copy")
    (tmp_path / "garbage").write_text("Lorem ipsum " * 5000)
    copy(tmp_path / "garbage", path)
    client.get("/experiments/e/trials", 503)  # pages that SQLite has read already may stay readable until then
    assert_refuses(client, "damaged")
    copy(tmp_path / "copy", path)
    assert_reads(client)


def test_a_damaged_experiment_leaves_the_others(client, path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE experiments SET name = 'changed' WHERE id = 'e'")
    connection.close()
    found = client.get("/experiments")
    assert ([one["id"] for one in found["experiments"]], [one["id"] for one in found["damaged"]]) == (["f"], ["e"])
    assert "damaged" in client.get("/experiments/e", 503)["detail"]
    client.get("/experiments/f")


def test_a_damaged_trial_is_named(client, path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE trials SET metrics = '{' WHERE number = 1")
    connection.close()
    assert "trial 1" in client.get("/experiments/e/trials/1", 503)["detail"]
    client.get("/experiments/e/trials/0")
