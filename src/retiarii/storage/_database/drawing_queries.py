"""Queries about drawings of models; each function runs inside the transaction of its caller."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, insert, select

from retiarii.storage._database.experiment_queries import change
from retiarii.storage._rows.record_rows import drawing_from_row, drawing_row
from retiarii.storage._rows.schema import DRAWINGS


def put(connection: Connection, experiment_id: str, drawing: dict[str, Any], where: str) -> None:
    """Write the drawing of an experiment, replacing a stored one.

    Raises:
        NotFoundError: The experiment does not exist.
        ConfigError: The drawing is not plain JSON data.
    """
    row = drawing_row(experiment_id, drawing)
    change(connection, experiment_id, {}, where)
    connection.execute(delete(DRAWINGS).where(DRAWINGS.c.experiment_id == experiment_id))
    connection.execute(insert(DRAWINGS), row)


def get(connection: Connection, experiment_id: str) -> dict[str, Any] | None:
    """Return the drawing of an experiment, or None."""
    query = select(DRAWINGS.c.drawing, DRAWINGS.c.checksum).where(DRAWINGS.c.experiment_id == experiment_id)
    row = connection.execute(query).first()
    return None if row is None else drawing_from_row(experiment_id, *row)
