import os
import sqlite3

import pytest

from retiarii.errors import ExperimentBusyError, StorageError
from retiarii.storage import ExperimentRecord, open_store


@pytest.fixture
def victim(tmp_path):
    """A folder of somebody, which no store may touch."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "precious").write_text("data")
    return folder


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "handed" / "store.db"
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("abc"))
    return path


def named(path, experiment_id):
    """Give the experiment another id, as whoever made the file could have."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("UPDATE experiments SET id = ?", [experiment_id])
    connection.close()


def every_use(store, experiment_id):
    def locked():
        with store.lock(experiment_id):
            pass

    return [
        lambda: store.directory(experiment_id),
        lambda: store.delete_experiment(experiment_id),
        lambda: store.is_running(experiment_id),
        locked,
    ]


@pytest.mark.parametrize(
    "experiment_id",
    [
        "abc/../../../victim",
        "../../victim",
        "..",
        ".",
        "",
        "/",
        "a/b",
        "a\\b",
        ".hidden",
        "x" * 65,
        "a\n",
        "a\0b",
        "ä",
        "-rf",
    ],
)
def test_ids_that_are_paths_are_refused(tmp_path, path, victim, experiment_id):
    named(path, experiment_id)
    before = sorted(os.walk(tmp_path))
    with open_store(path) as store:
        for use in every_use(store, experiment_id):
            with pytest.raises(StorageError):
                use()
        with pytest.raises(StorageError, match=r"its id can name no folder|is damaged|no experiment"):
            store.get_experiment(experiment_id)
    assert (victim / "precious").read_text() == "data"
    assert sorted(os.walk(tmp_path)) == before


@pytest.mark.parametrize("linked", ["folder", "experiment"])
def test_links_out_of_the_folder_of_a_store_are_not_followed(path, victim, linked):
    files = path.with_name("store.db.files")
    if linked == "folder":
        (victim / "abc").mkdir()
        files.symlink_to(victim)
    else:
        files.mkdir()
        (files / "abc").symlink_to(victim)
    before = sorted(os.walk(victim))
    with open_store(path) as store:
        for use in every_use(store, "abc"):
            with pytest.raises(StorageError, match="symbolic link"):
                use()
        assert store.get_experiment("abc").id == "abc"
    assert sorted(os.walk(victim)) == before


def test_links_inside_the_folder_of_an_experiment_are_deleted_not_followed(path, victim):
    with open_store(path) as store:
        (store.directory("abc") / "link").symlink_to(victim)
        store.delete_experiment("abc")
    assert (victim / "precious").exists()
    assert os.listdir(path.with_name("store.db.files")) == []


def test_a_lock_file_that_is_a_link_is_not_followed(path, victim):
    with open_store(path) as store:
        (store.directory("abc") / "lock").symlink_to(victim / "made")
        for use in every_use(store, "abc")[2:]:
            with pytest.raises((StorageError, ExperimentBusyError)):
                use()
    assert not (victim / "made").exists()


def test_folders_are_private_whatever_the_umask(tmp_path):
    previous = os.umask(0)
    try:
        with open_store(tmp_path / "new" / "store.db") as store:
            store.create_experiment(ExperimentRecord("abc"))
            folder = store.directory("abc")
            with store.lock("abc"):
                modes = {file: file.stat().st_mode & 0o777 for file in tmp_path.joinpath("new").rglob("*")}
    finally:
        os.umask(previous)
    assert {mode for file, mode in modes.items() if file.is_dir()} == {0o700}
    assert {mode for file, mode in modes.items() if file.is_file()} == {0o600}
    assert folder.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["trials", "supernet", "experiment.pickle"])
def test_a_link_in_the_folder_of_an_experiment_is_neither_written_to_nor_cleared(path, victim, name):
    (victim / "7").mkdir()  # looks like the folder of a trial that is not among the best
    before = sorted(os.walk(victim))
    with open_store(path) as store:
        (store.directory("abc") / name).symlink_to(victim)
        for use in (store.directory, store.trial_files):
            with pytest.raises(StorageError, match="symbolic link"):
                use("abc")
        assert sorted(os.walk(victim)) == before
        store.delete_experiment("abc")
    assert sorted(os.walk(victim)) == before
