"""Queries about experiments; each function runs inside the transaction of its caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from retiarii._plain_data import clean_text
from retiarii.errors import CorruptStoreError, DuplicateError, NotFoundError
from retiarii.storage._experiment_records import ExperimentRecord
from retiarii.storage._finding import check_text, chosen, no_experiment
from retiarii.storage._rows.checksum import experiment_checksum
from retiarii.storage._rows.record_rows import experiment_from_row, experiment_row
from retiarii.storage._rows.schema import DRAWINGS, EPOCHS, EXPERIMENTS, INTERMEDIATES, TRIALS

_FIELDS = tuple(field.name for field in fields(ExperimentRecord))


def create(connection: Connection, record: ExperimentRecord, where: str) -> None:
    """Insert an experiment.

    Raises:
        ConfigError: The id cannot name a folder, or the configuration or space is not JSON data.
        DuplicateError: The id is taken.
    """
    record.check_id()
    row = experiment_row({name: getattr(record, name) for name in _FIELDS})
    row["checksum"] = experiment_checksum(row)
    try:
        connection.execute(insert(EXPERIMENTS), [row])
    except IntegrityError as err:
        raise DuplicateError(
            f"The store {where} has an experiment {record.id!r} already. Resume that one, or leave the id out to get "
            "a fresh one."
        ) from err


def get(connection: Connection, experiment_id: str, where: str) -> ExperimentRecord:
    """Return one experiment.

    Raises:
        NotFoundError: The experiment does not exist.
    """
    wanted = clean_text(experiment_id)
    row = connection.execute(select(EXPERIMENTS).where(EXPERIMENTS.c.id == wanted)).mappings().first()
    if row is None:
        raise missing(connection, experiment_id, where)
    return experiment_from_row(dict(row))


def find(connection: Connection, text: str, where: str) -> ExperimentRecord:
    """Return the experiment with this id, or else the only one with this name or with an id that begins with the text.

    Raises:
        NotFoundError: No experiment matches, or several do.
        ConfigError: ``text`` is not a text.
    """
    check_text(text)
    text = clean_text(text)
    columns = EXPERIMENTS.c
    means = or_(func.substr(columns.id, 1, len(text)) == text, columns.name == text)
    rows = connection.execute(select(EXPERIMENTS).where(means).order_by(columns.created, columns.id)).mappings()
    records = [experiment_from_row(dict(row)) for row in rows] if text else []
    if not records:
        raise missing(connection, text, where)
    return chosen(text, records, where)


def all_of(connection: Connection) -> list[ExperimentRecord | CorruptStoreError]:
    """Return all experiments, oldest first; for a damaged one, the error that describes it."""
    rows = connection.execute(select(EXPERIMENTS).order_by(EXPERIMENTS.c.created, EXPERIMENTS.c.id)).mappings()
    return [_record_or_error(dict(row)) for row in rows]


def _record_or_error(row: Mapping[str, Any]) -> ExperimentRecord | CorruptStoreError:
    try:
        return experiment_from_row(row)
    except CorruptStoreError as err:
        return err


def change(connection: Connection, experiment_id: str, changes: dict[str, Any], where: str) -> None:
    """Change fields of an experiment, and its time of update.

    Raises:
        ConfigError: A field does not exist or cannot change, or the value cannot be stored.
        NotFoundError: The experiment does not exist.
    """
    is_this = EXPERIMENTS.c.id == experiment_id
    query = select(EXPERIMENTS).where(is_this).with_for_update(key_share=True)
    found = connection.execute(query).mappings().first()
    if found is None:
        raise missing(connection, experiment_id, where)
    record = experiment_from_row(dict(found))  # a damaged row must not get a matching checksum
    changed = record.changed(**changes)
    row = experiment_row({name: getattr(changed, name) for name in {*changes, "updated"}})
    row["checksum"] = experiment_checksum({**found, **row})
    connection.execute(update(EXPERIMENTS).where(is_this).values(row))


def stop_requested(connection: Connection, experiment_id: str, where: str) -> bool:
    """Return whether an experiment is asked to stop; reads one column only, because the loop polls it.

    Raises:
        NotFoundError: The experiment does not exist.
    """
    asked = connection.execute(select(EXPERIMENTS.c.stop_requested).where(EXPERIMENTS.c.id == experiment_id)).scalar()
    if asked is None:
        raise missing(connection, experiment_id, where)
    return bool(asked)


def remove(connection: Connection, experiment_id: str, where: str) -> None:
    """Delete an experiment with its trials.

    Raises:
        NotFoundError: The experiment does not exist.
    """
    connection.execute(delete(DRAWINGS).where(DRAWINGS.c.experiment_id == experiment_id))
    connection.execute(delete(EPOCHS).where(EPOCHS.c.experiment_id == experiment_id))
    connection.execute(delete(INTERMEDIATES).where(INTERMEDIATES.c.experiment_id == experiment_id))
    connection.execute(delete(TRIALS).where(TRIALS.c.experiment_id == experiment_id))
    if connection.execute(delete(EXPERIMENTS).where(EXPERIMENTS.c.id == experiment_id)).rowcount == 0:
        raise missing(connection, experiment_id, where)


def missing(connection: Connection, experiment_id: str, where: str) -> NotFoundError:
    """Return the error for an experiment that does not exist, with some ids that do."""
    newest = select(EXPERIMENTS.c.id).order_by(EXPERIMENTS.c.created.desc()).limit(5)
    return no_experiment(experiment_id, list(connection.execute(newest).scalars()), where)
