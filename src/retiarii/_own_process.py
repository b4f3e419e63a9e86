"""`OwnProcess`: what a trial does is done in its own process, not in those that it forks."""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType
from typing import NoReturn

from retiarii.errors import EvaluatorError


class OwnProcess:
    """The process that made this object, told apart from its forks.

    As a context manager it ends a fork that reaches the end of the block (a child of ``os.fork()`` that returns, raises
    or calls ``sys.exit()``) as the end of a program does, so that only the process that entered the block leaves it.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()

    def check(self, function: str) -> None:
        """Refuse a call in a fork.

        Args:
            function: What was called.

        Raises:
            EvaluatorError: This is a fork.
        """
        if os.getpid() != self._pid:
            raise EvaluatorError(
                f"{function} was called in process {os.getpid()}, which the trial (process {self._pid}) has forked. "
                "Only the trial's own process reports: send the number there, for example through a "
                "multiprocessing.Queue or as the result of a pool, and report it there."
            )

    def __enter__(self) -> OwnProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self._pid:
            _end(error)


def _end(error: BaseException | None) -> NoReturn:
    """End this process without a trace in the one that forked it: no handlers of its exit, no code after the block."""
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
