"""The guardian: a process between the user's process and the template that kills leftover processes (POSIX only).

It waits until the template or the user's process ends, and then kills all remaining processes below it. On Linux every
orphan below it becomes its child, whatever its session or group, so it finds all of them. It runs no code of the user
and holds almost no memory: it works even if the template is stopped, stuck or killed.
"""

from __future__ import annotations

import math
import os
import select
import signal
import time
from typing import NoReturn

from retiarii.execution._system.exit_bell import ExitBell
from retiarii.execution._system.processes import IS_LINUX, PARENT_DIED, children, kill_group, kill_marked, try_to_kill

_LOOK_S = 1.0  # how often to check that the parent is alive, in case no signal arrives
_GRACE_S = 0.5  # how long a template may take to end after its parent died
_ROUND_S = 0.05  # how often to check for killed processes that are still there
_GIVE_UP_S = 5.0  # how long to wait for processes that do not end, such as those of another user


def guard(template: int, parent: int, farewell: int, mark: tuple[str, str]) -> NoReturn:
    """Wait for the end of the template or of the parent, kill all remaining processes, report that, and exit.

    Args:
        template: The process id of the template, a child of this process.
        parent: The id of the process that started this one.
        farewell: The descriptor to which the template's exit code is written once nothing is left.
        mark: The environment variable, with its value, of the template's descendants.
    """
    try:
        code = _await_end(template, parent, ExitBell())
        _end_all_below(mark)
        os.write(farewell, str("" if code is None else code).encode() + b"\n")
    except BrokenPipeError:
        pass  # the parent is dead
    finally:
        os._exit(0)


def _await_end(template: int, parent: int, bell: ExitBell) -> int | None:
    """Return the exit code of the template; None if it was collected elsewhere."""
    asked: list[int] = []
    deadline = math.inf  # by which a template ends itself after its parent died
    signal.signal(signal.SIGTERM, lambda number, stack: asked.append(number))
    for number in (PARENT_DIED, signal.SIGHUP):
        signal.signal(number, lambda number, stack: None)  # any signal wakes the loop
    while True:
        exits = _collect()
        if template in exits:
            return exits[template]
        if not _is_child(template):
            return None
        if os.getppid() != parent and deadline == math.inf:
            # It is not killed at once: if this process is killed as well, the template kills the trials.
            deadline = time.monotonic() + _GRACE_S
            os.kill(template, signal.SIGCONT)
        if asked or time.monotonic() >= deadline:
            try_to_kill(template)
        select.select([bell], [], [], max(_ROUND_S, min(_LOOK_S, deadline - time.monotonic())))
        bell.quieten()


def _is_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _end_all_below(mark: tuple[str, str]) -> None:
    if not IS_LINUX:
        kill_marked(*mark)
        return
    give_up = time.monotonic() + _GIVE_UP_S
    while time.monotonic() < give_up:
        if _collect():
            give_up = time.monotonic() + _GIVE_UP_S
        left = children(os.getpid())
        if not left:
            return
        for pid in left:
            kill_group(pid)
            try_to_kill(pid)
        _wait_a_moment()


def _wait_a_moment() -> None:
    """Wait briefly until a killed process is dead."""
    deadline = time.monotonic() + _ROUND_S
    while time.monotonic() < deadline and not _has_dead_child():
        time.sleep(0.001)


def _has_dead_child() -> bool:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _collect() -> dict[int, int]:
    """Collect the children that have exited, and return their exit codes."""
    exits: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return exits
        if pid == 0:
            return exits
        exits[pid] = os.waitstatus_to_exitcode(status)
