"""Queries that read trials as rows of values, without making `Trial` objects; for tables of all trials."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Select, select

from retiarii.storage._database.log_queries import LIGHT_COLUMNS
from retiarii.storage._light_trial import LightTrial
from retiarii.storage._rows.damage import Row
from retiarii.storage._rows.schema import TRIALS
from retiarii.storage._rows.trial_rows import check_light

_PLACES = {column.name: place for place, column in enumerate(LIGHT_COLUMNS)}
_VALUES = itemgetter(*(_PLACES[name] for name in LightTrial._fields))


def chunk(
    connection: Connection, experiment_id: str, *, after: int, ended_from: int | None, count: int
) -> list[LightTrial]:
    """Return at most ``count`` trials with numbers above ``after``, by number.

    Args:
        connection: In a transaction.
        experiment_id: The id of the experiment.
        after: Only trials with larger numbers.
        ended_from: Only trials with this or a larger finish order, and those without one; None for all.
        count: The maximum number of trials.

    Raises:
        CorruptStoreError: A row has changed since it was written.
    """
    columns = TRIALS.c
    query = select(*LIGHT_COLUMNS).where(columns.experiment_id == experiment_id)
    if ended_from is None:
        rows = _fetched(connection, query.where(columns.number > after).order_by(columns.number).limit(count))
    else:  # two queries, each in the order of the index by ends; few trials are wanted, so they are sorted
        number = columns.number + 0
        found = [
            _fetched(connection, query.where(condition, number > after).order_by(number).limit(count))
            for condition in (columns.finish_order >= ended_from, columns.finish_order.is_(None))
        ]
        rows = sorted(chain(*found), key=itemgetter(0))[:count]
    for row in rows:
        check_light(experiment_id, row)
    return [LightTrial._make(_VALUES(row)) for row in rows]


def _fetched(connection: Connection, query: Select[Any]) -> list[Row]:
    """Return the rows of the driver, which are tuples; those of SQLAlchemy take twice the time."""
    result = connection.execute(query)
    assert result.cursor is not None  # until it is closed
    rows = list(result.cursor.fetchall())
    result.close()
    return rows
