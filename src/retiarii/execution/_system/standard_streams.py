"""Standard input, output and error of the processes of this room."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


def redirect(output: int) -> None:
    """Redirect standard output and standard error to ``output``, line by line, and close standard input."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if null:
        os.close(null)
    hand_over(output)
    make_readable()


def hand_over(output: int) -> None:
    """Redirect standard output and standard error to ``output`` in a process whose streams were redirected before."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    if output > 2:
        os.close(output)


def make_readable() -> None:
    """Make output line-buffered, in an encoding that has every character."""
    for stream in _streams():
        # Output before a crash must not be lost in a buffer, and no character may make print fail.
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def flush() -> None:
    """Flush standard output and standard error."""
    for stream in _streams():
        try:
            stream.flush()
        except Exception:  # noqa: BLE001 - the trial closed or replaced it
            pass


def _streams() -> list[Any]:
    """Return the streams that the interpreter made, and their replacements by start-up code or a trial."""
    return [sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__]
