"""Search for damage in a store: check every row against its checksum and its valid values."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from retiarii.errors import CorruptStoreError
from retiarii.storage._database import drawing_queries, epoch_queries, experiment_queries, trial_queries
from retiarii.storage._experiment_records import ExperimentRecord
from retiarii.storage._rows.record_rows import intermediate_from_row
from retiarii.storage._rows.schema import INTERMEDIATES, TRIALS

_CHUNK = 500


def damage(connection: Connection) -> Iterator[CorruptStoreError]:
    """Yield one error for each experiment with damaged rows.

    Rows without an experiment are not searched: databases check foreign keys themselves.
    """
    for found in experiment_queries.all_of(connection):
        if isinstance(found, ExperimentRecord):
            try:
                _read_all(connection, found)
            except CorruptStoreError as err:
                yield CorruptStoreError(str(err), experiment_id=found.id)
        else:
            yield found


def _read_all(connection: Connection, record: ExperimentRecord) -> None:
    experiment_id, last = record.id, -1
    while chunk := trial_queries.chunk(connection, record, last, None, _CHUNK, is_exact=True):
        last = chunk[-1].number
    query = select(*list(INTERMEDIATES.c)[1:]).where(INTERMEDIATES.c.experiment_id == experiment_id)
    for rows in connection.execute(query).partitions(_CHUNK):
        for row in rows:
            intermediate_from_row(experiment_id, *row)
    epoch_queries.all_of(connection, experiment_id, -1)
    drawing_queries.get(connection, experiment_id)
    numbers = list(
        connection.execute(
            select(TRIALS.c.number).where(TRIALS.c.experiment_id == experiment_id).order_by(TRIALS.c.number)
        ).scalars()
    )
    if numbers and numbers != list(range(len(numbers))):
        missing = next(place for place, number in enumerate(numbers) if place != number)
        raise CorruptStoreError(f"Trial {missing} of experiment {experiment_id!r} is missing in the store.")
