"""Writes ``version_N.sql``, and ``version_N_postgresql.sql`` if the URL of an empty database is given.

Run it once when the schema changes, with the code of that version, and keep what it wrote.
"""

import re
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from retiarii.storage import Intermediate, open_store
from retiarii.storage._rows.schema import VERSION
from retiarii.testing.records import DRAWING, EPOCH, RECORD, zoo

# Lines of pg_dump that are no statements, or that would change how our own connection behaves.
NOISE = re.compile(r"(--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict).*\n|\n(?=\n)|public\.")


def fill(storage):
    with open_store(storage) as store:
        store.create_experiment(RECORD)
        store.write(RECORD.id, trials=[replace(trial, intermediates=()) for trial in zoo()])
        reports = [
            Intermediate(trial.number, step, metrics, 1_700_000_001.5 + step)
            for trial in zoo()
            for step, metrics in enumerate(trial.intermediates)
        ]
        store.write(RECORD.id, intermediates=reports)
        store.write_epoch(RECORD.id, EPOCH)
        store.write_drawing(RECORD.id, DRAWING)


def main(url=None):
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        fill(path)
        with closing(sqlite3.connect(path)) as connection:
            dump = "\n".join(connection.iterdump()) + "\n"
        here.joinpath(f"version_{VERSION}.sql").write_text(re.sub(r"\bInf\b(?=,)", "9e999", dump))
    if url is not None:
        fill(url)
        command = ["pg_dump", "--inserts", "--no-owner", "--no-acl", url]
        dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        here.joinpath(f"version_{VERSION}_postgresql.sql").write_text(NOISE.sub("", dump).lstrip())


if __name__ == "__main__":
    main(*sys.argv[1:])
