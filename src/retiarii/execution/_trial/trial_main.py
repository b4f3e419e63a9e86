"""What happens inside the process of a trial, whether it was forked or started afresh."""

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
from retiarii.execution._system.frameworks import use_threads
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

CRASHED = 70  # EX_SOFTWARE: the machinery around the task failed, or the task took away its pipes
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
) -> NoReturn:
    """Spend the life of a forked child on one trial.

    Whatever it touches is copied, so it does only what the template cannot do before the fork: each step less is a
    part of a millisecond.

    Args:
        task: What a trial does.
        settings: The template's.
        job: What to run.
        environment: Variables of this trial.
        parent: The template's process.
        events: Where events are written.
        answers: Where the answers to reports come from; -1 where they are not awaited.
        output: Where standard output and standard error go.
        inherited: Descriptors of the template that are not for its children.
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
        if settings.limits.memory_bytes is not None:  # else the template expects no word of it
            _begin(settings, environment, channel)
        _perform(task, settings, job, channel, _report_to(parent, channel, answers))
        code = 0
    except ChannelLostError:
        code = CHANNEL_LOST
    except BaseException:  # noqa: BLE001 - a child must never return into the template's code
        traceback.print_exc()
    finally:
        os._exit(code)


def main(parent: int, payload: int, events: int, answers: int = -1) -> None:
    """Spend the life of a new interpreter on one trial.

    Args:
        parent: The template's process.
        payload: Names the descriptor of a file that holds what to run.
        events: Names the descriptor that events are written to.
        answers: Names the descriptor that the answers to reports come from; -1 where they are not awaited.
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
        task = load_task(data)
    except BaseException as error:  # noqa: BLE001 - user code runs here; told like an exception in a template
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
    """Return how the trial reports: it waits for answers where there is a pipe for them."""
    if answers < 0:
        return channel.report
    return JudgedReports(channel, SteadyEnd(answers, parent, os.O_RDONLY)).report


def _begin(settings: TemplateSettings, environment: Mapping[str, str], channel: Channel) -> None:
    """Limit the memory, and tell that the task begins now, and what the trial had before it."""
    memory, baseline = settings.limits.memory_bytes, 0
    if memory is not None:
        baseline = private_memory(os.getpid())
        if not environment.get("CUDA_VISIBLE_DEVICES"):  # CUDA reserves address space without end
            limit_allocations(memory)
    channel.send({"event": "running", "baseline": baseline})


def _perform(task: Task, settings: TemplateSettings, job: TrialJob, channel: Channel, report: Report) -> None:
    try:
        outcome = run_task(task, job, report)
    except KeyboardInterrupt as error:  # raised by the task itself: the keyboard's do not come here
        outcome = Outcome(failure=describe(error))
    if settings.limits.memory_bytes is not None:
        lift_limit()
    flush()
    channel.send({"event": "ended", **outcome.to_json()})


def _become_trial(parent: int) -> None:
    """Set a new interpreter up as a template is, and lead what the trial starts."""
    if IS_POSIX:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the experiment, which decides about its trials
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        show_stack_on_request()
        _lead(parent)
    faulthandler.enable(file=2)


def _lead(parent: int) -> None:
    """Become the leader of everything that the trial starts, bound to the life of the parent (POSIX only)."""
    signal.set_wakeup_fd(-1)
    for number in (PARENT_DIED, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal_at_parents_death(signal.SIGKILL)
    adopt_orphans()
    if os.getppid() != parent:  # it died before the kernel knew that we want to be told
        os._exit(ORPHANED)
