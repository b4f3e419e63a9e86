"""The guardian: the process between the user's process and the template, which leaves nothing behind (POSIX only).

It waits for the end of the template, or of the user's process, and then kills whatever is left below it. On Linux every
orphan below it becomes its child, in whatever session or group it is, so that it needs to know no names. It runs none
of the user's code and holds next to nothing: a stopped, stuck or killed template cannot keep it from its work.
"""

from __future__ import annotations

import math
import os
import select
import signal
import time
from typing import NoReturn

from retiarii.execution._exit_bell import ExitBell
from retiarii.execution._processes import IS_LINUX, PARENT_DIED, children, kill_group, kill_marked, try_to_kill

_LOOK_S = 1.0  # how often to see whether the parent still lives, should no signal tell
_GRACE_S = 0.5  # how long a template whose parent has died may take to end by itself
_ROUND_S = 0.05  # how often to look for what is left of those that were killed
_GIVE_UP_S = 5.0  # how long to wait when nothing ends any more: no one can kill what belongs to another user


def guard(template: int, parent: int, farewell: int, mark: tuple[str, str]) -> NoReturn:
    """Wait for the end of the template or of the parent; end what is left, say so, and exit.

    Args:
        template: The template's process, a child of this one.
        parent: The process that started this one.
        farewell: Where the exit code of the template is written once nothing is left.
        mark: The environment variable, and its value, that the template's descendants have.
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
    """Return the exit code of the template; None if somebody else collected it."""
    asked: list[int] = []
    deadline = math.inf  # for a template to end by itself, as it does when the parent has died
    signal.signal(signal.SIGTERM, lambda number, stack: asked.append(number))
    for number in (PARENT_DIED, signal.SIGHUP):
        signal.signal(number, lambda number, stack: None)  # have a look
    while True:
        exits = _collect()
        if template in exits:
            return exits[template]
        if not _is_child(template):
            return None
        if os.getppid() != parent and deadline == math.inf:
            # It is not killed at once: should this process be killed now as well, the template would tidy up for it.
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
    """Wait until something that was killed is dead, which is mostly at once."""
    deadline = time.monotonic() + _ROUND_S
    while time.monotonic() < deadline and not _has_dead_child():
        time.sleep(0.001)


def _has_dead_child() -> bool:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _collect() -> dict[int, int]:
    """Collect the children that have exited; return their exit codes."""
    exits: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return exits
        if pid == 0:
            return exits
        exits[pid] = os.waitstatus_to_exitcode(status)
