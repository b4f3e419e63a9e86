"""Writes ``version_N.sql`` for the schema of today; run it once, when the version changes, and keep what it wrote."""

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from retiarii.storage import Intermediate, open_store
from retiarii.storage._schema import VERSION
from retiarii.testing.records import EPOCH, RECORD, zoo


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        with open_store(path) as store:
            store.create_experiment(RECORD)
            store.write(RECORD.id, trials=[replace(trial, intermediates=()) for trial in zoo()])
            reports = [
                Intermediate(trial.number, step, metrics, 1_700_000_001.5 + step)
                for trial in zoo()
                for step, metrics in enumerate(trial.intermediates)
            ]
            store.write(RECORD.id, intermediates=reports)
            store.write_epoch(RECORD.id, EPOCH)
        with closing(sqlite3.connect(path)) as connection:
            dump = "\n".join(connection.iterdump()) + "\n"
    Path(__file__).with_name(f"version_{VERSION}.sql").write_text(dump)


if __name__ == "__main__":
    main()
