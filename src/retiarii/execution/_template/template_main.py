"""The main program of the template: it loads the task once, and then forks trials until its parent ends.

It runs as ``python -c`` in its own session, below a guardian that kills it and all remaining trial processes if it does
not end by itself. One pipe delivers the settings, the task and then orders, another takes events; output of loading the
task goes to standard output and error. With the start method ``spawn`` it imports no libraries and loads no task, but
starts and watches interpreters that do.
"""

from __future__ import annotations

import faulthandler
import gc
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable

from retiarii.errors import ExecutionError
from retiarii.execution._run_task import describe
from retiarii.execution._system.descriptors import received
from retiarii.execution._system.frames import Message
from retiarii.execution._system.frameworks import LateImport, has_started_cuda, preload, use_threads
from retiarii.execution._system.huge_pages import HugePages
from retiarii.execution._system.processes import (
    IS_LINUX,
    IS_POSIX,
    PARENT_DIED,
    adopt_orphans,
    show_stack_on_request,
    signal_at_parents_death,
)
from retiarii.execution._system.standard_streams import flush, make_readable, redirect
from retiarii.execution._template.guardian import guard
from retiarii.execution._template.parent_link import ParentLink
from retiarii.execution._template.supervisor import Launch, Supervisor
from retiarii.execution._template.trial_launch import TrialProcess, fork_trial, spawn_trial
from retiarii.execution._trial.template_settings import MARK, TemplateSettings, adapt_environment, load_task, read_start

_MANY = 10  # trials after which it is worth making forks faster
_COLLAPSE_S = 0.02  # the maximum time for it at each start of a trial


def main(parent: int, orders: int, events: int, farewell: int) -> None:
    """Serve the process that started this one; on POSIX systems in a child that a guardian watches.

    Args:
        parent: The id of the process that started this one; it may have ended since.
        orders: The number of the descriptor with the settings, the task and orders.
        events: The number of the descriptor for events.
        farewell: The number of the descriptor for the exit code, written once the template and its trials have ended.
    """
    started = time.perf_counter()
    pipes = [received(number) for number in (orders, events, farewell)]
    faulthandler.enable(file=2)
    if IS_POSIX:
        parent = _fork_from_guardian(parent, *pipes)
    has_own_children = _serve(parent, pipes[0], pipes[1], started)
    if not IS_POSIX:
        os.write(pipes[2], b"0\n")
    if not has_own_children:
        os._exit(0)  # fast; the normal exit is needed only if loading the task started processes


def _fork_from_guardian(parent: int, orders: int, events: int, farewell: int) -> int:
    """Continue in a fork of this process, which becomes the guardian; return the guardian's process id."""
    _settle(parent)
    guardian = os.getpid()
    template = os.fork()
    if template:
        os.close(orders)
        os.close(events)
        guard(template, parent, farewell, (MARK, os.environ.get(MARK, "")))
    os.close(farewell)
    _settle(guardian)
    return guardian


def _serve(parent: int, orders: int, events: int, started: float) -> bool:
    """Load the task and run trials until the parent closes the pipe of orders or ends.

    Returns:
        Whether loading the task started child processes, which must be ended in order.
    """
    try:
        with open(orders, "rb", closefd=False) as pipe:
            settings, data, _ = read_start(pipe)
    except EOFError:
        return False
    # The parent sends orders only after the event "ready", so none of them was read together with the task.
    link = ParentLink(orders, events, parent)
    redirect(1)
    sys.argv[:] = settings.argv
    try:
        launch, told = _prepare(settings, data, started)
    except BaseException as error:  # noqa: BLE001 - it runs user code; the parent raises the error
        failure = describe(error)
        link.send({"event": "unusable", "message": failure.message, "traceback": failure.traceback})
        os._exit(1)
    _settle_down()
    link.send({"event": "ready", **told})
    supervisor = Supervisor(link, launch, settings.limits, is_loaded=settings.is_forking)
    supervisor.serve()
    return supervisor.has_own_children


def _settle(parent: int) -> None:
    """End this process when its parent ends, and the trials when this process ends."""
    if not IS_POSIX:
        return

    def end_if_orphaned(number: int, stack: object) -> None:
        # The kernel sends the signal when the parent's *thread* that started us ends, maybe long before the parent.
        if os.getppid() != parent:
            os.killpg(0, signal.SIGKILL)  # including processes that loading the task started

    for number in (PARENT_DIED, signal.SIGHUP):
        signal.signal(number, end_if_orphaned)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if it is ignored, exit codes of children are lost
    signal_at_parents_death(PARENT_DIED)
    adopt_orphans()
    end_if_orphaned(PARENT_DIED, None)  # it may have ended before the request to the kernel


def _settle_down() -> None:
    """Let the main loop, which watches the parent, end everything; set up the state that forks inherit."""
    if IS_POSIX:
        for number in (PARENT_DIED, signal.SIGHUP):
            signal.signal(number, lambda number, stack: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        show_stack_on_request()
    faulthandler.enable(file=2)


def _prepare(settings: TemplateSettings, data: bytes, started: float) -> tuple[Launch, Message]:
    """Return the function that starts trials, and the message for the parent."""
    if not settings.is_forking:

        def spawn(order: Message, inherited: Iterable[int]) -> TrialProcess:
            return spawn_trial(data, settings, order)

        return spawn, {}

    preload(settings.preloads)
    imported = time.perf_counter()
    task = load_task(data, settings)
    use_threads(1)  # as in most trials, if the task has imported torch
    if has_started_cuda():
        raise ExecutionError(
            "Loading the model and the evaluator initialised CUDA, which a forked process cannot use. Move the model "
            "and the data to the GPU in the evaluator only (model.cpu() before the experiment), or start each trial as "
            'a new interpreter: config.executor = lambda task: TemplateExecutor(task, start_method="spawn").'
        )
    loaded = time.perf_counter()
    make_readable()  # loading the task may have replaced the streams
    adapt_environment(settings, os.environ)
    flush()
    gc.collect()
    gc.freeze()  # a garbage collection in a child would write to, and so copy, every page with objects
    gc.disable()

    huge_pages, num_forks, late = HugePages(), itertools.count(1), LateImport()

    def fork(order: Message, inherited: Iterable[int]) -> TrialProcess:
        late.catch_up()
        process = fork_trial(task, settings, order, inherited, late)
        if next(num_forks) >= _MANY:
            huge_pages.collapse(_COLLAPSE_S)
        return process

    return fork, {"import_s": imported - started, "load_s": loaded - imported, "num_threads": _count_threads()}


def _count_threads() -> int:
    return len(os.listdir("/proc/self/task")) if IS_LINUX else threading.active_count()
