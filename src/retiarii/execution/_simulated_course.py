"""`course_of`: the reports and the end of a simulated trial, each with its time."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from itertools import pairwise
from numbers import Real
from typing import TypeAlias

from retiarii.errors import ExecutionError
from retiarii.execution._executor import TimedTask, TrialJob
from retiarii.execution._outcome import Outcome
from retiarii.execution._run_task import describe, run_task
from retiarii.trial import Failure, FailureKind, Metrics

MAX_SECONDS = 1e10
"""The longest trial, about 300 years: later times are not moments that a store or a calendar knows."""

Course: TypeAlias = "list[tuple[float, Metrics | Outcome]]"
"""Pairs of seconds since the start of a trial, and what happens then: reports, and at last the outcome."""


def course_of(task: TimedTask, job: TrialJob, timeout_s: float | None = None) -> Course:
    """Compute a trial, and return what happens in it.

    A trial that fails does so at the time at which its next report, or its end, would have come; at its start, if its
    time cannot be computed either.

    Args:
        task: The task.
        job: The trial.
        timeout_s: The time after which the trial fails as timed out, in seconds; None for no limit.

    Raises:
        ExecutionError: The task says impossible times, or times of another number of reports than it made.
    """
    reports: list[Metrics] = []
    outcome = run_task(task, job, reports.append)
    try:
        said = task.seconds(job)
    except Exception as error:  # noqa: BLE001 - of the user's evaluator; it is the reason of the trial's failure
        return [(0.0, outcome if outcome.failure is not None else Outcome(failure=describe(error)))]
    told: list[Metrics | Outcome] = [*reports, outcome]
    course: Course = list(zip(_checked(said, told, job), told, strict=True))
    return course if timeout_s is None else _cut(course, timeout_s)


def _checked(said: float | Sequence[float], told: Sequence[Metrics | Outcome], job: TrialJob) -> list[float]:
    """Return one time for each event."""
    times = _times(said, len(told), job)
    is_ascending = all(before <= after for before, after in pairwise([0.0, *times]))
    if not is_ascending or not times[-1] <= MAX_SECONDS:
        raise ExecutionError(
            f"The simulated times of trial {job.number} are {times}, expected seconds since its start, in ascending "
            f"order, up to {MAX_SECONDS:g}. The method `seconds` of the evaluator returned them."
        )
    outcome = told[-1]
    has_ended_early = isinstance(outcome, Outcome) and outcome.metrics is None
    if len(times) == len(told) or (has_ended_early and len(times) > len(told)):
        return times[: len(told)]
    raise ExecutionError(
        f"The simulated times of trial {job.number} are {times}, and it made {len(told) - 1} reports: expected one "
        "time for each report, and one for its end. The method `seconds` of the evaluator returned them."
    )


def _times(said: float | Sequence[float], count: int, job: TrialJob) -> list[float]:
    """Return the times as plain numbers; a single one is spread over a number of events."""
    try:
        if isinstance(said, (int, float, Real)):  # of NumPy, too
            return [float(said) * place / count for place in range(1, count)] + [float(said)]
        if isinstance(said, (str, bytes)) or not len(said):
            raise TypeError
        return [float(seconds) for seconds in said]
    except (TypeError, ValueError):
        raise ExecutionError(
            f"The simulated time of trial {job.number} is {reprlib.repr(said)}, expected seconds: a number, or a list "
            "of numbers. The method `seconds` of the evaluator returned it."
        ) from None


def _cut(course: Course, timeout_s: float) -> Course:
    if course[-1][0] <= timeout_s:
        return course
    failure = Failure(FailureKind.TIMED_OUT, f"The trial ran for more than {timeout_s:g} s of simulated time.")
    in_time: Course = [event for event in course if event[0] <= timeout_s]
    return [*in_time, (timeout_s, Outcome(failure=failure))]
