"""`InProcessExecutor`: runs trials in this process, one after the other."""

from __future__ import annotations

import os
import time
from collections import deque

from retiarii.errors import ExecutionError
from retiarii.execution._executor import Event, Executor, OnReport, Task, TrialJob, TrialStarted, let_go_on
from retiarii.execution._judgement import Judgement
from retiarii.execution._outcome import Outcome
from retiarii.execution._run_task import run_task
from retiarii.trial import Failure, FailureKind


class InProcessExecutor(Executor):
    """Runs every trial in this process, inside `poll`: breakpoints work, and nothing is copied or forked.

    It is for debugging, and for evaluations that are faster than the start of a process, such as tables and proxies.
    There is no isolation: a trial that hangs or crashes stops this process, too, and output is not kept. A trial that
    raises is a failed trial with its traceback, as with every executor; ``Ctrl-C`` is not caught.

    Args:
        task: The task that each trial runs.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._waiting: deque[TrialJob] = deque()
        self._is_started = False  # whether the first waiting trial was announced as started
        self._events: list[Event] = []
        self._is_closed = False

    @property
    def slots(self) -> int:
        """One."""
        return 1

    def submit(self, job: TrialJob) -> None:
        """Keep the trial for the next `poll`.

        Raises:
            ExecutionError: The executor is closed, or a trial of this number is waiting.
        """
        if self._is_closed:
            raise ExecutionError("This executor is closed.")
        if any(waiting.number == job.number for waiting in self._waiting):
            raise ExecutionError(f"Trial {job.number} cannot be submitted: a trial of this number is under way.")
        self._waiting.append(job)

    def poll(self, timeout: float | None = None, on_report: OnReport = let_go_on) -> list[Event]:
        """Start the next trial; the following call runs it to its end, however long that takes.

        For reports of threads that the trial started, ``on_report`` is called in these threads, one at a time. An
        exception of ``on_report`` ends the trial as cancelled, and then leaves `poll`.

        Raises:
            ExecutionError: The executor is closed.
        """
        if self._is_closed:
            raise ExecutionError("This executor is closed.")
        if self._waiting and not self._events:
            if self._is_started:
                self._is_started = False
                self._run(self._waiting.popleft(), on_report)
            else:
                self._is_started = True
                job = self._waiting[0]
                self._events.append(TrialStarted(job.number, job.device, os.getpid(), time.time()))
        events, self._events = self._events, []
        return events

    def cancel(self, number: int) -> None:
        """End a trial that is still waiting."""
        for place, job in enumerate(self._waiting):
            if job.number == number:
                self._is_started = self._is_started and place > 0
                del self._waiting[place]
                failure = Failure(FailureKind.CANCELLED, "The trial was cancelled before it ran.")
                self._events.append(Outcome(failure=failure).ended(number))
                return

    def close(self) -> None:
        """Drop waiting trials."""
        self._is_closed = True
        self._waiting.clear()
        self._events.clear()

    def _run(self, job: TrialJob, on_report: OnReport) -> None:
        judgement = Judgement(job)
        outcome = run_task(self._task, job, judgement.reporting_to(on_report))
        self._events.append(judgement.settle(outcome).ended(job.number))
        judgement.raise_if_unanswered()
