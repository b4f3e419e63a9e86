import contextlib
import hashlib
import itertools
import os
import random
import re
import shutil
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from retiarii.errors import CorruptStoreError, NotFoundError, StorageError, StoreFullError
from retiarii.storage import ExperimentRecord, Intermediate, open_store
from retiarii.storage._database import sqlite as sqlite_backend
from retiarii.testing._shared_store import child
from retiarii.testing.records import completed, running
from retiarii.trial import TrialState


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.db"


@pytest.fixture
def filled(path):
    """A closed store with 300 trials."""
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first", space={"choices": []}))
        reports = [Intermediate(number, 0, {"default": 0.1}) for number in range(300)]
        store.write("first", trials=[completed(number) for number in range(300)], intermediates=reports)
    return path


def fingerprint(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def use_everything(path):
    with open_store(path, create=False) as store:
        for record in store.list_experiments():
            with store.lock(record.id):
                store.load_log(record.id)
            store.list_trials(record.id)
            store.count_trials(record.id)
            store.best_trials(record.id, 5)
            store.failure_reasons(record.id)
            store.intermediates(record.id, 7)
            store.write(record.id, trials=[running(300)])


# What is found at the place


@pytest.mark.parametrize("content", [b"x", b"just some text\n" * 100, bytes(range(256)) * 40, b"\0" * 8192])
def test_a_file_that_is_no_database_is_left_alone(path, content):
    path.write_bytes(content)
    for create in (True, False):
        with pytest.raises(CorruptStoreError, match=r"(not an SQLite database|another program).*`--storage`"):
            open_store(path, create=create)
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["store.db"]


@pytest.mark.parametrize("table", ["bookmarks", "experiments", "schema_version"])
def test_a_database_of_another_program_is_left_alone(path, table):
    with sqlite3.connect(path) as foreign:
        foreign.execute(f"CREATE TABLE {table} (version INTEGER)")
        foreign.execute(f"INSERT INTO {table} VALUES (1)")
    foreign.close()
    before = fingerprint(path)
    with pytest.raises(CorruptStoreError, match=f"another program.*{table}"):
        open_store(path)
    assert fingerprint(path) == before
    assert os.listdir(path.parent) == ["store.db"]


def test_an_empty_file_becomes_a_store(path):
    path.touch()
    with pytest.raises(NotFoundError, match="no store"):
        open_store(path, create=False)
    open_store(path).close()
    open_store(path, create=False).close()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("UPDATE schema_version SET version = 7", r"newer retiarii.*version 7.*pip install --upgrade"),
        ("UPDATE schema_version SET version = 0", r"found \[0\]"),
        ("UPDATE schema_version SET version = -1", r"found \[-1\]"),
        ("DELETE FROM schema_version", r"found \[\]"),
        ("INSERT INTO schema_version VALUES (1, 0.0)", r"found \[1, 4\]"),
        ("DROP TABLE intermediates", "incomplete store"),
    ],
)
def test_an_unknown_schema_is_left_alone(filled, change, complaint):
    with sqlite3.connect(filled) as connection:
        connection.execute(change)
    connection.close()
    before = fingerprint(filled)
    with pytest.raises(CorruptStoreError, match=complaint):
        open_store(filled)
    assert fingerprint(filled) == before


