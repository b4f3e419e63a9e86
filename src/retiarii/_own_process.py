"""`OwnProcess`: tell a trial's own process from the processes that it forks, in which it must not report."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NamedTuple

from retiarii.errors import EvaluatorError

_num_forks = 0  # from the first process of this program down to this one


class OwnProcess(NamedTuple):
    """The identity of a process, different from that of its forks.

    Attributes:
        num_forks: How many forks lie between the first process of this program and this one. Comparing it is cheaper
            than a system call, but forks made by C code are not counted.
        pid: The process id.
    """

    num_forks: int
    pid: int

    def is_this(self) -> bool:
        """Return whether the calling process is this one; costs a system call."""
        return self.num_forks == _num_forks and self.pid == os.getpid()


def own_process() -> OwnProcess:
    """Return the identity of the calling process."""
    return OwnProcess(_num_forks, os.getpid())


def refuse_in_fork(own: OwnProcess, function: str, *, is_thorough: bool = False) -> None:
    """Raise an error when the calling process was forked by the trial.

    Args:
        own: The identity that `own_process` returned in the trial's own process.
        function: The called function, for the message.
        is_thorough: Whether to detect forks made by C code, too.

    Raises:
        EvaluatorError: The calling process is not the trial's own.
    """
    if _num_forks != own.num_forks or (is_thorough and not own.is_this()):
        raise EvaluatorError(
            f"{function} was called in process {os.getpid()}, which the trial has forked. Only the trial's own process "
            "reports: send the number there, for example through a multiprocessing.Queue or as the result of a pool, "
            "and report it there."
        )


def end_in_fork(own: OwnProcess, error: BaseException | None = None) -> None:
    """End a forked child of the trial that returned from the trial's code; do nothing in the trial's own process.

    Such a child was made by ``os.fork()`` or by the ``fork()`` of C, and returned, raised or called ``sys.exit()``. It
    ends with the exit code that it would have as a program, without running exit handlers or code of the caller.

    Args:
        own: The identity that `own_process` returned in the trial's own process.
        error: The exception that the child raised, if any.
    """
    if own.is_this():
        return
    try:
        code = _exit_code(error)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BaseException:  # noqa: BLE001 - on any error: a fork must not return into the caller's code
        code = 1
    finally:
        os._exit(code)


def _exit_code(error: BaseException | None) -> int:
    """Return the exit code of a program that ends with this error, after printing the error as Python does."""
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
