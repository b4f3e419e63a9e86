"""The tables of a store: made where there are none, and brought from earlier versions to the one of today.

Version 1 had no checksums: its rows get theirs as they are found.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Column, Connection, Table, insert, inspect, select, text, update

from retiarii.storage._rows import CHECKSUMS
from retiarii.storage._schema import (
    METADATA,
    SCHEMA_VERSION,
    TABLES_OF_ROWS,
    VERSION,
    check_tables,
    check_version,
    is_older,
    no_store,
)


def prepare(connection: Connection, where: str, *, create: bool) -> None:
    """Make the tables in an empty database, or bring those that are there to this version.

    Args:
        connection: In a transaction that no other process can interleave with.
        where: What messages call the store.
        create: Whether to make the tables where there are none.

    Raises:
        NotFoundError: There are no tables and ``create`` is false.
        CorruptStoreError: The tables found are of a later version, incomplete, or not ours.
    """
    found = set(inspect(connection).get_table_names())
    if check_tables(found, where, shared=connection.dialect.name != "sqlite"):
        versions = [row.version for row in connection.execute(select(SCHEMA_VERSION.c.version))]
        if is_older(versions):
            _upgrade(connection)
        else:
            check_version(versions, where)
        return
    if not create:
        raise no_store(where)
    METADATA.create_all(connection)
    connection.execute(insert(SCHEMA_VERSION), [{"version": VERSION, "created": time.time()}])


def _upgrade(connection: Connection) -> None:
    for table in TABLES_OF_ROWS:
        for column in table.columns:
            if column.name.endswith("checksum"):
                connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {column.name} BIGINT"))
        _fill(connection, table)
    connection.execute(update(SCHEMA_VERSION).values(version=VERSION))


def _fill(connection: Connection, table: Table) -> None:
    key: list[Column[Any]] = list(table.primary_key)
    for values in connection.execute(select(*key)).all():
        is_this = [column == value for column, value in zip(key, values, strict=True)]
        row = dict(connection.execute(select(table).where(*is_this)).mappings().one())
        connection.execute(update(table).where(*is_this).values(CHECKSUMS[table.name](row)))
