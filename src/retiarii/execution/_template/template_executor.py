"""`TemplateExecutor`: isolated trials in processes that are forked from a process with the task loaded."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from retiarii.errors import ConfigError, ExecutionError
from retiarii.evaluator import dumps as dump_object
from retiarii.execution._devices import Device, DevicePool, cores_for_each
from retiarii.execution._executor import (
    Event,
    Executor,
    Limits,
    OnReport,
    Task,
    TrialJob,
    TrialStarted,
    let_go_on,
)
from retiarii.execution._judgement import Judgement
from retiarii.execution._outcome import Outcome, metrics_from_json
from retiarii.execution._system.frames import Message
from retiarii.execution._system.frameworks import imported_here
from retiarii.execution._template.template_process import TemplateProcess
from retiarii.execution._trial.template_settings import Dumps, TemplateSettings
from retiarii.trial import Failure, FailureKind, Metrics

logger = logging.getLogger(__name__)

START_METHODS = ("fork", "spawn")
MAX_RESTARTS = 3  # templates that die in a row without any trial ending in between
_SLICE_S = 1.0  # how often to check that the template is alive


@dataclass(frozen=True)
class _Running:
    """A trial that was sent to the template.

    Attributes:
        job: The job.
        device: The device leased to it.
        judgement: The answers to its reports.
    """

    job: TrialJob
    device: Device
    judgement: Judgement


class TemplateExecutor(Executor):
    """Runs every trial in a new process that is forked from a *template*, which has loaded the task once.

    The template starts immediately and loads the task in the background; trials that are submitted meanwhile wait.
    Each trial has its own session, its own GPUs and its share of the cores; the last 64 KiB of its output are returned
    with its end. A trial that raises, hangs, crashes, is killed or takes too much memory is a failed trial, and all
    processes that it started are killed at its end. A template that dies is replaced, and its trials fail.

    torch, and libraries that are imported in a trial, use ``threads_per_trial`` threads there; if NumPy was imported
    with the task, its linear algebra uses one thread in forked trials.

    Args:
        task: The task that each trial runs, or its pickle as bytes.
        slots: How many trials run at the same time.
        limits: The resource limits of one trial.
        devices: Groups of GPUs, one for each running trial: indices as ``torch.cuda`` counts them in this process, or
            UUIDs. None (and an empty group) hides all GPUs from trials.
        threads_per_trial: The number of CPU threads of each trial; None divides the cores among the slots.
        start_method: ``"fork"``, or ``"spawn"``: a new interpreter for each trial, which loads the task itself. This is
            much slower, and meant for tasks that cannot be forked. None uses fork where it is safe (Linux and other
            Unix, not macOS and Windows).
        dumps: The function that pickles the task.

    Raises:
        ConfigError: An argument has an invalid value.
        SerializationError: The task cannot be pickled.
    """

    def __init__(
        self,
        task: Task | bytes,
        *,
        slots: int = 1,
        limits: Limits | None = None,
        devices: Sequence[Sequence[int | str]] | None = None,
        threads_per_trial: int | None = None,
        start_method: str | None = None,
        dumps: Dumps = dump_object,
    ) -> None:
        _at_least_one("slots", slots)
        if threads_per_trial is not None:
            _at_least_one("threads_per_trial", threads_per_trial)
        self._slots = slots
        self._devices = DevicePool(devices, slots)
        self._settings = TemplateSettings(
            is_forking=_is_forking(start_method),
            threads_per_trial=threads_per_trial or cores_for_each(slots),
            limits=limits or Limits(),
            preloads=imported_here(),
        )
        self._task = task if isinstance(task, bytes) else dumps(task, "task")
        self._waiting: deque[TrialJob] = deque()
        self._running: dict[int, _Running] = {}
        self._messages: deque[Message] = deque()  # received and not handled yet
        self._events: list[Event] = []
        self._deaths = 0  # of templates, since a trial last ended
        self._broken: ExecutionError | None = None
        self._template = TemplateProcess(self._settings, self._task)

    @property
    def slots(self) -> int:
        """How many trials run at the same time."""
        return self._slots

    def submit(self, job: TrialJob) -> None:
        """Run a trial as soon as a slot is free and the template has loaded the task.

        Raises:
            ExecutionError: The executor is closed or broken, or a trial of this number is under way.
        """
        if self._broken is not None:
            raise self._broken
        if job.number in self._running or any(job.number == waiting.number for waiting in self._waiting):
            raise ExecutionError(f"Trial {job.number} cannot be submitted: a trial of this number is under way.")
        self._waiting.append(job)
        self._start_what_fits()

    def poll(self, timeout: float | None = None, on_report: OnReport = let_go_on) -> list[Event]:
        """Return the events since the last call, waiting for the first one if there is none yet.

        Raises:
            ExecutionError: The task cannot be loaded in the template (with the error raised there), or templates die
                repeatedly.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        patience = 0.0  # at first, take only messages that are already there
        while not self._broken:
            self._messages += self._template.receive(patience)
            is_told = self._digest(on_report)
            if not self._template.is_alive and self._broken is None:
                self._replace_template()
            self._start_what_fits()
            patience = min(deadline - time.monotonic(), _SLICE_S)
            if self._events or is_told or patience <= 0 or not (self._running or self._waiting):
                break
        events, self._events = self._events, []
        if self._broken is not None and not events:
            raise self._broken
        return events

    def cancel(self, number: int) -> None:
        """Kill a trial, which ends as failed with the kind ``CANCELLED``; does nothing if it has ended already."""
        for job in [job for job in self._waiting if job.number == number]:
            self._waiting.remove(job)
            self._fail(number, FailureKind.CANCELLED, "The trial was cancelled before it started.")
        if number in self._running:
            self._template.send({"order": "cancel", "number": number})

    def close(self) -> None:
        """Kill running trials, wait until they have ended, and end the template; may be called again."""
        self._break("This executor is closed.")

    def _start_what_fits(self) -> None:
        while self._waiting and self._template.is_ready and len(self._running) < self._slots:
            job = self._waiting.popleft()
            device = self._devices.lease()
            job = replace(job, device="cuda" if device.gpus else "cpu")
            self._running[job.number] = _Running(job, device, Judgement(job))
            self._template.send(
                {"order": "run", "job": job.to_json(), "environment": {"CUDA_VISIBLE_DEVICES": device.visible}}
            )

    def _digest(self, on_report: OnReport) -> bool:
        """Handle the messages of the template; return whether reports were among them."""
        is_told = False
        while self._messages:
            if self._events and self._messages[0]["event"] == "reported":
                break  # earlier events are returned before the report is passed on
            message = self._messages.popleft()
            event = message["event"]
            if "number" in message and message["number"] not in self._running:
                continue  # the trial has ended already
            if event == "ready":
                _log_loading(message)
            elif event == "unusable":
                self._break(
                    f"The task cannot be loaded in the process that runs trials: {message['message']}\n\n"
                    f"What happened there:\n{message['traceback']}"
                )
            elif event == "started":
                number = message["number"]
                device = self._running[number].device
                self._events.append(TrialStarted(number, device.label, message["pid"], message["time"]))
            elif event == "reported":
                is_told = True
                self._judge(self._running[message["number"]], metrics_from_json(message["metrics"]), on_report)
            else:
                self._deaths = 0
                self._end(message["number"], Outcome.from_json(message), message["output"], message["time"])
        return is_told

    def _judge(self, trial: _Running, metrics: Metrics, on_report: OnReport) -> None:
        """Pass a report on; a trial that waits for the answer gets one even if ``on_report`` raises."""
        try:
            trial.judgement.answer(metrics, on_report)
        finally:
            if trial.job.is_judged:
                reason = trial.judgement.reason
                self._template.send({"order": "answer", "number": trial.job.number, "reason": reason})

    def _end(self, number: int, outcome: Outcome, output: str, ended: float) -> None:
        trial = self._running.pop(number, None)
        if trial is not None:  # else it was still waiting for a slot
            self._devices.give_back(trial.device)
            outcome = trial.judgement.settle(outcome)
        self._events.append(outcome.ended(number, output, ended))

    def _fail(self, number: int, kind: FailureKind, message: str) -> None:
        self._end(number, Outcome(failure=Failure(kind, message)), "", time.time())

    def _replace_template(self) -> None:
        """Start a new template after the death of the old one, unless templates die repeatedly."""
        end = self._template.epitaph()
        self._deaths += 1
        for number in list(self._running):
            self._fail(number, FailureKind.VANISHED, f"The process that trials are forked from {end}")
        if self._deaths > MAX_RESTARTS:
            self._break(f"The process that trials are forked from {end}\nIt did so {self._deaths} times in a row.")
            return
        logger.warning("The process that trials are forked from %s A new one takes over.", end)
        self._template = TemplateProcess(self._settings, self._task)

    def _break(self, reason: str) -> None:
        """Release all resources; later calls raise an error with this reason."""
        if self._broken is None:
            self._broken = ExecutionError(reason)
        self._waiting.clear()
        self._running.clear()
        self._messages.clear()
        self._template.close()


def _is_forking(start_method: str | None) -> bool:
    can_fork = hasattr(os, "fork")
    if start_method is None:
        return can_fork and sys.platform != "darwin"  # macOS's frameworks start threads of their own
    if start_method not in START_METHODS:
        raise ConfigError(f"start_method is {start_method!r}, expected one of {list(START_METHODS)}, or None.")
    if start_method == "fork" and not can_fork:
        raise ConfigError("start_method is 'fork', but this system cannot fork. Use 'spawn', or leave it out.")
    return start_method == "fork"


def _at_least_one(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name} is {value!r}, expected a whole number, 1 or more.")


def _log_loading(ready: Message) -> None:
    if "load_s" not in ready:
        return
    logger.info("Importing libraries took %.2f s, loading the task %.2f s.", ready["import_s"], ready["load_s"])
    if ready["num_threads"] > 1:
        logger.warning(
            "Loading the model and the evaluator started %d thread(s) in the process that trials are forked from. "
            "Trials do not have these threads, and may wait for them forever. Create what has threads (clients, pools) "
            "inside the evaluation, or start each trial as a new interpreter: config.executor = lambda task: "
            'TemplateExecutor(task, start_method="spawn").',
            ready["num_threads"] - 1,
        )
