"""Watching an executor in tests: polling, recording its events, and answering reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import psutil

from retiarii.execution import Event, Executor, Limits, OnReport, TrialEnded, TrialStarted
from retiarii.trial import Failure, Metrics, TrialState

PATIENCE_S = 60.0  # for events that take a moment on an idle machine
LIMITS = Limits(timeout_s=5.0, memory_bytes=200 << 20)


@dataclass(frozen=True)
class Reported:
    """A trial reported intermediate metrics."""

    number: int
    metrics: Metrics


Heard: TypeAlias = "Event | Reported"


def let_all_go_on(number: int, metrics: Metrics) -> None:
    """Answer every report so that the trial continues."""


def listen(executor: Executor, timeout: float | None = None, judge: OnReport = let_all_go_on) -> list[Heard]:
    """Poll once; return the reports, then the events, all in the order in which they happened.

    Args:
        executor: The executor to poll.
        timeout: As in `Executor.poll`.
        judge: A function that answers reports.
    """
    heard: list[Heard] = []

    def on_report(number: int, metrics: Metrics) -> str | None:
        heard.append(Reported(number, dict(metrics)))
        return judge(number, metrics)

    events = executor.poll(timeout, on_report)
    return [*heard, *events]


def watch(executor: Executor, numbers: Iterable[int], judge: OnReport = let_all_go_on) -> list[Heard]:
    """Poll until the trials of these numbers have ended; return all reports and events."""
    waiting = set(numbers)
    heard: list[Heard] = []
    deadline = time.monotonic() + PATIENCE_S
    while waiting:
        assert time.monotonic() < deadline, f"the trials {sorted(waiting)} have not ended; so far: {heard}"
        heard += listen(executor, 0.5, judge)
        waiting -= {event.number for event in heard if isinstance(event, TrialEnded)}
    return heard


def reports(heard: Iterable[Heard], number: int | None = None) -> list[Metrics]:
    """Return what a trial reported, in order; all reports if no number is given."""
    return [event.metrics for event in heard if isinstance(event, Reported) and number in (event.number, None)]


def ending(heard: Iterable[Heard], number: int | None = None) -> TrialEnded:
    """Return the outcome of a trial; of the only trial if no number is given."""
    (ended,) = [event for event in heard if isinstance(event, TrialEnded) and number in (event.number, None)]
    return ended


def failure_of(heard: Iterable[Heard], number: int | None = None) -> Failure:
    """Return the failure of a trial; of the only trial if no number is given."""
    ended = ending(heard, number)
    assert ended.state is TrialState.FAILED
    assert ended.metrics is None
    assert ended.failure is not None
    return ended.failure


def pids_in(heard: Iterable[Heard]) -> list[int]:
    """Return the ids of trials' processes, and of the processes that the trials reported to have started."""
    pids = []
    for event in heard:
        if isinstance(event, TrialStarted):
            pids.append(event.pid)
        elif isinstance(event, Reported):
            pids += [int(pid) for name, pid in event.metrics.items() if name != "default"]
    return pids


def eventually(condition: Callable[[], bool]) -> bool:
    """Return whether a condition becomes true in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_running(pid: int) -> bool:
    """Return whether a process is running; a zombie is not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
