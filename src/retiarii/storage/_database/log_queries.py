"""The log of an experiment, for an exact resume of its search, read in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, groupby
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import Connection, Select, select

from retiarii.storage._experiment_records import ExperimentLog, ExperimentRecord
from retiarii.storage._log_order import LogOrder
from retiarii.storage._rows.damage import Row
from retiarii.storage._rows.packed_trials import PackedTrials, PackedView
from retiarii.storage._rows.record_rows import reported_text
from retiarii.storage._rows.row_encoding import decode_metrics
from retiarii.storage._rows.schema import INTERMEDIATES, TRIALS
from retiarii.storage._rows.trial_rows import check_light, is_running, trial_from_light
from retiarii.trial import Trial

LIGHT_COLUMNS = tuple(TRIALS.c)[1:-3]
"""The columns of a light row: all but the id of the experiment and the long texts."""

_REPORT_COLUMNS = tuple(INTERMEDIATES.c)[1:]
_KEY = LIGHT_COLUMNS.index(TRIALS.c.key)  # before the checksum
_CHUNK = 1000


def log(connection: Connection, record: ExperimentRecord, *, with_reports: bool) -> ExperimentLog:
    """Return the log of an experiment.

    Raises:
        CorruptStoreError: A trial number is missing, so the order is unknown.
    """
    query = select(*LIGHT_COLUMNS).where(TRIALS.c.experiment_id == record.id).order_by(TRIALS.c.number)
    with ExitStack() as stack:
        reports = None
        if with_reports:
            reports = _Reports(record.id, stack.enter_context(_streamed(connection, _reports_of(record.id))))
        rows = stack.enter_context(_streamed(connection, query))
        return _packed(record, rows, reports)


def _packed(record: ExperimentRecord, rows: Iterable[Any], reports: _Reports | None) -> ExperimentLog:
    objective = record.objectives.primary.metric

    def make(row: Row, reported: tuple[str, ...] = ()) -> Trial:
        return trial_from_light(record.id, row, tuple(map(decode_metrics, reported)), objective)

    trials, order = PackedTrials(make), LogOrder(record.id)
    pending: list[Trial] = []
    for row in rows:
        check_light(record.id, row)
        light, has_ended = _without_hash(row), not is_running(row.state)
        order.append(row.number, has_ended=has_ended, finish_order=row.finish_order)
        trials.append(light, reports.of(row.number) if reports is not None and has_ended else ())
        if not has_ended:
            pending.append(make(light))
    asked = PackedView(trials, range(len(trials)), attrgetter("proposal"))
    return ExperimentLog(asked, PackedView(trials, order.told(), _itself), pending)


@contextmanager
def _streamed(connection: Connection, query: Select[Any]) -> Iterator[Iterator[Any]]:
    """Yield the rows of a query, few of which are in memory at a time."""
    with connection.execute(query, execution_options={"stream_results": True}) as found:
        yield chain.from_iterable(found.partitions(_CHUNK))


def _reports_of(experiment_id: str) -> Select[Any]:
    columns = INTERMEDIATES.c
    return select(*_REPORT_COLUMNS).where(columns.experiment_id == experiment_id).order_by(columns.number, columns.step)


def _without_hash(row: Row) -> Row:
    """Return a checked row without its hash, which is not needed for the trial and does not compress."""
    return (*row[:_KEY], None, None, *row[_KEY + 2 :])


def _itself(trial: Trial) -> Trial:
    return trial


class _Reports:
    """The intermediate results of an experiment, read in one pass, for calls with ascending trial numbers."""

    def __init__(self, experiment_id: str, rows: Iterable[Any]) -> None:
        self._groups = groupby((tuple(row) for row in rows), itemgetter(0))
        self._id = experiment_id
        self._next: tuple[int, tuple[str, ...]] | None = None
        self._advance()

    def of(self, number: int) -> tuple[str, ...]:
        """Return the stored texts of a trial's intermediate results, in order."""
        while self._next is not None and self._next[0] < number:
            self._advance()
        return self._next[1] if self._next is not None and self._next[0] == number else ()

    def _advance(self) -> None:
        number, rows = next(self._groups, (None, ()))
        self._next = None if number is None else (number, tuple(reported_text(self._id, *row) for row in rows))
