"""`CheckedExecutor`: a wrapper that checks that a user's executor keeps the rules of the interface."""

from __future__ import annotations

import math
import reprlib
from typing import NoReturn

from retiarii.errors import ExecutionError, MetricError, RetiariiError
from retiarii.execution import Event, Executor, OnReport, TrialEnded, TrialJob, TrialStarted
from retiarii.trial import Clock, Failure, Metrics, TrialState, parse_metrics

_CONTRACT = "See the docstring of retiarii.execution.Executor; retiarii.testing.execution has tests for executors."


def _go_on(number: int, metrics: Metrics) -> None:
    """Continue every trial: an ``on_report`` that never prunes."""


class CheckedExecutor(Executor):
    """Forwards every call to an executor, and checks its answers.

    If the executor breaks a rule of the interface, the search ends with an `ExecutionError` that names the rule, after
    all earlier events; a resume runs the running trials again.

    Args:
        inner: The user's executor.
    """

    def __init__(self, inner: Executor) -> None:
        self._inner = inner
        self._under_way: set[int] = set()
        self._fault: ExecutionError | None = None  # found after valid events
        self._raised: BaseException | None = None  # by on_report

    @property
    def slots(self) -> int:
        """How many trials run at the same time.

        Raises:
            ExecutionError: ``slots`` is not a whole number, 1 or more.
        """
        try:
            slots = self._inner.slots
        except Exception as error:  # noqa: BLE001 - of the user's own; raised again with its name
            self._fail(error, "slots")
        if isinstance(slots, bool) or not isinstance(slots, int) or slots < 1:
            raise self._broken(f"has {slots!r} slots, expected a whole number, 1 or more")
        return slots

    @property
    def clock(self) -> Clock:
        """The clock of its trials.

        Raises:
            ExecutionError: ``clock`` is not a `Clock`.
        """
        try:
            clock = self._inner.clock
        except Exception as error:  # noqa: BLE001 - of the user's own; raised again with its name
            self._fail(error, "clock")
        if not isinstance(clock, Clock):
            raise self._broken(f"has the clock {clock!r}, expected an instance of retiarii.trial.Clock")
        return clock

    def submit(self, job: TrialJob) -> None:
        """Run a trial as soon as a slot is free.

        Raises:
            ExecutionError: The executor raised an error.
        """
        try:
            self._inner.submit(job)
        except Exception as error:  # noqa: BLE001 - of the user's own; raised again with its name
            self._fail(error, f"submit(), of trial {job.number}")
        self._under_way.add(job.number)

    def poll(self, timeout: float | None = None, on_report: OnReport = _go_on) -> list[Event]:
        """Return the events since the last call.

        Raises:
            ExecutionError: Trials cannot be run at all, or the executor broke a rule of the interface.
        """
        if self._fault is not None:
            raise self._fault

        def told(number: int, metrics: Metrics) -> str | None:
            reported = self._reported(number, metrics)
            try:
                return on_report(number, reported)
            except BaseException as error:
                self._raised = error
                raise

        try:
            events = self._inner.poll(timeout, told)
        except Exception as error:  # noqa: BLE001 - of the user's own; raised again with its name
            self._fail(error, "poll()")
        self._raise_what_was_raised()  # an executor may have caught it
        if not isinstance(events, list):
            raise self._broken(f"returned {reprlib.repr(events)} from poll(), expected a list of events")
        return self._in_order(events)

    def cancel(self, number: int) -> None:
        """Kill a trial."""
        try:
            self._inner.cancel(number)
        except Exception as error:  # noqa: BLE001 - of the user's own; raised again with its name
            self._fail(error, "cancel()")

    def close(self) -> None:
        """Close the executor."""
        try:
            self._inner.close()
        except Exception as error:  # noqa: BLE001 - of the user's own; raised again with its name
            self._fail(error, "close()")

    def _in_order(self, events: list[Event]) -> list[Event]:
        """Return the events before the first invalid one, which is raised now or by the next call."""
        for place, event in enumerate(events):
            fault = self._fault_of(event)
            if fault is not None:
                self._fault = self._broken(fault)
                if place == 0:
                    raise self._fault
                return events[:place]
            if isinstance(event, TrialEnded):
                self._under_way.discard(event.number)
        return events

    def _fault_of(self, event: Event) -> str | None:
        if not isinstance(event, (TrialStarted, TrialEnded)):
            return f"told the event {reprlib.repr(event)}, expected a TrialStarted or a TrialEnded"
        if event.number not in self._under_way:
            what = "the end" if isinstance(event, TrialEnded) else "the start"
            return f"told {what} of trial {event.number!r}, {self._why_unknown()}"
        if isinstance(event.time, bool) or not isinstance(event.time, (int, float)) or not math.isfinite(event.time):
            return f"told an event of trial {event.number} with the time {event.time!r}, expected Unix time in seconds"
        for name in ("output", "reason") if isinstance(event, TrialEnded) else ("device",):
            text = getattr(event, name)
            if not isinstance(text, str):
                return f"told an event of trial {event.number} with the {name} {reprlib.repr(text)}, expected a text"
        return _fault_of_end(event) if isinstance(event, TrialEnded) else None

    def _why_unknown(self) -> str:
        under_way = sorted(self._under_way) or "none"
        return f"which has ended already or was never submitted (under way: {reprlib.repr(under_way)})"

    def _reported(self, number: int, metrics: Metrics) -> Metrics:
        if number not in self._under_way:
            self._raised = self._broken(f"told a report of trial {number!r}, {self._why_unknown()}")
            raise self._raised
        try:
            return parse_metrics(metrics, where=f"what trial {number} reported")
        except MetricError as error:
            self._raised = self._broken(f"told a report that is none: {error}")
            raise self._raised from error

    def _raise_what_was_raised(self) -> None:
        if self._raised is not None:
            error, self._raised = self._raised, None
            raise error

    def _fail(self, error: Exception, where: str) -> NoReturn:
        """Raise an error of the executor with its name; raise errors of retiarii and of ``on_report`` unchanged."""
        self._raise_what_was_raised()
        if isinstance(error, RetiariiError):
            raise error
        raise ExecutionError(f"{self._inner!r} raised {type(error).__name__} in {where}: {error}") from error

    def _broken(self, what: str) -> ExecutionError:
        return ExecutionError(f"The executor {self._inner!r} {what}. {_CONTRACT}")


def _fault_of_end(event: TrialEnded) -> str | None:
    told = f"told the end of trial {event.number}"
    if not isinstance(event.state, TrialState) or not event.state.is_finished:
        return f"{told} with the state {event.state!r}, expected completed, pruned or failed"
    if event.state is TrialState.COMPLETED and not _are_numbers(event.metrics):
        return f"{told}, completed with the metrics {reprlib.repr(event.metrics)}, expected a dict of numbers"
    if event.state is TrialState.FAILED and not isinstance(event.failure, Failure):
        return f"{told}, failed with the failure {reprlib.repr(event.failure)}, expected a retiarii.trial.Failure"
    return None


def _are_numbers(metrics: object) -> bool:
    return isinstance(metrics, dict) and all(isinstance(value, (int, float)) for value in metrics.values())
