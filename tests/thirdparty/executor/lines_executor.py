"""An executor as somebody outside the project would write it, from docs/extending/executors.md alone.

Each trial is a program, ``lines_worker.py``. The two speak JSON, one object a line: the job goes down, reports and the
outcome come up, and the answer to a report goes down if the trial waits for it.
"""

import base64
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from retiarii.errors import ExecutionError, RetiariiError
from retiarii.evaluator import dumps
from retiarii.execution import Executor, Judgement, Outcome, TrialJob, TrialStarted, import_path
from retiarii.trial import Failure, FailureKind, parse_metrics

WORKER = Path(__file__).with_name("lines_worker.py")


@dataclass
class Running:
    """A trial whose program runs."""

    job: TrialJob
    process: subprocess.Popen
    printed: object
    judgement: Judgement
    reader: threading.Thread = None
    fault: Failure = None


@dataclass
class Report:
    number: int
    metrics: dict


@dataclass
class End:
    number: int
    outcome: Outcome
    time: float = field(default_factory=time.time)


class LinesExecutor(Executor):
    """Runs each trial as a program of its own.

    Args:
        task: What a trial does.
        slots: How many trials run at the same time.
    """

    def __init__(self, task, slots=2):
        self._task = base64.b64encode(dumps(task, "task")).decode()
        self._slots = slots
        self._waiting = deque()
        self._running = {}
        self._arrived = queue.SimpleQueue()  # from the threads that read what programs write
        self._next = None  # taken from there, and to be told in the next poll
        self._is_closed = False

    @property
    def slots(self):
        return self._slots

    def submit(self, job):
        self._check_open()
        if job.number in self._running or any(waiting.number == job.number for waiting in self._waiting):
            raise ExecutionError(f"Trial {job.number} is under way already.")
        self._waiting.append(job)
        self._start_what_fits()

    def poll(self, timeout=None, on_report=lambda number, metrics: None):
        self._check_open()
        events = []
        is_told = False
        while (item := self._take(0 if events or is_told else timeout)) is not None:
            if isinstance(item, TrialStarted):
                events.append(item)
            elif isinstance(item, End):
                events.append(self._end(item))
            elif events:
                self._next = item  # a report is told after the events before it were returned
                break
            else:
                is_told = True
                self._judge(item, on_report)
        return events

    def cancel(self, number):
        for job in [job for job in self._waiting if job.number == number]:
            self._waiting.remove(job)
            self._arrived.put(End(number, Outcome(failure=Failure(FailureKind.CANCELLED, "It had not started."))))
        if number in self._running:
            self._fail(self._running[number], FailureKind.CANCELLED, "The trial was cancelled.")

    def close(self):
        self._is_closed = True
        self._waiting.clear()
        for trial in self._running.values():
            trial.process.kill()
        for trial in self._running.values():
            trial.reader.join()
            trial.printed.close()
        self._running.clear()

    def _check_open(self):
        if self._is_closed:
            raise ExecutionError("This executor is closed.")

    def _start_what_fits(self):
        while self._waiting and len(self._running) < self._slots:
            job = self._waiting.popleft()
            printed = tempfile.TemporaryFile()
            process = subprocess.Popen(
                [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=printed
            )
            trial = Running(job, process, printed, Judgement(job))
            self._running[job.number] = trial
            self._arrived.put(TrialStarted(job.number, job.device, process.pid, time.time()))
            self._write(trial, {"path": import_path(), "task": self._task, "job": job.to_json()})
            trial.reader = threading.Thread(target=self._read, args=(trial,), daemon=True)
            trial.reader.start()

    def _take(self, timeout):
        """Return what comes next; None if there is nothing in time, or nothing to wait for."""
        if self._next is not None:
            item, self._next = self._next, None
            return item
        try:
            is_idle = not self._running and not self._waiting
            return self._arrived.get(timeout=timeout) if not is_idle and timeout != 0 else self._arrived.get_nowait()
        except queue.Empty:
            return None

    def _judge(self, report, on_report):
        trial = self._running[report.number]
        try:
            trial.judgement.answer(report.metrics, on_report)
        finally:
            if trial.job.is_judged:
                self._write(trial, {"reason": trial.judgement.reason})

    def _end(self, end):
        trial = self._running.pop(end.number, None)
        self._start_what_fits()
        if trial is None:  # it never started
            return end.outcome.ended(end.number, "", end.time)
        trial.reader.join()
        trial.printed.seek(0)
        output = trial.printed.read().decode("utf-8", "replace")
        trial.printed.close()
        return trial.judgement.settle(end.outcome).ended(end.number, output, end.time)

    def _fail(self, trial, kind, message):
        trial.fault = Failure(kind, message)
        trial.process.kill()

    def _write(self, trial, message):
        try:
            trial.process.stdin.write(json.dumps(message).encode() + b"\n")
            trial.process.stdin.flush()
        except OSError:
            pass  # the program is gone, and its end is told

    def _read(self, trial):
        """Take in what a program writes until it ends (in a thread of its own)."""
        outcome = None
        try:
            for line in trial.process.stdout:
                message = json.loads(line)
                if "outcome" in message:
                    outcome = Outcome.from_json(message["outcome"])
                else:
                    self._arrived.put(Report(trial.job.number, parse_metrics(message["metrics"])))
        except (ValueError, LookupError, TypeError, RetiariiError) as error:  # a trial may write anything
            self._fail(trial, FailureKind.VANISHED, f"The trial wrote what is no message: {error!r}")
        code = trial.process.wait()
        trial.process.stdout.close()
        try:
            trial.process.stdin.close()
        except OSError:
            pass
        if trial.fault is not None:
            outcome = Outcome(failure=trial.fault)
        elif outcome is None:
            outcome = Outcome(failure=Failure(FailureKind.VANISHED, f"The program ended with code {code}."))
        self._arrived.put(End(trial.job.number, outcome))
