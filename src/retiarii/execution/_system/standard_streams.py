"""Standard input, output and error of the processes of this room."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


def redirect(output: int) -> None:
    """Make ``output`` standard output and standard error, line by line, and leave nothing to read."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if null:
        os.close(null)
    hand_over(output)
    make_readable()


def hand_over(output: int) -> None:
    """Make ``output`` standard output and standard error of a process whose streams were redirected before."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    if output > 2:
        os.close(output)


def make_readable() -> None:
    """Have what is printed leave this process line by line, in an encoding that has every character."""
    for stream in _streams():
        # What was printed before a crash must have left this process, and no character may make print fail.
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def flush() -> None:
    """Write out what Python still holds of standard output and standard error."""
    for stream in _streams():
        try:
            stream.flush()
        except Exception:  # noqa: BLE001 - the trial closed it, or put an object of its own in its place
            pass


def _streams() -> list[Any]:
    """Return the streams that the interpreter made, and what start-up code or a trial has put in their place."""
    return [sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__]
