"""`lasting_output`: a program whose terminal or reader goes away goes on without it."""

from __future__ import annotations

import errno
import logging
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_logger = logging.getLogger(__name__)

_GONE = {errno.EPIPE, errno.EIO, errno.ENXIO}  # a pipe without a reader, a terminal that hung up
_STANDARD = (1, 2)


class LastingStream:
    """Standard output or error, as a stream on which writing never fails.

    What cannot be written is lost. Once the terminal or the reader of the pipe is gone, the standard descriptors that
    led there lead to nowhere, so that native code, and Python when it exits, can write to them, too.

    Args:
        stream: The stream; all that is not about writing is left to it.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._has_failed = False

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        try:
            self._stream.write(text)
        except OSError as error:
            self._go_on(error)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Have the stream pass on what it holds."""
        try:
            self._stream.flush()
        except OSError as error:
            self._go_on(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _go_on(self, error: OSError) -> None:
        is_gone = error.errno in _GONE
        if is_gone:
            self._lead_to_nowhere()
        if not self._has_failed:
            self._has_failed = True
            level = logging.INFO if is_gone else logging.WARNING  # nobody is there, or something is wrong
            _logger.log(level, "%s cannot be written any more (%s): going on without.", self._stream.name, error)

    def _lead_to_nowhere(self) -> None:
        try:
            gone = os.fstat(self._stream.fileno())
        except (OSError, ValueError):
            return
        if stat.S_ISREG(gone.st_mode):
            return  # it may be written again one day
        null = os.open(os.devnull, os.O_WRONLY)
        for descriptor in _STANDARD:
            if _leads_to(descriptor, gone):
                os.dup2(null, descriptor)
        os.close(null)


@contextmanager
def lasting_output() -> Iterator[None]:
    """Go on in this block whatever becomes of the terminal, or of whoever reads the output.

    Nothing that is written to `sys.stdout` and `sys.stderr` raises an OSError there. When the terminal is closed, the
    signal SIGHUP, which would end the program, is passed over; sent while the terminal is there, it ends it.
    """
    replaced = {}
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None:
            replaced[name] = (stream, LastingStream(stream))
            setattr(sys, name, replaced[name][1])
    try:
        with _surviving_hangup():
            yield
    finally:
        for name, (stream, lasting) in replaced.items():
            lasting.flush()
            if getattr(sys, name) is lasting:
                setattr(sys, name, stream)


@contextmanager
def _surviving_hangup() -> Iterator[None]:
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or os.name != "posix" or signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
        yield
    elif not _has_terminal():
        yield
    else:
        signal.signal(signal.SIGHUP, _on_hangup)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _on_hangup(number: int, frame: FrameType | None) -> None:
    if _has_terminal():  # somebody means it
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGHUP)


def _leads_to(descriptor: int, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file)
    except OSError:
        return False


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