@pytest.mark.parametrize("kept", [1, 100, 4096, 4097, 0.5, 0.99])
def test_a_truncated_store_is_recognised(filled, kept):
    size = kept if isinstance(kept, int) else int(filled.stat().st_size * kept)
    os.truncate(filled, size)
    with pytest.raises(CorruptStoreError, match=r"damaged.*\.recover"):
        use_everything(filled)
    assert filled.stat().st_size == size


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bits_end_in_a_deliberate_error_or_in_none(filled, seed):
    rng = random.Random(seed)
    content = bytearray(filled.read_bytes())
    for _ in range(rng.choice([1, 10, 200])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    filled.write_bytes(content)
    with contextlib.suppress(StorageError):  # nothing else may come out
        use_everything(filled)


def test_a_damaged_page_is_found_before_a_search_goes_on(filled):
    with sqlite3.connect(filled) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trials_by_state'").fetchone()
    connection.close()
    content = bytearray(filled.read_bytes())
    content[4096 * (page - 1) : 4096 * page] = bytes(4096)
    filled.write_bytes(content)
    with open_store(filled) as store, pytest.raises(CorruptStoreError, match="damaged"), store.lock("first"):
        pass


@pytest.mark.parametrize(
    "change",
    [
        """architecture = '{"op":"conv","width":4}'""",  # not what the hash is of
        "architecture = '[]'",
        "state = 'sleeping'",
        'metrics = \'{"default":"high"}\'',
        "metrics = '{'",
        "metrics = 3",
        "failure_kind = 'bored'",
    ],
)
def test_a_row_that_makes_no_sense_is_named(filled, change):
    with sqlite3.connect(filled) as connection:
        connection.execute(f"UPDATE trials SET {change} WHERE number = 5")
    connection.close()
    with open_store(filled) as store:
        with pytest.raises(CorruptStoreError, match="row of trial 5 is damaged"):
            store.load_log("first")
        assert store.get_trial("first", 6) == completed(6).evolve(intermediates=({"default": 0.1},))


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"store\.db cannot be made or read"):
        open_store(tmp_path / "file" / "store.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="cannot be used"):
        open_store(tmp_path / "folder")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become another user")
def test_a_store_of_another_user_is_not_usable(filled):
    for folder in filled.parents:
        if folder.stat().st_uid == os.getuid() and not folder.stat().st_mode & 0o005:  # pytest's folders are private
            folder.chmod(0o755)

    def write_as_nobody(connection):
        os.setuid(65534)
        with pytest.raises(StorageError) as caught, open_store(filled) as store:
            store.create_experiment(ExperimentRecord("second"))
        connection.send(str(caught.value))

    with child(write_as_nobody) as (_, connection):
        assert "writable for this user" in connection.recv()


# Full disks


def test_a_full_disk_leaves_nothing_half_written(path):
    def limit(connection, _record):
        connection.execute("PRAGMA max_page_count = 60")

    event.listen(Engine, "connect", limit)
    try:
        with open_store(path) as store:
            store.create_experiment(ExperimentRecord("first"))
            written = fill(store)
            assert store.list_trials("first") == [completed(number) for number in range(written)]
            with pytest.raises(StoreFullError, match="no space left"):
                store.create_experiment(ExperimentRecord("second", config={"long": "x" * 10**6}))
            assert [record.id for record in store.list_experiments()] == ["first"]
    finally:
        event.remove(Engine, "connect", limit)
    with open_store(path) as store:  # there is space again
        store.write("first", trials=[completed(written)])
        assert len(store.list_trials("first")) == written + 1


def test_a_really_full_disk_leaves_nothing_half_written(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a small tmpfs")
    try:
        ballast = place / "ballast"
        ballast.write_bytes(bytes(150_000))
        with open_store(place / "store.db") as store:
            store.create_experiment(ExperimentRecord("first"))
            written = fill(store)
            ballast.unlink()
            store.write("first", trials=[completed(written)])
            assert store.list_trials("first") == [completed(number) for number in range(written + 1)]
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(store):
    """Write until the disk is full; return the number of trials that were committed."""
    for written in itertools.count(step=2):
        try:
            store.write("first", trials=[completed(written), completed(written + 1)])
        except StoreFullError as err:
            message = str(err)
            break
    assert re.search("no space left .* resume", message)
    return written


# Readers and writers


def test_the_log_of_writes_stays_small_though_somebody_always_reads(path):
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
        end, wanted, done = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)

        def read_in_turns():
            with contextlib.closing(connect(path)) as one, contextlib.closing(connect(path)) as other:
                begin_reading(one)
                while not end.is_set():
                    is_wanted = wanted.acquire(timeout=0.02)  # goes on too while the writer waits for readers
                    begin_reading(other)
                    one.execute("COMMIT")
                    one, other = other, one
                    if is_wanted:
                        done.release()

        def take_turns():
            wanted.release()
            done.acquire()

        thread = threading.Thread(target=read_in_turns)
        thread.start()
        try:
            largest = write_megabytes(store, 60, take_turns)
        finally:
            end.set()
            thread.join()
    assert largest < 20


def test_a_reader_that_never_ends_is_not_waited_for_at_every_write(path, monkeypatch):
    monkeypatch.setattr(sqlite_backend, "_PATIENCE_WITH_READERS_MS", 1)
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
        with contextlib.closing(connect(path)) as reader:
            begin_reading(reader)
            assert write_megabytes(store, 40) > 35
            assert reader.execute("SELECT count(*) FROM trials").fetchone() == (0,)  # it sees what it saw
        assert write_megabytes(store, 20) > 35
        write_megabytes(store, 20)
        assert path.with_name("store.db-wal").stat().st_size < 20e6


def connect(path):
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def begin_reading(connection):
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM trials").fetchone()


def write_megabytes(store, count, after_each=lambda: None):
    """Write so much; return the megabytes that the log had at most."""
    log = Path(f"{store.where}-wal")
    sizes = []
    for number in range(count * 5):  # SQLite writes what changes
        store.write("first", trials=[completed(number % 20).evolve(output=f"{number:04}" * 50_000)])
        sizes.append(log.stat().st_size / 1e6)
        after_each()
    return max(sizes)


def test_what_people_look_at_while_a_search_runs_does_not_read_all_its_trials(path):
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
        trials = [completed(number, number % 997 / 997).evolve(violation=float(number % 2)) for number in range(20_000)]
        store.write("first", trials=[*trials, running(20_000)])
    steps = []

    def count(connection, _record):
        connection.set_progress_handler(lambda: steps.append(100), 100)

    event.listen(Engine, "connect", count)
    try:
        with open_store(path) as store:
            for look in (
                lambda: store.list_trials("first", states=[TrialState.RUNNING]) == [running(20_000)],
                lambda: len(store.best_trials("first", 10)) == 10,
                lambda: len(store.list_trials("first", after=9_000, limit=50)) == 50,
                lambda: store.get_trial("first", 15_000) == trials[15_000],
            ):
                steps.clear()
                assert look()
                assert sum(steps) < 10_000  # instructions of SQLite; it needs more than one for each row that it reads
    finally:
        event.remove(Engine, "connect", count)


def test_a_writer_gives_up_on_a_store_that_stays_locked(path, monkeypatch):
    monkeypatch.setattr(sqlite_backend, "_TIMEOUT_S", 0.05)
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked by another process"):
            store.write("first", trials=[running(0)])
        assert store.list_trials("first") == []  # readers do not wait
        other.execute("COMMIT")
        other.close()
        store.write("first", trials=[running(0)])
        assert store.list_trials("first") == [running(0)]


def test_a_closed_store_leaves_one_file(path):
    with open_store(path) as store:
        store.create_experiment(ExperimentRecord("first"))
        store.write("first", trials=[running(0)])
        store.close()
    assert os.listdir(path.parent) == ["store.db"]
