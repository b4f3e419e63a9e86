"""What a trial does is done in its own process, not in those that it forks."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NamedTuple

from retiarii.errors import EvaluatorError

_num_forks = 0  # from the first process of this program down to this one


class OwnProcess(NamedTuple):
    """A process, told apart from its forks.

    Attributes:
        num_forks: From the first process of this program down to this one; looking at it costs less than asking the
            system for a number, but forks that C code makes are not counted.
        pid: Its number.
    """

    num_forks: int
    pid: int

    def is_this(self) -> bool:
        """Return whether this process is the one; costs a system call."""
        return self.num_forks == _num_forks and self.pid == os.getpid()


def own_process() -> OwnProcess:
    """Return what tells this process from its forks."""
    return OwnProcess(_num_forks, os.getpid())


def refuse_in_fork(own: OwnProcess, function: str, *, is_thorough: bool = False) -> None:
    """Refuse a call in a process that the trial has forked.

    Args:
        own: What `own_process` returned in the trial's own process.
        function: What was called.
        is_thorough: Whether to find forks, too, that C code has made.

    Raises:
        EvaluatorError: This is another process.
    """
    if _num_forks != own.num_forks or (is_thorough and not own.is_this()):
        raise EvaluatorError(
            f"{function} was called in process {os.getpid()}, which the trial has forked. Only the trial's own process "
            "reports: send the number there, for example through a multiprocessing.Queue or as the result of a pool, "
            "and report it there."
        )


def end_in_fork(own: OwnProcess, error: BaseException | None = None) -> None:
    """End a process that the trial has forked and that has come back from the trial's code.

    That is a child of ``os.fork()``, or of the ``fork()`` of C, that returned, raised or called ``sys.exit()``. It ends
    with the exit code that it would have as a program, and without a trace in the process that forked it: no handlers
    of its exit, no code of the caller. Does nothing in the trial's own process.

    Args:
        own: What `own_process` returned in the trial's own process.
        error: What was raised, if anything was.
    """
    if own.is_this():
        return
    try:
        code = _exit_code(error)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BaseException:  # noqa: BLE001 - whatever fails here, a fork must not return into the code of the trial
        code = 1
    finally:
        os._exit(code)


def _exit_code(error: BaseException | None) -> int:
    """Return the exit code of a program that ends so, having printed what Python prints then."""
    if error is None:
        return 0
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        return (error.code or 0) & 0xFF
    if isinstance(error, SystemExit):
        sys.stderr.write(f"{error.code}\n")
    else:
        traceback.print_exception(type(error), error, error.__traceback__)
    return 1


def _count() -> None:
    global _num_forks
    _num_forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count)
