"""Queries about trials; each function runs inside the transaction of its caller."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from retiarii.errors import CorruptStoreError
from retiarii.storage._records import ExperimentLog, ExperimentRecord, FailureReason, Intermediate
from retiarii.storage._rows import check_hash, failure_reason_from_row, intermediate_from_row, trial_from_row
from retiarii.storage._schema import INTERMEDIATES, TRIALS
from retiarii.trial import Direction, Metrics, Trial, TrialState

_COLUMNS = tuple(TRIALS.c)[1:]
_LIGHT_COLUMNS = _COLUMNS[:-3]  # without the long texts
_REPORT_COLUMNS = tuple(INTERMEDIATES.c)[1:]
_RUNNING = TrialState.RUNNING.value
_KEY = _COLUMNS.index(TRIALS.c.key)
_LOG_CHUNK = 10_000
_NUMBERS_PER_QUERY = 1000  # databases bound the number of parameters


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
    query = _of(record.id).where(TRIALS.c.number > after).order_by(TRIALS.c.number).limit(count)
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


def log(connection: Connection, record: ExperimentRecord, *, with_reports: bool) -> ExperimentLog:
    """Return the order of asks and tells.

    Raises:
        CorruptStoreError: A trial number is left out, so the order cannot be known.
    """
    query = select(*_LIGHT_COLUMNS).where(_is_of(record.id)).order_by(TRIALS.c.number)
    chunks = connection.execute(query).partitions(_LOG_CHUNK)
    reports = _ReportsInOrder(connection, record.id) if with_reports else None
    objective = record.objectives.primary.metric
    trials = [
        trial_from_row(
            record.id,
            row,
            reports.of(row[0]) if reports is not None and row[1] != _RUNNING else (),
            objective=objective,
            has_texts=False,
        )
        for rows in chunks
        for row in rows
    ]
    if trials and trials[-1].number != len(trials) - 1:
        gap = next(number for number, trial in enumerate(trials) if trial.number != number)
        raise CorruptStoreError(
            f"Trial {gap} of experiment {record.id!r} is missing in the store, so the search cannot be resumed "
            "exactly. Its other trials can be read and exported; start a new experiment to go on."
        )
    told = [trial for trial in trials if trial.state.is_finished]
    told.sort(key=lambda trial: len(trials) if trial.finish_order is None else trial.finish_order)
    pending = [trial for trial in trials if not trial.state.is_finished]
    return ExperimentLog([trial.proposal for trial in trials], told, pending)


class _ReportsInOrder:
    """The intermediate results of an experiment, read once, for callers that ask by ascending numbers of trials."""

    def __init__(self, connection: Connection, experiment_id: str) -> None:
        query = (
            select(*_REPORT_COLUMNS)
            .where(INTERMEDIATES.c.experiment_id == experiment_id)
            .order_by(INTERMEDIATES.c.number, INTERMEDIATES.c.step)
        )
        rows = chain.from_iterable(connection.execute(query).partitions(_LOG_CHUNK))
        reports = (intermediate_from_row(experiment_id, *row) for row in rows)
        self._groups = groupby(reports, attrgetter("number"))
        self._next: tuple[int, tuple[Metrics, ...]] | None = None
        self._advance()

    def of(self, number: int) -> tuple[Metrics, ...]:
        """Return what a trial reported, in order."""
        while self._next is not None and self._next[0] < number:
            self._advance()
        return self._next[1] if self._next is not None and self._next[0] == number else ()

    def _advance(self) -> None:
        group = next(self._groups, None)
        self._next = None if group is None else (group[0], tuple(report.metrics for report in group[1]))


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
    columns = INTERMEDIATES.c
    query = (
        select(*_REPORT_COLUMNS)
        .where(columns.experiment_id == experiment_id, columns.number.in_(numbers))
        .order_by(columns.number, columns.step)
    )
    reports = (intermediate_from_row(experiment_id, *row) for row in connection.execute(query))
    return {number: tuple(r.metrics for r in group) for number, group in groupby(reports, attrgetter("number"))}
