import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from retiarii.storage import Intermediate, open_store
from retiarii.testing.records import EPOCH, RECORD, running, zoo

DUMPS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_a_store_of_every_schema_opens(tmp_path, dump):
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.executescript(dump.read_text())
    connection.close()
    with open_store(tmp_path / "store.db", create=False) as store:
        assert store.get_experiment(RECORD.id).space == RECORD.space
        assert store.list_trials(RECORD.id) == zoo()
        assert store.intermediates(RECORD.id, 1)[0] == Intermediate(1, 0, {"default": 1e-300}, 1_700_000_001.5)
        assert store.list_epochs(RECORD.id) == [EPOCH]
        store.write(RECORD.id, trials=[running(5)])


def test_there_is_a_dump_of_every_schema():
    from retiarii.storage._schema import VERSION

    assert [dump.stem for dump in DUMPS] == [f"version_{number}" for number in range(1, VERSION + 1)]


def test_the_room_does_not_import_torch():
    code = "import sys, retiarii.storage; assert 'torch' not in sys.modules and 'psycopg' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
