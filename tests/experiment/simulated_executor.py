"""An executor that simulates workers: trials take as long as they say, and waiting for them takes no time."""

import heapq
import math
from collections import deque
from itertools import count

from retiarii.execution import Executor, Judgement, TrialStarted, run_task
from retiarii.trial import Clock

EPOCH = 2_000_000_000.0  # Unix time


class SimulatedClock(Clock):
    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return EPOCH + self.seconds

    def elapsed(self):
        return self.seconds


class SimulatedExecutor(Executor):
    """Runs each trial at once, and tells what happened at the times at which it would have happened.

    Args:
        task: What a trial does; its metric ``seconds`` is how long it takes. Its reports are spread evenly over that.
        slots: How many workers there are.
    """

    def __init__(self, task, slots=8):
        self._task, self._slots = task, slots
        self._clock = SimulatedClock()
        self._waiting, self._running = deque(), {}
        self._coming, self._order = [], count()

    @property
    def slots(self):
        return self._slots

    @property
    def clock(self):
        return self._clock

    def submit(self, job):
        self._waiting.append(job)

    def poll(self, timeout=None, on_report=lambda number, metrics: None):
        started = self._start_what_fits()
        if started:
            return started
        until = self._clock.seconds + (math.inf if timeout is None else timeout)
        while self._coming and self._coming[0][0] <= until:
            self._clock.seconds, _, number, told = heapq.heappop(self._coming)
            if number not in self._running:
                continue
            if isinstance(told, dict):
                outcome = self._judged(number, told, on_report)
                if outcome is None:
                    continue
                told = outcome
            del self._running[number]
            return [told.ended(number, "", self._clock.now())]
        if self._running and timeout is not None:
            self._clock.seconds = until
        return []

    def cancel(self, number):
        self._waiting = deque(job for job in self._waiting if job.number != number)
        self._running.pop(number, None)

    def close(self):
        self._waiting.clear()
        self._running.clear()

    def _start_what_fits(self):
        started = []
        while self._waiting and len(self._running) < self._slots:
            job, reports = self._waiting.popleft(), []
            outcome = run_task(self._task, job, reports.append)
            self._running[job.number] = Judgement(job)
            seconds = (outcome.metrics or {}).get("seconds", 1.0)
            for place, told in enumerate([*reports, outcome], start=1):
                moment = self._clock.seconds + seconds * place / (len(reports) + 1)
                heapq.heappush(self._coming, (moment, next(self._order), job.number, told))
            started.append(TrialStarted(job.number, job.device, 0, self._clock.now()))
        return started

    def _judged(self, number, metrics, on_report):
        judgement = self._running[number]
        return None if judgement.answer(metrics, on_report) is None else judgement.settle(None)
