"""Queries about how far experiments are; each reads a few numbers, so a dashboard can ask twice a second."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from retiarii._plain_data import clean_text
from retiarii.storage._artefacts import is_id
from retiarii.storage._database.experiment_queries import missing
from retiarii.storage._experiment_records import ExperimentProgress
from retiarii.storage._rows.record_rows import progress_from_row
from retiarii.storage._rows.schema import EPOCHS, EXPERIMENTS, INTERMEDIATES, TRIALS
from retiarii.trial import TrialState


def update_times(connection: Connection) -> dict[str, float]:
    """Return for each experiment the time of its last change."""
    query = select(EXPERIMENTS.c.id, EXPERIMENTS.c.updated).order_by(EXPERIMENTS.c.created, EXPERIMENTS.c.id)
    return {experiment_id: updated for experiment_id, updated in connection.execute(query) if is_id(experiment_id)}


def progress(connection: Connection, experiment_id: str, where: str) -> ExperimentProgress:
    """Return how far an experiment is.

    Raises:
        NotFoundError: The experiment does not exist.
        CorruptStoreError: Its state is unknown.
    """
    wanted = clean_text(experiment_id)
    last_trial = select(func.max(TRIALS.c.number)).where(TRIALS.c.experiment_id == wanted).scalar_subquery()
    last_epoch = select(func.max(EPOCHS.c.number)).where(EPOCHS.c.experiment_id == wanted).scalar_subquery()
    columns = EXPERIMENTS.c
    query = select(columns.state, columns.updated, columns.stop_requested, last_trial, last_epoch)
    row = connection.execute(query.where(columns.id == wanted)).first()
    if row is None:
        raise missing(connection, experiment_id, where)
    return progress_from_row(experiment_id, *row, reports=_reports(connection, wanted))


def _reports(connection: Connection, experiment_id: str) -> dict[int, int]:
    last_step = (
        select(func.max(INTERMEDIATES.c.step))
        .where(
            INTERMEDIATES.c.experiment_id == TRIALS.c.experiment_id,
            INTERMEDIATES.c.number == TRIALS.c.number,
        )
        .scalar_subquery()
    )
    query = select(TRIALS.c.number, last_step).where(
        TRIALS.c.experiment_id == experiment_id, TRIALS.c.state == TrialState.RUNNING.value
    )
    return {number: 0 if step is None else step + 1 for number, step in connection.execute(query)}
