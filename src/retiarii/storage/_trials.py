"""Queries about trials; each function runs inside the transaction of its caller."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from retiarii.errors import CorruptStoreError
from retiarii.storage._records import ExperimentLog, FailureReason, Intermediate
from retiarii.storage._rows import check_hash, failure_reason_from_row, intermediate_from_row, trial_from_row
from retiarii.storage._schema import INTERMEDIATES, TRIALS
from retiarii.trial import Direction, Metrics, Trial, TrialState

_COLUMNS = tuple(TRIALS.c)[1:]
_LIGHT_COLUMNS = _COLUMNS[:-3]  # without the long texts
_REPORT_COLUMNS = tuple(INTERMEDIATES.c)[1:]
_LOG_CHUNK = 10_000
_NUMBERS_PER_QUERY = 1000  # databases bound the number of parameters


def get(connection: Connection, experiment_id: str, number: int) -> Trial | None:
    """Return one trial, or None."""
    found = _exact(connection, experiment_id, _of(experiment_id).where(TRIALS.c.number == number))
    return found[0] if found else None


def chunk(
    connection: Connection,
    experiment_id: str,
    after: int,
    states: Collection[TrialState] | None,
    count: int,
    *,
    is_exact: bool = False,
) -> list[Trial]:
    """Return at most ``count`` trials with numbers above ``after``, by number; exact ones have their hash checked."""
    query = _of(experiment_id).where(TRIALS.c.number > after).order_by(TRIALS.c.number).limit(count)
    if states is not None:
        query = query.where(TRIALS.c.state.in_([state.value for state in states]))
    return (_exact if is_exact else _full)(connection, experiment_id, query)


def best(connection: Connection, experiment_id: str, count: int, direction: Direction) -> list[Trial]:
    """Return the completed trials with the best metrics; of equal ones, the earlier first."""
    metric = TRIALS.c.metric
    order = metric.desc() if direction is Direction.MAXIMIZE else metric.asc()
    completed = TRIALS.c.state == TrialState.COMPLETED.value
    query = _of(experiment_id).where(completed, metric.is_not(None)).order_by(order, TRIALS.c.number).limit(count)
    return _exact(connection, experiment_id, query)


def count_by_state(connection: Connection, experiment_id: str) -> dict[TrialState, int]:
    """Return how many trials are in each state."""
    query = select(TRIALS.c.state, func.count()).where(_is_of(experiment_id)).group_by(TRIALS.c.state)
    counts = {state: count for state, count in connection.execute(query)}
    return {state: counts.get(state.value, 0) for state in TrialState if state is not TrialState.INTERRUPTED}


def failure_reasons(connection: Connection, experiment_id: str) -> list[FailureReason]:
    """Return why trials failed, the most frequent reason first."""
    count, example = func.count(), func.min(TRIALS.c.number)
    query = (
        select(TRIALS.c.failure_kind, TRIALS.c.failure_message, count, example)
        .where(_is_of(experiment_id), TRIALS.c.state == TrialState.FAILED.value, TRIALS.c.failure_kind.is_not(None))
        .group_by(TRIALS.c.failure_kind, TRIALS.c.failure_message)
        .order_by(count.desc(), example)
    )
    return [failure_reason_from_row(*row) for row in connection.execute(query)]


def intermediates(connection: Connection, experiment_id: str, number: int) -> tuple[Intermediate, ...]:
    """Return what a trial reported on the way, in order."""
    query = (
        select(*_REPORT_COLUMNS)
        .where(INTERMEDIATES.c.experiment_id == experiment_id, INTERMEDIATES.c.number == number)
        .order_by(INTERMEDIATES.c.step)
    )
    return tuple(intermediate_from_row(experiment_id, *row) for row in connection.execute(query))


def log(connection: Connection, experiment_id: str) -> ExperimentLog:
    """Return the order of asks and tells.

    Raises:
        CorruptStoreError: A trial number is left out, so the order cannot be known.
    """
    query = select(*_LIGHT_COLUMNS).where(_is_of(experiment_id)).order_by(TRIALS.c.number)
    chunks = connection.execute(query).partitions(_LOG_CHUNK)
    trials = [trial_from_row(experiment_id, row, has_texts=False) for rows in chunks for row in rows]
    if trials and trials[-1].number != len(trials) - 1:
        gap = next(number for number, trial in enumerate(trials) if trial.number != number)
        raise CorruptStoreError(
            f"Trial {gap} of experiment {experiment_id!r} is missing in the store, so the search cannot be resumed "
            "exactly. Its other trials can be read and exported; start a new experiment to go on."
        )
    told = [trial for trial in trials if trial.state.is_finished]
    told.sort(key=lambda trial: len(trials) if trial.finish_order is None else trial.finish_order)
    pending = [trial for trial in trials if not trial.state.is_finished]
    return ExperimentLog([trial.architecture for trial in trials], told, pending)


def _is_of(experiment_id: str) -> ColumnElement[bool]:
    return TRIALS.c.experiment_id == experiment_id


def _of(experiment_id: str) -> Select[Any]:
    return select(*_COLUMNS).where(_is_of(experiment_id))


def _full(connection: Connection, experiment_id: str, query: Select[Any]) -> list[Trial]:
    """Return the trials of a query with their intermediate results."""
    rows = connection.execute(query).all()
    numbers = [row[0] for row in rows]
    reports: dict[int, tuple[Metrics, ...]] = {}
    for start in range(0, len(numbers), _NUMBERS_PER_QUERY):
        reports |= _reports(connection, experiment_id, numbers[start : start + _NUMBERS_PER_QUERY])
    return [trial_from_row(experiment_id, row, reports.get(row[0], ())) for row in rows]


def _exact(connection: Connection, experiment_id: str, query: Select[Any]) -> list[Trial]:
    """Return the trials of a query that may be exported, each with the architecture that its hash is of."""
    keys = {row[0]: row[8] for row in connection.execute(query)}
    return [check_hash(trial, keys[trial.number]) for trial in _full(connection, experiment_id, query)]


def _reports(connection: Connection, experiment_id: str, numbers: Sequence[int]) -> dict[int, tuple[Metrics, ...]]:
    columns = INTERMEDIATES.c
    query = (
        select(*_REPORT_COLUMNS)
        .where(columns.experiment_id == experiment_id, columns.number.in_(numbers))
        .order_by(columns.number, columns.step)
    )
    reports = (intermediate_from_row(experiment_id, *row) for row in connection.execute(query))
    return {number: tuple(r.metrics for r in group) for number, group in groupby(reports, attrgetter("number"))}
