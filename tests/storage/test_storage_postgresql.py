import pytest

from retiarii.errors import CorruptStoreError, StorageError
from retiarii.storage import ExperimentRecord, open_store
from retiarii.testing.records import completed, running

pytestmark = pytest.mark.postgres


@pytest.fixture
def execute(postgresql):
    """Run a statement beside the store, in its schema."""
    import psycopg

    with psycopg.connect(postgresql, autocommit=True) as connection:
        yield (
            lambda statement: (
                connection.execute(statement).fetchall() if "SELECT" in statement else connection.execute(statement)
            )
        )


def test_a_server_that_cannot_be_reached_is_named(postgresql_server):
    with pytest.raises(StorageError, match=r"postgresql://127.0.0.1:1/db.*server runs"):
        open_store("postgresql://127.0.0.1:1/db")


def test_tables_of_others_may_stand_beside_ours(postgresql, execute):
    execute("CREATE TABLE bookmarks (title TEXT)")
    with open_store(postgresql) as store:
        store.create_experiment(ExperimentRecord("first"))


def test_a_table_of_another_program_that_has_our_name_is_left_alone(postgresql, execute):
    execute("CREATE TABLE experiments (title TEXT)")
    with pytest.raises(CorruptStoreError, match="another program"):
        open_store(postgresql)


def test_a_newer_schema_is_left_alone(postgresql, execute):
    open_store(postgresql).close()
    execute("UPDATE schema_version SET version = 7")
    with pytest.raises(CorruptStoreError, match="newer retiarii"):
        open_store(postgresql)


def test_a_lost_connection_is_replaced(postgresql, execute):
    with open_store(postgresql) as store:
        store.create_experiment(ExperimentRecord("first"))
        store.write("first", trials=[running(0)])
        execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'retiarii'")
        store.write("first", trials=[completed(0)])
        assert store.list_trials("first") == [completed(0)]


def test_a_lock_that_is_given_back_is_free_at_once(postgresql):
    with open_store(postgresql) as store:
        store.create_experiment(ExperimentRecord("first"))
        for _ in range(200):
            with store.lock("first"):
                pass
            assert not store.is_running("first")


def test_a_lock_ends_with_its_connection(postgresql, execute):
    with open_store(postgresql) as store:
        store.create_experiment(ExperimentRecord("first"))
        with store.lock("first"):
            execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'retiarii'")
            assert not store.is_running("first")
