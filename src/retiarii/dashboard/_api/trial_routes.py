"""Trials: pages of a table, filtered and sorted; one trial in full."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from retiarii.analysis import STATES, TrialTable, sort_columns
from retiarii.dashboard._api.answer_values import (
    LARGEST_NUMBER,
    Answer,
    ExperimentId,
    Number,
    TrialNumber,
    Values,
    number,
    numbers,
)
from retiarii.dashboard._api.problems import problems
from retiarii.dashboard._reading.reader import Reader
from retiarii.dashboard._reading.trial_conditions import filter_of
from retiarii.dashboard._reading.trial_page import trial_page
from retiarii.trial import FailureKind, Trial, TrialState

_MOST_REPORTS = 1000
_MOST_LETTERS = 2**16  # of output and traceback


class FailureAnswer(Answer):
    """Why a trial failed."""

    kind: FailureKind
    message: str


class TrialAnswer(Answer):
    """A trial as a row of the table."""

    number: int
    state: TrialState
    metrics: dict[str, Number] = Field(description="The final metrics, or the last reported ones of a pruned trial.")
    architecture: Values = Field(description="The chosen value of each label, labels of the evaluator included.")
    fidelity: Values = Field(description="How much training it got; empty where the evaluator decided.")
    parent: int | None = Field(description="The trial that it continued.")
    violation: Number = Field(description="By how much it breaks constraints on metrics; 0 if it keeps all.")
    started: float | None = Field(description="Unix time, seconds.")
    ended: float | None = Field(description="Unix time, seconds.")
    device: str | None
    failure: FailureAnswer | None


class TrialsAnswer(Answer):
    """A page of the table of trials."""

    num_matching: int = Field(description="How many trials meet the conditions.")
    is_complete: bool = Field(
        description="Whether all trials have been read; if not, ask again, or with more `wait_s`."
    )
    trials: list[TrialAnswer]
    next_after: int | None = Field(description="The `after` of the next page; null for none.")
    columns: list[str] = Field(description="What `sort` accepts.")


class ReportAnswer(Answer):
    """Metrics that a trial reported before its end."""

    step: int
    time: float = Field(description="Unix time, seconds.")
    metrics: dict[str, Number]


class ReportsAnswer(Answer):
    """A page of intermediate results."""

    reports: list[ReportAnswer]
    next_after: int | None = Field(description="The `after` of the next page; null for none.")


class TrialInFull(TrialAnswer):
    """One trial with everything but its files."""

    key: str = Field(description="The hash of its architecture.")
    reason: str = Field(description="Why it was pruned.")
    traceback: str | None
    output: str = Field(description="The last lines that it printed.")
    num_reports: int = Field(description="The number of its intermediate results.")
    reports: list[ReportAnswer] = Field(description=f"The last {_MOST_REPORTS} intermediate results.")


def trial_routes(reader: Reader) -> APIRouter:
    """Return the endpoints of trials."""
    routes = APIRouter(prefix="/experiments/{experiment_id}/trials", tags=["trials"])

    @routes.get("", responses=problems(404))
    def list_trials(
        experiment_id: ExperimentId,
        state: Annotated[list[TrialState] | None, Query(description="Only trials in one of these states.")] = None,
        choice: Annotated[
            list[str] | None,
            Query(max_length=64, description="`LABEL=VALUE`; several values of one label mean any of them."),
        ] = None,
        at_least: Annotated[list[str] | None, Query(max_length=64, description="`METRIC=NUMBER`, included.")] = None,
        at_most: Annotated[list[str] | None, Query(max_length=64, description="`METRIC=NUMBER`, included.")] = None,
        contains: Annotated[
            str,
            Query(max_length=1000, description="A text in a chosen value, a failure or a device; or a trial's number."),
        ] = "",
        sort: Annotated[
            str, Query(max_length=1000, description="A column, such as `number`, `metric:NAME` or `choice:LABEL`.")
        ] = "number",
        descending: Annotated[bool, Query(description="The largest first; missing values are always last.")] = False,
        after: Annotated[
            int | None, Query(ge=0, le=LARGEST_NUMBER, description="The number of the last trial of the previous page.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        wait_s: Annotated[
            float,
            Query(
                ge=0,
                le=60,
                description="After so many seconds the answer has the trials that are read by then: a large experiment "
                "takes a moment to read for the first time.",
            ),
        ] = 30,
    ) -> TrialsAnswer:
        """Return a page of trials that meet all conditions."""
        trials = reader.trials_now(experiment_id, patience_s=wait_s)
        if trials.problem:
            trials = reader.trials_now(experiment_id, patience_s=None)  # which raises what is wrong
        table = trials.table
        is_running = reader.store.is_running(experiment_id)
        wanted = filter_of(
            table, state, choice or (), at_least or (), at_most or (), is_running=is_running, text=contains
        )
        page = trial_page(table, wanted, sort=sort, descending=descending, after=after, limit=limit)
        return TrialsAnswer(
            num_matching=page.num_matching,
            is_complete=trials.is_complete,
            trials=[_row(table, row, is_running=is_running) for row in page.rows],
            next_after=page.next_after,
            columns=sort_columns(table),
        )

    @routes.get("/{trial}", responses=problems(404))
    def get_trial(experiment_id: ExperimentId, trial: TrialNumber) -> TrialInFull:
        """Return one trial with its last intermediate results, traceback and last output."""
        store = reader.store
        found = store.get_trial(experiment_id, trial).seen(is_running=store.is_running(experiment_id))
        reports = store.intermediates(experiment_id, trial)
        return TrialInFull(
            **_in_full(found),
            num_reports=len(reports),
            reports=[_report(one.step, one.time, one.metrics) for one in reports[-_MOST_REPORTS:]],
        )

    @routes.get("/{trial}/reports", responses=problems(404))
    def list_reports(
        experiment_id: ExperimentId,
        trial: TrialNumber,
        after: Annotated[int, Query(ge=-1, le=LARGEST_NUMBER, description="Only later steps.")] = -1,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> ReportsAnswer:
        """Return a page of the intermediate results of a trial, in order."""
        later = [one for one in reader.store.intermediates(experiment_id, trial) if one.step > after]
        return ReportsAnswer(
            reports=[_report(one.step, one.time, one.metrics) for one in later[:limit]],
            next_after=later[limit - 1].step if len(later) > limit else None,
        )

    return routes


def _row(table: TrialTable, row: int, *, is_running: bool) -> TrialAnswer:
    state, failure, parent = STATES[table.state[row]], table.failure.at(row), int(table.parent[row])
    chosen = ((label, column.at(row), int(column.codes[row])) for label, column in table.choices.items())
    return TrialAnswer(
        number=int(table.number[row]),
        state=TrialState.INTERRUPTED if state is TrialState.RUNNING and not is_running else state,
        metrics={
            name: number(float(values[row])) for name, values in table.metrics.items() if values[row] == values[row]
        },
        architecture={label: _plain(value) for label, value, code in chosen if code >= 0},
        fidelity={name: amount for name, amount in table.fidelity.at(row) or ()},
        parent=None if parent < 0 else parent,
        violation=number(float(table.violation[row])),
        started=_moment(float(table.started[row])),
        ended=_moment(float(table.ended[row])),
        device=table.device.at(row),
        failure=None if failure is None else FailureAnswer(kind=FailureKind(failure[0]), message=failure[1]),
    )


def _in_full(trial: Trial) -> dict[str, Any]:
    failure = trial.failure
    return {
        "number": trial.number,
        "state": trial.state,
        "metrics": numbers(trial.metrics or {}),
        "architecture": trial.architecture.to_json(),
        "fidelity": dict(trial.fidelity),
        "parent": trial.parent,
        "violation": number(trial.violation),
        "started": trial.started,
        "ended": trial.ended,
        "device": trial.device,
        "failure": None if failure is None else FailureAnswer(kind=failure.kind, message=failure.message),
        "key": trial.architecture.key,
        "reason": trial.reason,
        "traceback": None if failure is None or failure.traceback is None else failure.traceback[-_MOST_LETTERS:],
        "output": trial.output[-_MOST_LETTERS:],
    }


def _report(step: int, moment: float, metrics: Any) -> ReportAnswer:
    return ReportAnswer(step=step, time=moment, metrics=numbers(metrics))


def _plain(value: Any) -> Any:
    """Return the value of a choice as plain data: subsets are tuples in the table."""
    return [_plain(item) for item in value] if isinstance(value, Iterable) and not isinstance(value, str) else value


def _moment(seconds: float) -> float | None:
    return None if math.isnan(seconds) else seconds
