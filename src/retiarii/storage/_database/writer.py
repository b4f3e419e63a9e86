"""`Writer`: writes trials and intermediate results in one short transaction, the hot path of a search.

The loop writes twice per trial, so this file alone passes statements to the driver directly: SQLAlchemy compiles them
once, and executing them through it would take 250 microseconds per transaction instead of 70.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ClauseElement, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from retiarii.errors import NotFoundError, StorageError
from retiarii.storage import _fork
from retiarii.storage._database.backend import Backend
from retiarii.storage._experiment_records import Intermediate
from retiarii.storage._rows.checksum import experiment_checksum
from retiarii.storage._rows.damage import Row, damaged_experiment
from retiarii.storage._rows.record_rows import check_experiment, intermediate_row
from retiarii.storage._rows.schema import EXPERIMENTS, INTERMEDIATES, TRIALS
from retiarii.storage._rows.trial_rows import trial_row
from retiarii.trial import Trial

_TOUCH_EVERY_S = 1.0


class Writer:
    """Writes trials through its own connection; calls from several threads are serialised.

    Args:
        backend: The database to write to.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._statements = _Statements(backend.engine.dialect)
        self._forget()
        _fork.register(self)

    def write(self, experiment_id: str, trials: Sequence[Trial], intermediates: Sequence[Intermediate]) -> None:
        """Write trials and intermediate results: all of them, or, after an error, none.

        Raises:
            NotFoundError: The experiment, or the trial of an intermediate result, does not exist.
            StoreFullError: There is no space left.
            StoreLostError: The store was deleted, moved or replaced; what was written before may have been saved.
            StorageError: The store cannot be written.
        """
        changes = list(self._changes(experiment_id, trials, intermediates))
        with self._lock, self._backend.watched(before=False):
            try:
                self._commit(experiment_id, changes, trials)
            except self._backend.driver_error as err:
                if self._connection is not None:
                    raise self._explain(experiment_id, err) from err
                self._commit(
                    experiment_id, changes, trials
                )  # the connection was lost; a new one may work, and rows can repeat

    def close(self) -> None:
        """Close the connection; the next `write` opens one."""
        with self._lock, self._backend.faults():
            self._drop()

    def after_fork_in_child(self) -> None:
        """Leave the parent's connection alone and begin with a new one."""
        _fork.keep_unused(self._connection)
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = None
        self._touched = 0.0
        self._touched_id = ""

    def _changes(
        self, experiment_id: str, trials: Sequence[Trial], intermediates: Sequence[Intermediate]
    ) -> Iterator[tuple[str, list[Row]]]:
        """Yield statements with their rows, in the order in which they must run."""
        statements = self._statements
        if trials:
            yield statements.put_trial, [trial_row(experiment_id, trial) for trial in trials]
            yield (
                statements.cut_intermediates,
                [(experiment_id, trial.number, len(trial.intermediates)) for trial in trials],
            )
        if intermediates:
            yield statements.put_intermediate, [intermediate_row(experiment_id, report) for report in intermediates]

    def _commit(
        self, experiment_id: str, changes: Iterable[tuple[str, list[Row]]], trials: Sequence[Trial] = ()
    ) -> None:
        with self._transaction() as cursor:
            for statement, rows in changes:
                cursor.executemany(statement, rows)
            for trial in trials:
                self._add_missing(cursor, experiment_id, trial)
            now = time.time()
            if experiment_id != self._touched_id or abs(now - self._touched) >= _TOUCH_EVERY_S:
                self._touch(cursor, experiment_id, now)
                self._touched, self._touched_id = now, experiment_id

    def _add_missing(self, cursor: Any, experiment_id: str, trial: Trial) -> None:
        """Write the intermediate results of a trial that are not stored yet; usually the search has written them."""
        if not trial.intermediates:
            return
        cursor.execute(self._statements.count_intermediates, (experiment_id, trial.number))
        if cursor.fetchone()[0] != len(trial.intermediates):  # no step is beyond them, so as many are all of them
            rows = [intermediate_row(experiment_id, report) for report in _reports(trial)]
            cursor.executemany(self._statements.add_intermediate, rows)

    def _touch(self, cursor: Any, experiment_id: str, now: float) -> None:
        """Note the time of a change; the checksum of the experiment covers it."""
        cursor.execute(self._statements.get_experiment, (experiment_id,))
        found = cursor.fetchone()
        if found is None:
            return
        row = dict(zip(EXPERIMENTS.c.keys(), found, strict=True))
        try:
            check_experiment(row)
        except ValueError as err:
            raise damaged_experiment(experiment_id, err) from err
        cursor.execute(self._statements.touch, (now, experiment_checksum({**row, "updated": now}), experiment_id))

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        connection = self._connected()
        try:
            cursor = connection.cursor()
            if self._backend.begin_write is not None:
                cursor.execute(self._backend.begin_write)
            yield cursor
            connection.commit()
            self._backend.tidy(connection)
        except BaseException as err:  # also Ctrl-C: the next transaction must not begin inside of this one
            self._undo(connection, err)
            raise

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = self._backend.engine.raw_connection()
        return self._connection

    def _undo(self, connection: Any, err: BaseException) -> None:
        """Roll back; drop a connection that is lost."""
        self._touched_id = ""
        driver: Any = self._backend.driver_error
        dialect: Any = self._backend.engine.dialect
        try:
            if isinstance(err, driver) and dialect.is_disconnect(err, connection.dbapi_connection, None):
                self._drop()
            else:
                connection.rollback()
        except driver:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()

    def _explain(self, experiment_id: str, err: Exception) -> StorageError:
        if "foreign key" in str(err).lower():
            return NotFoundError(
                f"There is no experiment {experiment_id!r} in {self._backend.location}, or it lacks the trial of an "
                "intermediate result. Create the experiment first, and write a trial before what it reports."
            )
        return self._backend.explain(err)


