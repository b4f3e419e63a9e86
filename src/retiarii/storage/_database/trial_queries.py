"""Queries about trials; each function runs inside the transaction of its caller."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from retiarii.storage._experiment_records import ExperimentRecord, FailureReason, Intermediate
from retiarii.storage._rows.record_rows import failure_reason_from_row, intermediate_from_row
from retiarii.storage._rows.schema import INTERMEDIATES, TRIALS
from retiarii.storage._rows.trial_rows import check_hash, trial_from_row
from retiarii.trial import Direction, Metrics, Trial, TrialState

_COLUMNS = tuple(TRIALS.c)[1:]
_REPORT_COLUMNS = tuple(INTERMEDIATES.c)[1:]
_KEY = _COLUMNS.index(TRIALS.c.key)
_NUMBERS_PER_QUERY = 1000  # databases limit the number of parameters


def get(connection: Connection, record: ExperimentRecord, number: int) -> Trial | None:
    """Return one trial, or None."""
    found = _exact(connection, record, _of(record.id).where(TRIALS.c.number == number))
    return found[0] if found else None


def chunk(
    connection: Connection,
    record: ExperimentRecord,
    after: int,
    states: Collection[TrialState] | None,
    count: int,
    *,
    is_exact: bool = False,
) -> list[Trial]:
    """Return at most ``count`` trials with numbers above ``after``, by number; exact ones have their hash checked."""
    number: ColumnElement[int] = TRIALS.c.number
    if states is not None and set(states) == {TrialState.RUNNING}:
        number = number + 0  # few run at a time, so look for the state and sort, not at all trials in their order
    query = _of(record.id).where(number > after).order_by(number).limit(count)
    if states is not None:
        query = query.where(TRIALS.c.state.in_([state.value for state in states]))
    return (_exact if is_exact else _full)(connection, record, query)


def best(connection: Connection, record: ExperimentRecord, count: int, direction: Direction) -> list[Trial]:
    """Return the completed trials with the best metrics: feasible ones first, of equal ones the earlier first."""
    columns = TRIALS.c
    order = columns.metric.desc() if direction is Direction.MAXIMIZE else columns.metric.asc()
    completed = _of(record.id).where(columns.state == TrialState.COMPLETED.value, columns.metric.is_not(None))
    feasible = completed.where(columns.violation == 0.0).order_by(order, columns.number)
    found = _exact(connection, record, feasible.limit(count))
    if len(found) < count:  # two queries, each in the order of the index
        infeasible = completed.where(columns.violation > 0.0).order_by(columns.violation, order, columns.number)
        found += _exact(connection, record, infeasible.limit(count - len(found)))
    return found


def count_by_state(connection: Connection, experiment_id: str) -> dict[TrialState, int]:
    """Return how many trials are in each state."""
    query = select(TRIALS.c.state, func.count()).where(_is_of(experiment_id)).group_by(TRIALS.c.state)
    counts = {state: count for state, count in connection.execute(query)}
    return {state: counts.get(state.value, 0) for state in TrialState if state is not TrialState.INTERRUPTED}


def failure_reasons(connection: Connection, experiment_id: str) -> list[FailureReason]:
    """Return the reasons for which trials failed, most frequent first."""
    count, example = func.count(), func.min(TRIALS.c.number)
    query = (
        select(TRIALS.c.failure_kind, TRIALS.c.failure_message, count, example)
        .where(_is_of(experiment_id), TRIALS.c.state == TrialState.FAILED.value, TRIALS.c.failure_kind.is_not(None))
        .group_by(TRIALS.c.failure_kind, TRIALS.c.failure_message)
        .order_by(count.desc(), example)
    )
    return [failure_reason_from_row(*row) for row in connection.execute(query)]


def intermediates(connection: Connection, experiment_id: str, number: int) -> tuple[Intermediate, ...]:
    """Return the intermediate results of a trial, in order."""
    query = (
        select(*_REPORT_COLUMNS)
        .where(INTERMEDIATES.c.experiment_id == experiment_id, INTERMEDIATES.c.number == number)
        .order_by(INTERMEDIATES.c.step)
    )
    return tuple(intermediate_from_row(experiment_id, *row) for row in connection.execute(query))


def _is_of(experiment_id: str) -> ColumnElement[bool]:
    return TRIALS.c.experiment_id == experiment_id


def _of(experiment_id: str) -> Select[Any]:
    return select(*_COLUMNS).where(_is_of(experiment_id))


def _full(connection: Connection, record: ExperimentRecord, query: Select[Any]) -> list[Trial]:
    """Return the trials of a query with their intermediate results."""
    return _with_reports(connection, record, connection.execute(query).all())


def _exact(connection: Connection, record: ExperimentRecord, query: Select[Any]) -> list[Trial]:
    """Return the trials of a query that may be exported, each with the architecture that its hash is of."""
    rows = connection.execute(query).all()
    trials = _with_reports(connection, record, rows)
    return [check_hash(trial, row[_KEY]) for trial, row in zip(trials, rows, strict=True)]


def _with_reports(connection: Connection, record: ExperimentRecord, rows: Sequence[Any]) -> list[Trial]:
    numbers = [row[0] for row in rows]
    reports: dict[int, tuple[Metrics, ...]] = {}
    for start in range(0, len(numbers), _NUMBERS_PER_QUERY):
        reports |= _reports(connection, record.id, numbers[start : start + _NUMBERS_PER_QUERY])
    objective = record.objectives.primary.metric
    return [trial_from_row(record.id, row, reports.get(row[0], ()), objective=objective) for row in rows]


def _reports(connection: Connection, experiment_id: str, numbers: Sequence[int]) -> dict[int, tuple[Metrics, ...]]:
    columns, first, last = INTERMEDIATES.c, min(numbers), max(numbers)
    is_page = last - first == len(numbers) - 1  # without gaps, for which a range is faster than many parameters
    query = (
        select(*_REPORT_COLUMNS)
        .where(
            columns.experiment_id == experiment_id,
            columns.number.between(first, last) if is_page else columns.number.in_(numbers),
        )
        .order_by(columns.number, columns.step)
    )
    reports = (intermediate_from_row(experiment_id, *row) for row in connection.execute(query))
    return {number: tuple(r.metrics for r in group) for number, group in groupby(reports, attrgetter("number"))}
