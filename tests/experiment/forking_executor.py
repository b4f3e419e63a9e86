"""An executor whose trials are plain forks: no isolation and no limits, but a few milliseconds each."""

import os
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from retiarii.errors import ExecutionError, TrialPruned
from retiarii.execution import Executor, Judgement, Outcome, TrialStarted, run_task
from retiarii.trial import Failure, FailureKind


@dataclass
class Running:
    pid: int
    link: Connection
    judgement: Judgement
    is_judged: bool


class ForkingExecutor(Executor):
    """Runs each trial in a fork of this process.

    Args:
        task: What a trial does.
        slots: How many run at the same time.
    """

    def __init__(self, task, slots=2):
        self._task, self._slots = task, slots
        self._waiting, self._running = deque(), {}
        self._events = []

    @property
    def slots(self):
        return self._slots

    def submit(self, job):
        if job.number in self._running or any(job.number == waiting.number for waiting in self._waiting):
            raise ExecutionError(f"Trial {job.number} is under way.")
        self._waiting.append(job)

    def poll(self, timeout=None, on_report=lambda number, metrics: None):
        while self._waiting and len(self._running) < self._slots:
            self._start(self._waiting.popleft())
        if not self._events:
            links = {trial.link: number for number, trial in self._running.items()}
            for link in wait(list(links), timeout) if links else ():
                self._hear(links[link], on_report)
        events, self._events = self._events, []
        return events

    def cancel(self, number):
        self._waiting = deque(job for job in self._waiting if job.number != number)
        if number in self._running:
            os.kill(self._running[number].pid, 9)
            self._end(number, Outcome(failure=Failure(FailureKind.CANCELLED, "The trial was cancelled.")))

    def close(self):
        for number in list(self._running):
            self.cancel(number)
        self._events.clear()

    def _start(self, job):
        ours, theirs = Pipe()
        pid = os.fork()
        if pid == 0:
            try:
                theirs.send(("ended", run_task(self._task, job, lambda metrics: _report(theirs, job, metrics))))
            finally:
                os._exit(0)
        theirs.close()
        self._running[job.number] = Running(pid, ours, Judgement(job), job.is_judged)
        self._events.append(TrialStarted(job.number, job.device, pid, time.time()))

    def _hear(self, number, on_report):
        trial = self._running[number]
        try:
            kind, told = trial.link.recv()
        except EOFError:
            self._end(number, Outcome(failure=Failure(FailureKind.VANISHED, "The process ended without a word.")))
            return
        if kind == "ended":
            self._end(number, told)
            return
        try:
            trial.judgement.answer(told, on_report)
        finally:
            if trial.is_judged:
                trial.link.send(trial.judgement.reason)

    def _end(self, number, outcome):
        trial = self._running.pop(number)
        trial.link.close()
        os.waitpid(trial.pid, 0)
        self._events.append(trial.judgement.settle(outcome).ended(number))


def _report(link, job, metrics):
    link.send(("reported", metrics))
    if job.is_judged and (reason := link.recv()) is not None:
        raise TrialPruned(reason)