class _Statements:
    """The statements of the writer, as text for one database."""

    def __init__(self, dialect: Dialect) -> None:
        insert = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
        trial, report = insert(TRIALS), insert(INTERMEDIATES)
        new_trial = {name: trial.excluded[name] for name in TRIALS.c.keys() if name not in TRIALS.primary_key}
        new_report = {name: report.excluded[name] for name in ("time", "metrics", "checksum")}
        of_trial = (
            INTERMEDIATES.c.experiment_id == bindparam("id"),
            INTERMEDIATES.c.number == bindparam("of"),
        )

        def compiled(statement: ClauseElement) -> str:
            return str(statement.compile(dialect=dialect))

        self.put_trial = compiled(trial.on_conflict_do_update(index_elements=TRIALS.primary_key, set_=new_trial))
        self.cut_intermediates = compiled(
            delete(INTERMEDIATES).where(*of_trial, INTERMEDIATES.c.step >= bindparam("from"))
        )
        self.count_intermediates = compiled(select(func.count()).select_from(INTERMEDIATES).where(*of_trial))
        self.add_intermediate = compiled(report.on_conflict_do_nothing())
        self.put_intermediate = compiled(
            report.on_conflict_do_update(index_elements=INTERMEDIATES.primary_key, set_=new_report)
        )
        self.touch = compiled(
            update(EXPERIMENTS)
            .values(updated=bindparam("now"), checksum=bindparam("check"))
            .where(EXPERIMENTS.c.id == bindparam("which"))
        )
        self.get_experiment = compiled(
            select(EXPERIMENTS).where(EXPERIMENTS.c.id == bindparam("which")).with_for_update(key_share=True)
        )


def _reports(trial: Trial) -> Iterator[Intermediate]:
    """Yield the intermediate results of a trial, with its end (or start) as their time if that is not known."""
    moment = trial.ended or trial.started or time.time()
    for step, metrics in enumerate(trial.intermediates):
        yield Intermediate(trial.number, step, metrics, moment)
