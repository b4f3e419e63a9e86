"""`SimulatedExecutor`: runs trials on a simulated clock, where each takes as long as its task says.

::

    submit -> a free worker: run the task at once, `course_of` its reports and its end -> heap of events -> poll
"""

from __future__ import annotations

import heapq
import math
import os
from collections import deque
from typing import NamedTuple

from retiarii.errors import ExecutionError
from retiarii.execution._executor import (
    Event,
    Executor,
    Limits,
    OnReport,
    Task,
    TimedTask,
    TrialJob,
    TrialStarted,
    let_go_on,
)
from retiarii.execution._judgement import Judgement
from retiarii.execution._outcome import Outcome
from retiarii.execution._simulated_course import course_of
from retiarii.trial import Failure, FailureKind, Metrics, SimulatedClock

_NO_LIMITS = Limits()


class _Coming(NamedTuple):
    """An event to come, sorted by time; at the same time, reports come before ends, then the lower trial first.

    Attributes:
        seconds: Its time.
        is_end: Whether it is the end of the trial.
        number: The trial's number.
        step: How many reports the trial has made before.
        told: The report, or the outcome.
    """

    seconds: float
    is_end: bool
    number: int
    step: int
    told: Metrics | Outcome


class SimulatedExecutor(Executor):
    """Runs trials on a number of simulated workers, on a clock that jumps from event to event.

    A trial is computed, in this process, when a worker starts it. Its reports and its end are passed on at the times
    that its task says, in the order in which real workers would have produced them. At the same time, reports come
    before ends, and those of trials with lower numbers come first. Ends at the same time are returned together.

    A judged trial is pruned at the time of the report. The computation has gone on to its end by then: later reports
    and the result are dropped. Output is not kept, and there is no isolation, as with `InProcessExecutor`.

    Args:
        task: The task that each trial runs.
        slots: How many workers there are.
        limits: ``timeout_s`` is the maximum simulated time of a trial. Memory cannot be limited.

    Raises:
        ExecutionError: The task does not say how long a trial takes, or there is a limit of memory.
    """

    def __init__(self, task: Task, slots: int = 1, limits: Limits = _NO_LIMITS) -> None:
        if not isinstance(task, TimedTask):
            raise ExecutionError(
                f"The task {task!r} does not say how long a trial takes: derive its class from "
                "retiarii.execution.TimedTask."
            )
        if limits.memory_bytes is not None:
            raise ExecutionError("The memory of simulated trials, which share this process, cannot be limited.")
        self._task, self._slots, self._timeout_s = task, slots, limits.timeout_s
        self._clock = SimulatedClock()
        self._waiting: deque[TrialJob] = deque()
        self._running: dict[int, Judgement] = {}
        self._coming: list[_Coming] = []
        self._events: list[Event] = []
        self._is_closed = False

    @property
    def slots(self) -> int:
        """The number of workers."""
        return self._slots

    @property
    def clock(self) -> SimulatedClock:
        """The simulated clock."""
        return self._clock

    def submit(self, job: TrialJob) -> None:
        """Run a trial as soon as a worker is free.

        Raises:
            ExecutionError: The executor is closed, or a trial of this number is under way.
        """
        self._check_open()
        if job.number in self._running or any(waiting.number == job.number for waiting in self._waiting):
            raise ExecutionError(f"Trial {job.number} cannot be submitted: a trial of this number is under way.")
        self._waiting.append(job)

    def poll(self, timeout: float | None = None, on_report: OnReport = let_go_on) -> list[Event]:
        """Return the starts of trials, and advance the clock to the next event, by at most ``timeout`` seconds.

        Raises:
            ExecutionError: The executor is closed, or the task contradicts itself about the times of a trial.
        """
        self._check_open()
        events, self._events = self._events, []
        while self._waiting and len(self._running) < self._slots:
            events.append(self._start(self._waiting.popleft()))
        until = math.inf if timeout is None else self._clock.now() + timeout
        has_ends = False
        while self._coming and self._coming[0].seconds <= (self._clock.now() if has_ends else until):
            if events and not self._coming[0].is_end:
                return events  # a report must not be passed on before the start of its trial was returned
            coming = heapq.heappop(self._coming)
            self._clock.advance_to(coming.seconds)
            outcome = self._outcome_of(coming, on_report)
            if outcome is not None:
                self._leave(coming.number, outcome, events)
                has_ends = True
        if not events and self._running and timeout is not None:
            self._clock.advance_to(until)
        return events

    def cancel(self, number: int) -> None:
        """End a trial now, as cancelled."""
        waiting = [job for job in self._waiting if job.number == number]
        if waiting or number in self._running:
            for job in waiting:
                self._waiting.remove(job)
            cancelled = Failure(FailureKind.CANCELLED, "The trial was cancelled.")
            self._leave(number, Outcome(failure=cancelled), self._events)

    def close(self) -> None:
        """Drop all trials."""
        self._is_closed = True
        self._waiting.clear()
        self._running.clear()
        self._coming.clear()
        self._events.clear()

    def _start(self, job: TrialJob) -> TrialStarted:
        started = self._clock.now() if job.started is None else job.started
        course = course_of(self._task, job, self._timeout_s)
        for step, (seconds, told) in enumerate(course):
            is_end = isinstance(told, Outcome)
            if is_end or step >= job.num_reported:
                heapq.heappush(self._coming, _Coming(started + seconds, is_end, job.number, step, told))
        self._running[job.number] = Judgement(job)
        return TrialStarted(job.number, job.device, os.getpid(), started)

    def _leave(self, number: int, outcome: Outcome, events: list[Event]) -> None:
        """End a trial now; what was still to come of it does not happen."""
        self._running.pop(number, None)
        if outcome.metrics is None:  # it may have ended early
            self._coming = [coming for coming in self._coming if coming.number != number]
            heapq.heapify(self._coming)
        events.append(outcome.ended(number, ended=self._clock.now()))

    def _outcome_of(self, coming: _Coming, on_report: OnReport) -> Outcome | None:
        """Return the outcome of a trial that ends with an event; None if it goes on."""
        if isinstance(coming.told, Outcome):
            return coming.told
        judgement = self._running[coming.number]
        if judgement.answer(coming.told, on_report) is None:
            return None
        return Outcome(reason=judgement.reason or "")

    def _check_open(self) -> None:
        if self._is_closed:
            raise ExecutionError("This executor is closed.")
