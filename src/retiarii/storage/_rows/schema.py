"""The tables of a store, and the check that existing tables are those of a store.

`VERSION` changes with the tables. A change brings a migration from every earlier version, and a dump of a store of
the earlier version among the tests.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

from retiarii.errors import CorruptStoreError, NotFoundError

VERSION = 4

METADATA = MetaData()

SCHEMA_VERSION = Table(
    "schema_version",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("created", Double, nullable=False),
)

EXPERIMENTS = Table(
    "experiments",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("objectives", Text, nullable=False),  # pairs of metric and direction
    Column("seed", Text, nullable=False),  # text: seeds reach 2**64, integers of databases 2**63
    Column("strategy", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Column("pid", BigInteger),
    Column("host", Text),
    Column("version", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("stop_requested", Boolean, nullable=False),
    Column("tags", Text, nullable=False),  # a list of texts
    Column("config", Text, nullable=False),
    Column("space", Text, nullable=False),
    Column("checksum", BigInteger),  # of all other columns, as in the tables below
)

# The long texts come last: SQLite stores them on separate pages, which a query for the other columns does not read.
TRIALS = Table(
    "trials",
    METADATA,
    Column("experiment_id", Text, ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("metric", Double),  # the first objective where it is finite: what trials are ranked by
    Column("told_before", Integer, nullable=False),
    Column("finish_order", Integer),
    Column("started", Double),
    Column("ended", Double),
    Column("device", Text),
    Column("fidelity", Text),  # NULL where the evaluator decides
    Column("parent", Integer),
    Column("violation", Double, nullable=False),  # of constraints on metrics, 0 for none
    Column("key", Text, nullable=False),  # the hash of the architecture
    Column("checksum", BigInteger),  # of all columns but the last three
    Column("architecture", Text, nullable=False),
    Column("metrics", Text),
    Column("failure_kind", Text),
    Column("failure_message", Text),
    Column("reason", Text),  # why it was pruned
    Column("traceback", Text),
    Column("output", Text, nullable=False),
    Column("texts_checksum", BigInteger),  # of traceback and output; NULL where there are none
    Index("trials_by_state", "experiment_id", "state", "violation", "metric"),
    Index("trials_by_end", "experiment_id", "finish_order"),
)

INTERMEDIATES = Table(
    "intermediates",
    METADATA,
    Column("experiment_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("time", Double, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("checksum", BigInteger),
    ForeignKeyConstraint(["experiment_id", "number"], ["trials.experiment_id", "trials.number"], ondelete="CASCADE"),
    sqlite_with_rowid=False,  # small rows that are only read in the order of the key
)

# The state of a one-shot search after each epoch of its supernet.
EPOCHS = Table(
    "epochs",
    METADATA,
    Column("experiment_id", Text, ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("time", Double, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("checksum", BigInteger),
)

# The drawing of the model with its choices, of which there is at most one for each experiment.
DRAWINGS = Table(
    "drawings",
    METADATA,
    Column("experiment_id", Text, ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True),
    Column("drawing", Text, nullable=False),
    Column("checksum", BigInteger),
)

TABLES_OF_ROWS = (EXPERIMENTS, TRIALS, INTERMEDIATES, EPOCHS, DRAWINGS)  # those with checksums; parents first

_ADDED_IN = {"drawings": 4}
"""The versions that added a table after the first version."""


def no_store(where: str) -> NotFoundError:
    """Return the error for a location without a store."""
    return NotFoundError(
        f"There is no store at {where}: no experiment has been run there yet. Check `storage=` (`--storage`) and the "
        "environment variables RETIARII_STORAGE and RETIARII_HOME."
    )


def check_tables(found: set[str], where: str, *, shared: bool) -> bool:
    """Return whether the tables of a store exist.

    Args:
        found: The names of all tables of the database.
        where: The name of the store in messages.
        shared: Whether the database may have tables of other programs, too.

    Raises:
        CorruptStoreError: Only some of the tables exist, or a file has only tables of another program.
    """
    ours = set(METADATA.tables)
    if ours - set(_ADDED_IN) <= found:  # `check_version` looks for those of later versions
        return True
    if ours & found or (found and not shared):
        raise CorruptStoreError(
            f"{where} is a database of another program, or an incomplete store: it has the tables {sorted(found)}, "
            f"expected {sorted(ours)}. It was left as it is; name another place with `storage=` (`--storage`)."
        )
    return False


def tables_of(version: int, found: set[str], where: str) -> list[Table]:
    """Return the tables of rows that an earlier version has, parents first.

    Args:
        version: The version.
        found: The names of all tables of the database.
        where: The name of the store in messages.

    Raises:
        CorruptStoreError: A table of another program has the name of a table that a later version adds.
    """
    taken = sorted(name for name, added in _ADDED_IN.items() if added > version and name in found)
    if taken:
        raise CorruptStoreError(
            f"{where} cannot be brought to the schema {VERSION}: it has tables {taken} of another program, whose names "
            "this schema needs. Rename them."
        )
    return [table for table in TABLES_OF_ROWS if _ADDED_IN.get(table.name, 1) <= version]


def is_older(versions: list[int]) -> bool:
    """Return whether a store has an earlier version, which `prepare` migrates."""
    return len(versions) == 1 and isinstance(versions[0], int) and 1 <= versions[0] < VERSION


def check_version(versions: list[int], found: set[str], where: str) -> None:
    """Check the content of the table of versions, and that the tables of this version exist.

    Args:
        versions: The versions in the table.
        found: The names of all tables of the database.
        where: The name of the store in messages.

    Raises:
        CorruptStoreError: The version is not the one that this code reads, or a table is missing.
    """
    if versions == [VERSION]:
        missing = sorted(set(METADATA.tables) - found)
        if missing:
            raise CorruptStoreError(
                f"{where} is an incomplete store: it lacks the tables {missing}. Restore it from a copy, or name "
                "another place with `storage=` (`--storage`)."
            )
        return
    if len(versions) == 1 and isinstance(versions[0], int) and versions[0] > VERSION:
        raise CorruptStoreError(
            f"{where} was written by a newer retiarii: its schema has version {versions[0]}, this retiarii reads "
            f"version {VERSION}. Upgrade with `pip install --upgrade retiarii`."
        )
    raise CorruptStoreError(
        f"{where} does not say which schema it has: expected one row with the version {VERSION}, found {versions}. "
        "It is damaged or not a store of retiarii; restore it from a copy, or name another place with `storage=`."
    )
