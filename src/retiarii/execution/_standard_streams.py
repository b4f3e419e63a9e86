"""Standard input, output and error of the processes of this room."""

from __future__ import annotations

import os
import sys


def redirect(output: int) -> None:
    """Make ``output`` standard output and standard error, line by line, and leave nothing to read."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for descriptor in {null, output} - {0, 1, 2}:
        os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        # What was printed before a crash must have left this process, and no character may make print fail.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr] # the interpreter made both, as text files


def flush() -> None:
    """Write out what Python still holds of standard output and standard error."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # the trial closed it: there is nothing left to flush
            pass
