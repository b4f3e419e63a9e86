"""Stores on media that cannot be written, and locks that several users and machines see."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from retiarii.errors import CorruptStoreError, ExperimentBusyError, StorageError
from retiarii.storage import ExperimentRecord, _filelock, open_store
from retiarii.testing._shared_store import child
from retiarii.testing.records import completed

needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become another user"
)
NOBODY = 65534


@pytest.fixture
def tmp_path():
    """A folder that every user may enter; pytest closes its own again whenever it is started anew."""
    with tempfile.TemporaryDirectory(prefix="retiarii-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "place" / "store.db"
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
        store.write("first", trials=[completed(0)])
        store.directory("first")
    return path


def look(connection, path):
    """Read everything, and try to write."""
    with open_store(path, create=False) as store:
        found = len(store.list_trials("first")), len(store.list_experiments()), store.is_running("first")
        with pytest.raises(StorageError, match="writable for this user"):
            store.write("first", trials=[completed(1)])
        with pytest.raises(StorageError), store.lock("first"):
            pass
    connection.send(found)


def look_as_nobody(connection, path):
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    look(connection, path)


@needs_root
def test_a_store_in_a_folder_that_cannot_be_written_is_read(path):
    path.parent.chmod(0o755)
    path.chmod(0o644)
    with child(look_as_nobody, path) as (_, connection):
        assert connection.recv() == (1, 1, False)
    assert sorted(os.listdir(path.parent)) == ["store.db", "store.db.files"]


@needs_root
def test_a_store_is_private_until_its_owner_opens_it(path):
    def fail(connection):
        os.setuid(NOBODY)
        with pytest.raises(StorageError) as caught:
            open_store(path, create=False)
        connection.send(str(caught.value))

    with child(fail) as (_, connection):
        assert "cannot be" in connection.recv()


def test_a_store_on_a_read_only_medium_is_read(path, tmp_path):
    medium = tmp_path / "medium"
    shutil.copytree(path.parent, medium)
    mounts = [["mount", "--bind", medium, medium], ["mount", "-o", "remount,ro,bind", medium]]
    if any(subprocess.run(mount, capture_output=True, check=False).returncode for mount in mounts):
        subprocess.run(["umount", medium], capture_output=True, check=False)
        pytest.skip("needs the right to mount a folder read-only")
    try:
        with child(look, medium / "store.db") as (_, connection):
            assert connection.recv() == (1, 1, False)
    finally:
        subprocess.run(["umount", medium], check=True)


@needs_root
def test_changes_in_a_log_that_cannot_be_read_are_not_left_out(path):
    copy = path.parent.parent / "copy"
    with open_store(path) as store:
        store.write("first", trials=[completed(1)])
        copy.mkdir(mode=0o755)
        for name in ("store.db", "store.db-wal"):  # as after a crash, without the index of the log
            shutil.copy(path.with_name(name), copy / name)
            (copy / name).chmod(0o644)

    def fail(connection):
        os.setuid(NOBODY)
        with pytest.raises(StorageError) as caught:
            open_store(copy / "store.db", create=False)
        connection.send(str(caught.value))

    with child(fail) as (_, connection):
        assert "last changes are in store.db-wal" in connection.recv()


# Locks


@needs_root
def test_a_reader_cannot_hold_the_lock(path):
    """Whoever may read the store, but is not its owner, can neither open nor take the lock."""
    lock = path.with_name("store.db.files") / "first" / "lock"
    with open_store(path) as store:
        with store.lock("first"):
            assert lock.stat().st_mode & 0o777 == 0o600
        lock.chmod(0o666)  # of a version that made them so
        with store.lock("first"):
            assert lock.stat().st_mode & 0o777 == 0o600
        path.parent.chmod(0o755)
        lock.parent.parent.chmod(0o755)
        lock.parent.chmod(0o755)

        def take(connection):
            os.setuid(NOBODY)
            with pytest.raises(PermissionError):
                os.open(lock, os.O_RDONLY)
            connection.send("refused")

        with child(take) as (_, connection):
            assert connection.recv() == "refused"


@pytest.fixture
def shared_disk(monkeypatch):
    """The disk counts as one that other machines may use."""
    monkeypatch.setattr(_filelock, "is_shared_disk", lambda path: True)
    monkeypatch.setattr(_filelock, "HEARTBEAT_S", 0.05)


def test_disks_of_this_machine_are_recognised(tmp_path):
    kinds = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True).stdout.strip()
    if kinds in ("tmpfs", "ext2/ext3", "overlayfs", "xfs", "btrfs"):
        assert not _filelock.is_shared_disk(tmp_path)


def test_an_experiment_that_another_machine_runs_is_not_run_twice(path, shared_disk, monkeypatch):
    lock = path.with_name("store.db.files") / "first" / "lock"
    lock.write_text("another machine")  # its lock does not reach this one
    with open_store(path) as store:
        assert store.is_running("first")
        with pytest.raises(ExperimentBusyError), store.lock("first"):
            pass
        with pytest.raises(ExperimentBusyError):
            store.delete_experiment("first")
        long_ago = time.time() - _filelock.SILENT_S - 1
        os.utime(lock, (long_ago, long_ago))
        assert not store.is_running("first")
        with store.lock("first"):
            assert lock.read_text() == _filelock.this_machine()
        assert lock.read_text() == ""


def test_the_owner_of_a_lock_shows_that_it_lives(path, shared_disk):
    lock = path.with_name("store.db.files") / "first" / "lock"
    with open_store(path) as store, store.lock("first"):
        os.utime(lock, (1.0, 1.0))
        deadline = time.monotonic() + 30
        while lock.stat().st_mtime == 1.0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert lock.stat().st_mtime > 1.0


def test_a_machine_that_was_silent_leaves_the_lock_of_its_successor_alone(path, shared_disk):
    lock = path.with_name("store.db.files") / "first" / "lock"
    with open_store(path) as store:
        with store.lock("first"):
            lock.write_text("another machine")
        assert lock.read_text() == "another machine"
        assert store.is_running("first")


def test_a_killed_process_of_this_machine_is_not_waited_for(path, shared_disk):
    lock = path.with_name("store.db.files") / "first" / "lock"
    lock.write_text(_filelock.this_machine())
    with open_store(path) as store, store.lock("first"):
        assert store.get_experiment("first").host == socket.gethostname()


def test_folders_are_no_stores(tmp_path):
    with pytest.raises((StorageError, CorruptStoreError), match="folder"):
        open_store(tmp_path)
