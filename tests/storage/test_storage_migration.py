"""Stores of earlier versions, as these wrote them: ``schemas/`` has dumps."""

import contextlib
import json
import os
import re
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from retiarii.errors import CorruptStoreError, StorageError, StoreFullError
from retiarii.space import SearchSpace
from retiarii.storage import Intermediate, open_store
from retiarii.storage._rows.schema import VERSION
from retiarii.strategy import RegularizedEvolution
from retiarii.testing._shared_store import child
from retiarii.testing.records import DRAWING, EPOCH, RECORD, running, zoo
from retiarii.trial import Objectives, TrialState

SCHEMAS = Path(__file__).parent / "schemas"
OLD = range(1, VERSION)
TABLES = ["drawings", "epochs", "experiments", "intermediates", "schema_version", "trials"]
TRIALS = zoo()[:5]  # what the versions before 3 could hold


def loaded(path, name):
    """Make the store of a dump."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript((SCHEMAS / f"{name}.sql").read_text())
    return path


def content(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def check_content(store, version=2):
    record = store.get_experiment(RECORD.id)
    objectives = RECORD.objectives if version >= 3 else Objectives.of("minimize")
    assert (record.objectives, record.seed, record.tags) == (objectives, RECORD.seed, ())
    assert (record.config, record.space) == (RECORD.config, RECORD.space)
    trials = zoo() if version >= 3 else TRIALS
    assert store.list_trials(RECORD.id) == trials
    assert store.intermediates(RECORD.id, 1)[0] == Intermediate(1, 0, {"default": 1e-300}, 1_700_000_001.5)
    assert store.list_epochs(RECORD.id) == [EPOCH]
    assert store.find_damage() == []
    assert store.read_drawing(RECORD.id) is None
    store.write(RECORD.id, trials=[running(len(trials))])
    store.update_experiment(RECORD.id, tags=["old"])
    store.write_drawing(RECORD.id, {"nodes": []})
    assert store.count_trials(RECORD.id)[TrialState.RUNNING] == 2


@pytest.mark.parametrize("version", [*OLD, VERSION])
def test_there_is_a_dump_of_every_version_and_it_opens(tmp_path, version):
    path = loaded(tmp_path / "store.db", f"version_{version}")
    with open_store(path, create=False) as store:
        if version < VERSION:
            check_content(store, version)
        else:
            assert store.get_experiment(RECORD.id) == replace(RECORD, updated=store.get_experiment(RECORD.id).updated)
            assert store.list_trials(RECORD.id) == zoo()
            assert store.read_drawing(RECORD.id) == DRAWING
    tables = re.findall(r"CREATE TABLE \"?(\w+)", "\n".join(content(path)))
    assert tables == TABLES


def test_an_upgraded_store_has_the_tables_of_a_new_one(tmp_path):
    def layout(path):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
            return [(name, sql.replace('"', "")) for name, sql in found]

    open_store(tmp_path / "new.db").close()
    for version in OLD:
        path = loaded(tmp_path / f"{version}.db", f"version_{version}")
        open_store(path).close()
        assert layout(path) == layout(tmp_path / "new.db")


@pytest.mark.postgres
@pytest.mark.parametrize("version", [2, 3, VERSION])
def test_a_store_of_an_earlier_version_on_a_server_opens(postgresql, version):
    import psycopg

    with psycopg.connect(postgresql) as connection:
        connection.execute((SCHEMAS / f"version_{version}_postgresql.sql").read_text())
    with open_store(postgresql, create=False) as store:
        if version < VERSION:
            check_content(store, version)
        assert store.find_damage() == []
    with psycopg.connect(postgresql) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
    assert sorted(name for (name,) in names) == sorted(TABLES)


@pytest.mark.parametrize("version", [2, 3])
def test_the_search_in_a_store_of_an_earlier_version_goes_on_exactly(tmp_path, version):
    expected = json.loads((SCHEMAS / f"search_{version}.json").read_text())
    with open_store(loaded(tmp_path / "store.db", f"search_{version}")) as store:
        [record] = store.list_experiments()
        assert not store.is_running(record.id)
        log = store.load_log(record.id)
        assert [dict(proposal.architecture) for proposal in log.asked] == expected[: len(log.asked)]
        assert (len(log.told), len(log.pending)) == (25, 1)
        strategy = RegularizedEvolution(population_size=8, sample_size=3, cycles=len(expected))
        search = strategy.search(SearchSpace.from_json(record.space), seed=record.seed, objectives=record.objectives)
        search.replay(log.asked, log.told)
        proposals = [log.pending[0].proposal]
        while proposals:
            [proposal] = proposals
            rows, columns = proposal.architecture["rows"], proposal.architecture["columns"]
            trial = search.tell_metric(proposal, -((rows - 5) ** 2) - (columns - 3) ** 2)
            assert dict(proposal.architecture) == expected[trial.number]
            store.write(record.id, trials=[trial])
            proposals = [] if search.num_asked == len(expected) else search.ask(1)
        assert store.best_trials(record.id, 1)[0].number == search.best.number
        assert [dict(trial.architecture) for trial in store.list_trials(record.id)] == expected


# Interrupted upgrades


def upgrade_until(connection, path, statements):
    """Upgrade, and die by kill -9 before so many statements have run."""
    left = iter(range(statements))

    @event.listens_for(Engine, "before_cursor_execute")
    def count(*_):
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    open_store(path).close()
    connection.send("upgraded")


@pytest.mark.parametrize("version", [pytest.param(1, marks=pytest.mark.slow), *OLD[1:]])
def test_an_upgrade_that_is_killed_at_any_instant_leaves_the_old_store(tmp_path, version):
    path = loaded(tmp_path / "store.db", f"version_{version}")
    before = content(path)
    for statements in range(1000):
        with child(upgrade_until, path, statements) as (process, connection):
            process.join()
            if connection.poll():
                with contextlib.suppress(EOFError):
                    connection.recv()
                    break
        assert content(path) == before
    assert statements > 20
    with open_store(path) as store:
        check_content(store, version)


def test_an_upgrade_for_which_there_is_no_space_leaves_the_old_store(tmp_path):
    path = loaded(tmp_path / "store.db", "version_2")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE trials SET output = hex(zeroblob(200000))")
        connection.commit()
    before = content(path)

    def limit(connection, _record):
        connection.execute(f"PRAGMA max_page_count = {path.stat().st_size // 4096 + 100}")

    event.listen(Engine, "connect", limit)
    try:
        with pytest.raises(StoreFullError, match="no space left"):
            open_store(path)
    finally:
        event.remove(Engine, "connect", limit)
    assert content(path) == before
    open_store(path).close()
    assert content(path) != before


def test_a_store_of_an_earlier_version_that_is_in_use_is_left_alone(tmp_path):
    path = loaded(tmp_path / "store.db", "version_2")
    copy = loaded(tmp_path / "copy.db", "version_2")
    before = content(path)
    with open_store(copy) as owner, owner.lock(RECORD.id):
        copy.with_name("copy.db.files").rename(path.with_name("store.db.files"))  # the lock of the store
        with pytest.raises(StorageError, match=r"earlier version .* 'e-1.2_3' is being run by process 4194304"):
            open_store(path)
    assert content(path) == before
    with open_store(path) as store:
        check_content(store)


# Damage


@pytest.mark.parametrize(
    "change",
    [
        'UPDATE trials SET architecture = \'{"op":"conv","width":4}\' WHERE number = 3',
        "UPDATE trials SET metric = 0.99, metrics = '{\"default\":0.99}' WHERE number = 1",
        "UPDATE trials SET output = '' WHERE number = 2",
        "UPDATE trials SET output = '', traceback = NULL WHERE number = 2",
        "UPDATE trials SET output = 'x', texts_checksum = NULL WHERE number = 1",
        "UPDATE trials SET told_before = 'x' WHERE number = 2",
        "UPDATE intermediates SET metrics = '{\"default\":0.25}' WHERE step = 0",
        "UPDATE epochs SET time = 7.0",
        "UPDATE experiments SET direction = 'maximize'",
        "UPDATE experiments SET direction = x'ff'",
        "UPDATE experiments SET stop_requested = 7, seed = '1'",
        "UPDATE experiments SET checksum = NULL",
    ],
)
def test_what_was_damaged_stays_damaged(tmp_path, change):
    path = loaded(tmp_path / "store.db", "version_2")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(change)
        connection.commit()
    with open_store(path) as store:
        [found] = store.find_damage()
        assert found.experiment_id == RECORD.id
        assert "changed since it was written" in str(found)


def test_a_damaged_trial_is_not_among_the_best_after_an_upgrade(tmp_path):
    path = loaded(tmp_path / "store.db", "version_2")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE trials SET metric = 0.01 WHERE number = 1")
        connection.commit()
    with open_store(path) as store:
        for read in (store.list_trials, store.load_log, lambda experiment: store.best_trials(experiment, 1)):
            with pytest.raises(CorruptStoreError, match="row of trial 1 is damaged"):
                read(RECORD.id)
        assert store.get_trial(RECORD.id, 2) == TRIALS[2]


def test_a_table_of_another_program_with_a_name_that_the_upgrade_needs_is_left_alone(tmp_path):
    path = loaded(tmp_path / "store.db", "version_3")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE drawings (title TEXT)")
    with pytest.raises(CorruptStoreError, match=r"tables \['drawings'\] of another program"):
        open_store(path)
    assert "CREATE TABLE drawings (title TEXT);" in content(path)


def test_a_store_that_lacks_a_table_of_its_version_is_incomplete(tmp_path):
    path = loaded(tmp_path / "store.db", f"version_{VERSION}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE drawings")
    with pytest.raises(CorruptStoreError, match=r"lacks the tables \['drawings'\]"):
        open_store(path)


def test_a_store_that_cannot_be_upgraded_is_left_alone(tmp_path):
    path = loaded(tmp_path / "store.db", "version_2")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE trials SET output = CAST(x'ff' AS TEXT) WHERE number = 2")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(CorruptStoreError, match=r"damaged.*\.recover"):
        open_store(path)
    assert path.read_bytes() == before
