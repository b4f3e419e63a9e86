"""Queries about the epochs of one-shot searches; each function runs inside the transaction of its caller."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from retiarii.storage._database.experiment_queries import change
from retiarii.storage._experiment_records import EpochRecord
from retiarii.storage._rows.record_rows import epoch_from_row, epoch_row
from retiarii.storage._rows.schema import EPOCHS


def put(connection: Connection, experiment_id: str, epoch: EpochRecord, where: str) -> None:
    """Write an epoch, replacing a stored one with the same number.

    Raises:
        NotFoundError: The experiment does not exist.
        ConfigError: The record is not plain JSON data.
    """
    row = epoch_row(experiment_id, epoch)
    change(connection, experiment_id, {}, where)
    is_this = (EPOCHS.c.experiment_id == experiment_id, EPOCHS.c.number == epoch.number)
    connection.execute(delete(EPOCHS).where(*is_this))
    connection.execute(insert(EPOCHS), row)


def all_of(connection: Connection, experiment_id: str, after: int) -> list[EpochRecord]:
    """Return the epochs with numbers above ``after``, by number."""
    query = (
        select(EPOCHS.c.number, EPOCHS.c.time, EPOCHS.c.metrics, EPOCHS.c.record, EPOCHS.c.checksum)
        .where(EPOCHS.c.experiment_id == experiment_id, EPOCHS.c.number > after)
        .order_by(EPOCHS.c.number)
    )
    return [epoch_from_row(experiment_id, *row) for row in connection.execute(query)]
