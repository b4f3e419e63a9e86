"""`course_of`: the reports and the end of a simulated trial, each with its time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from retiarii.errors import ExecutionError
from retiarii.execution._executor import TimedTask, TrialJob
from retiarii.execution._outcome import Outcome
from retiarii.execution._run_task import describe, run_task
from retiarii.trial import Failure, FailureKind, Metrics

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
    if isinstance(said, (int, float)):
        times = [float(said) * place / len(told) for place in range(1, len(told))] + [float(said)]
    else:
        times = [float(seconds) for seconds in said]
    is_ascending = all(before <= after for before, after in pairwise([0.0, *times]))
    if not is_ascending or not all(map(math.isfinite, times)):
        raise ExecutionError(
            f"The simulated times of trial {job.number} are {times}, expected finite seconds since its start, in "
            "ascending order. The method `seconds` of the evaluator returned them."
        )
    outcome = told[-1]
    has_ended_early = isinstance(outcome, Outcome) and outcome.metrics is None
    if len(times) == len(told) or (has_ended_early and len(times) > len(told)):
        return times[: len(told)]
    raise ExecutionError(
        f"The simulated times of trial {job.number} are {times}, and it made {len(told) - 1} reports: expected one "
        "time for each report, and one for its end. The method `seconds` of the evaluator returned them."
    )


def _cut(course: Course, timeout_s: float) -> Course:
    if course[-1][0] <= timeout_s:
        return course
    failure = Failure(FailureKind.TIMED_OUT, f"The trial ran for more than {timeout_s:g} s of simulated time.")
    in_time: Course = [event for event in course if event[0] <= timeout_s]
    return [*in_time, (timeout_s, Outcome(failure=failure))]
