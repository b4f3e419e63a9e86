"""The SQLite file of NDS: its tables, and the rows in them.

A configuration has one row, and each of its trainings has one. The curves over epochs are rarely read: they are
compressed in a table of their own.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from retiarii.benchmarks._tables.curve_blobs import packed_curves
from retiarii.benchmarks._tables.table_file import TableFile
from retiarii.benchmarks.nds._nds_published import PublishedTraining
from retiarii.benchmarks.nds._nds_records import STATISTICS

CONFIG_COLUMNS = (
    "model_family",
    "model_spec",
    "cell_spec",
    "dataset",
    "generator",
    "proposer",
    "base_lr",
    "weight_decay",
    "num_epochs",
)


def _has_parts(text: str, parts: str) -> bool:
    """Return whether a spec has all parts, both as canonical JSON; for SQLite."""
    spec = json.loads(text)
    return all(key in spec and spec[key] == value for key, value in json.loads(parts).items())


NDS_FILE = TableFile(
    name="nds",
    title="NDS",
    application_id=0x6E647331,  # "nds1"
    version=1,
    schema=f"""
CREATE TABLE sweeps (name TEXT PRIMARY KEY, num_trials INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE configs (
  id INTEGER PRIMARY KEY, model_family TEXT NOT NULL, model_spec TEXT NOT NULL, cell_spec TEXT NOT NULL,
  dataset TEXT NOT NULL, generator TEXT NOT NULL, proposer TEXT NOT NULL, base_lr REAL NOT NULL,
  weight_decay REAL NOT NULL, num_epochs INTEGER NOT NULL, digest BLOB NOT NULL UNIQUE
);
CREATE INDEX configs_by_sweep ON configs (proposer, dataset, generator);
CREATE INDEX configs_by_model ON configs (model_spec);
CREATE INDEX configs_by_cell ON configs (cell_spec);
CREATE TABLE curves (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE trials (
  id INTEGER PRIMARY KEY, config INTEGER NOT NULL REFERENCES configs (id), seed INTEGER NOT NULL,
  {", ".join(f"{name} REAL" for name in STATISTICS)}
);
CREATE INDEX trials_by_config ON trials (config)
""",
    count="SELECT COUNT(*) FROM sweeps",
    functions=(("has_parts", _has_parts),),
)
"""The file of the table. A trial has the number of its curves."""

_INSERT_CONFIG = f"INSERT INTO configs ({', '.join(CONFIG_COLUMNS)}, digest) VALUES ({', '.join('?' * 10)})"
_INSERT_TRIAL = f"INSERT INTO trials VALUES ({', '.join('?' * (3 + len(STATISTICS)))})"


def add_sweep(connection: sqlite3.Connection, name: str, trainings: Iterable[PublishedTraining]) -> None:
    """Write the trainings of a sweep, in one transaction."""
    with connection:
        count = 0
        for training in trainings:
            config = _number_of_config(connection, training.config)
            row = connection.execute(
                "INSERT INTO curves (data) VALUES (?)", (packed_curves(training.curves),)
            ).lastrowid
            connection.execute(_INSERT_TRIAL, (row, config, training.seed, *training.statistics))
            count += 1
        connection.execute("INSERT INTO sweeps VALUES (?, ?)", (name, count))


def sweeps_in(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the sweeps that are there, and how many trainings each has."""
    return dict(connection.execute("SELECT name, num_trials FROM sweeps"))


def _number_of_config(connection: sqlite3.Connection, config: dict[str, Any]) -> int:
    values = [config[name] for name in CONFIG_COLUMNS]
    digest = hashlib.blake2b(json.dumps(values).encode(), digest_size=16).digest()
    found = connection.execute("SELECT id FROM configs WHERE digest = ?", (digest,)).fetchone()
    if found is None:
        return int(connection.execute(_INSERT_CONFIG, (*values, digest)).lastrowid or 0)
    return int(found[0])
