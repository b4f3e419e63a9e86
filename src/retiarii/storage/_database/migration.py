"""Creation of the tables of a store, and migration from earlier versions.

A migration is one transaction: it renames the old tables, makes new ones, copies row by row, and drops the old ones. If
it is interrupted, even by ``kill -9``, the store is unchanged. `retiarii.storage._database.versions` defines the
changes of rows. Adding columns in place would put them behind the long texts, and every row must be rewritten anyway,
because its checksum covers the new columns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, insert, inspect, select, table, text, update

from retiarii.errors import StorageError
from retiarii.storage._artefacts import is_id
from retiarii.storage._database.versions import upgraded
from retiarii.storage._rows.schema import (
    METADATA,
    SCHEMA_VERSION,
    TRIALS,
    VERSION,
    check_tables,
    check_version,
    is_older,
    no_store,
    tables_of,
)

if TYPE_CHECKING:
    from alembic.operations import Operations

logger = logging.getLogger(__name__)

_CHUNK = 1000
_ASIDE = "old_"


def prepare(connection: Connection, where: str, *, create: bool, is_held: Callable[[str], bool]) -> None:
    """Make the tables in an empty database, or migrate existing ones to this version.

    Args:
        connection: In a transaction that no other process can interleave with.
        where: The name of the store in messages.
        create: Whether to make the tables where there are none.
        is_held: A function that returns whether a process is running an experiment.

    Raises:
        NotFoundError: There are no tables and ``create`` is false.
        CorruptStoreError: The tables have a later version, are incomplete, or belong to another program.
        StorageError: The store is of an earlier version, and an experiment in it is being run.
    """
    found = set(inspect(connection).get_table_names())
    if check_tables(found, where, shared=connection.dialect.name != "sqlite"):
        versions = [row.version for row in connection.execute(select(SCHEMA_VERSION.c.version))]
        if is_older(versions):
            _check_idle(connection, where, is_held)
            _upgrade(connection, versions[0], found, where)
        else:
            check_version(versions, found, where)
        return
    if not create:
        raise no_store(where)
    METADATA.create_all(connection)
    connection.execute(insert(SCHEMA_VERSION), [{"version": VERSION, "created": time.time()}])


def _upgrade(connection: Connection, version: int, found: set[str], where: str) -> None:
    kept = tables_of(version, found, where)
    logger.info("The store %s has the schema %d and is brought to %d.", where, version, VERSION)
    operations = _operations(connection)
    for index in TRIALS.indexes:
        operations.drop_index(str(index.name), table_name="trials", if_exists=True)
    for made in kept:
        operations.rename_table(made.name, f"{_ASIDE}{made.name}")
    METADATA.create_all(connection)
    for made in kept:
        _copy(connection, version, made.name)
    for made in reversed(kept):
        operations.drop_table(f"{_ASIDE}{made.name}")
    connection.execute(update(SCHEMA_VERSION).values(version=VERSION))


def _operations(connection: Connection) -> Operations:
    from alembic.migration import MigrationContext  # slow to import, and only migrations need it
    from alembic.operations import Operations

    return Operations(MigrationContext.configure(connection))


def _copy(connection: Connection, version: int, name: str) -> None:
    query = text(f"SELECT * FROM {_ASIDE}{name}")
    with connection.execute(query, execution_options={"stream_results": True}) as rows:
        for chunk in rows.mappings().partitions(_CHUNK):
            new = [upgraded(version, name, dict(row)) for row in chunk]
            untyped = table(name, *(column(key) for key in new[0]))  # a damaged value is copied as it is
            connection.execute(insert(untyped), new)


def _check_idle(connection: Connection, where: str, is_held: Callable[[str], bool]) -> None:
    """Refuse to migrate while a process of the earlier version uses the tables."""
    for experiment_id, pid, host in connection.execute(text("SELECT id, pid, host FROM experiments")):
        if is_id(experiment_id) and _is_run(experiment_id, is_held):
            raise StorageError(
                f"The store {where} was written by an earlier version of retiarii, and its experiment "
                f"{experiment_id!r} is being run by process {pid} on host {host!r}. Wait for its end, or stop it, then "
                "open the store again to bring it to this version."
            )


def _is_run(experiment_id: str, is_held: Callable[[str], bool]) -> bool:
    try:
        return is_held(experiment_id)
    except StorageError:  # its folder is a link: no process can have taken the lock
        return False
