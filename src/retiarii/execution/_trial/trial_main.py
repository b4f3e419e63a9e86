"""The main program of a trial's process, forked or started as a new interpreter."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Mapping
from typing import NoReturn

from retiarii.execution._executor import Report, Task, TrialJob
from retiarii.execution._outcome import Outcome
from retiarii.execution._run_task import describe, run_task
from retiarii.execution._system.descriptors import received
from retiarii.execution._system.frameworks import LateImport, use_threads
from retiarii.execution._system.memory_limit import lift_limit, limit_allocations
from retiarii.execution._system.processes import (
    IS_POSIX,
    PARENT_DIED,
    adopt_orphans,
    private_memory,
    show_stack_on_request,
    signal_at_parents_death,
)
from retiarii.execution._system.standard_streams import flush, hand_over, redirect
from retiarii.execution._trial.channel import CHANNEL_LOST, Channel, ChannelLostError, SteadyEnd
from retiarii.execution._trial.judged_reports import JudgedReports
from retiarii.execution._trial.template_settings import TemplateSettings, load_task, read_start

CRASHED = 70  # EX_SOFTWARE: the code around the task failed, or the task closed its pipes
ORPHANED = 71


def live_forked(
    task: Task,
    settings: TemplateSettings,
    job: TrialJob,
    environment: Mapping[str, str],
    *,
    parent: int,
    events: int,
    answers: int,
    output: int,
    inherited: Iterable[int],
    late: LateImport,
) -> NoReturn:
    """Run one trial in a forked child, and exit.

    Each memory page that it writes to is copied, so it does only work that the template cannot do before the fork.

    Args:
        task: The task.
        settings: The settings of the template.
        job: The job to run.
        environment: The environment variables of this trial.
        parent: The process id of the template.
        events: The descriptor for events.
        answers: The descriptor with the answers to reports; -1 if the trial does not wait for answers.
        output: The descriptor for standard output and standard error.
        inherited: The descriptors of the template that its children must close.
        late: Told what the trial imported, for those after it.
    """
    code = CRASHED
    try:
        for descriptor in inherited:
            os.close(descriptor)
        hand_over(output)
        os.setsid()
        _lead(parent)
        gc.enable()
        for name, value in environment.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        channel = _channel_to(parent, events)
        if settings.threads_per_trial > 1:  # the template has one
            use_threads(settings.threads_per_trial)
        if settings.limits.memory_bytes is not None:  # else the template does not expect this event
            _begin(settings, environment, channel)
        _perform(task, settings, job, channel, _report_to(parent, channel, answers))
        late.tell()
        code = 0
    except ChannelLostError:
        code = CHANNEL_LOST
    except BaseException:  # noqa: BLE001 - a child must never return into the template's code
        traceback.print_exc()
    finally:
        os._exit(code)


def main(parent: int, payload: int, events: int, answers: int = -1) -> None:
    """Run one trial in a new interpreter, and exit.

    Args:
        parent: The process id of the template.
        payload: The number of the descriptor of the file with settings, task and order.
        events: The number of the descriptor for events.
        answers: The number of the descriptor with the answers to reports; -1 if the trial does not wait for answers.
    """
    with open(received(payload), "rb") as file:
        settings, data, order = read_start(file)
    assert order is not None  # the process that started this one wrote one
    channel = _channel_to(parent, received(events))
    report = _report_to(parent, channel, answers if answers < 0 else received(answers))
    redirect(1)
    _become_trial(parent)
    sys.argv[:] = settings.argv
    code = CRASHED
    try:
        task = load_task(data, settings)
    except BaseException as error:  # noqa: BLE001 - user code runs here; reported like an error in a template
        failure = describe(error)
        channel.send({"event": "unusable", "message": failure.message, "traceback": failure.traceback})
        os._exit(CRASHED)
    try:
        use_threads(settings.threads_per_trial)
        _begin(settings, order["environment"], channel)
        _perform(task, settings, TrialJob.from_json(order["job"]), channel, report)
        code = 0
    except ChannelLostError:
        code = CHANNEL_LOST
    finally:
        flush()
        os._exit(code)


def _channel_to(parent: int, events: int) -> Channel:
    return Channel(SteadyEnd(events, parent, os.O_WRONLY))


def _report_to(parent: int, channel: Channel, answers: int) -> Report:
    """Return the report function of the trial, which waits for answers if there is a pipe for them."""
    if answers < 0:
        return channel.report
    return JudgedReports(channel, SteadyEnd(answers, parent, os.O_RDONLY)).report


def _begin(settings: TemplateSettings, environment: Mapping[str, str], channel: Channel) -> None:
    """Limit the memory, and send the event that the task begins, with the memory used before it."""
    memory, baseline = settings.limits.memory_bytes, 0
    if memory is not None:
        baseline = private_memory(os.getpid())
        if not environment.get("CUDA_VISIBLE_DEVICES"):  # CUDA reserves a huge address space
            limit_allocations(memory)
    channel.send({"event": "running", "baseline": baseline})


def _perform(task: Task, settings: TemplateSettings, job: TrialJob, channel: Channel, report: Report) -> None:
    try:
        outcome = run_task(task, job, report)
    except KeyboardInterrupt as error:  # raised by the task itself: Ctrl-C does not reach this process
        outcome = Outcome(failure=describe(error))
    if settings.limits.memory_bytes is not None:
        lift_limit()
    flush()
    channel.send({"event": "ended", **outcome.to_json()})


def _become_trial(parent: int) -> None:
    """Set up a new interpreter like a template, as the leader of the processes that the trial starts."""
    if IS_POSIX:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the experiment handles Ctrl-C and decides about its trials
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        show_stack_on_request()
        _lead(parent)
    faulthandler.enable(file=2)


def _lead(parent: int) -> None:
    """Become the leader of the processes that the trial starts, and end when the parent ends (POSIX only)."""
    signal.set_wakeup_fd(-1)
    for number in (PARENT_DIED, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal_at_parents_death(signal.SIGKILL)
    adopt_orphans()
    if os.getppid() != parent:  # it ended before the request to the kernel
        os._exit(ORPHANED)
