"""`lasting_output`: keep a program running when its terminal closes or the reader of its output exits."""

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
    """A wrapper of standard output or error on which writing never raises.

    Text that cannot be written is dropped. Once the terminal or the reader of the pipe is gone, the standard
    descriptors
    are redirected to the null device, so that native code and the exiting interpreter can still write to them.

    Args:
        stream: The wrapped stream. Attributes other than writing are taken from it.
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
        """Flush the stream."""
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
            level = logging.INFO if is_gone else logging.WARNING  # gone: expected
            _logger.log(level, "%s cannot be written any more (%s): continuing without it.", self._stream.name, error)

    def _lead_to_nowhere(self) -> None:
        try:
            gone = os.fstat(self._stream.fileno())
        except (OSError, ValueError):
            return
        if stat.S_ISREG(gone.st_mode):
            return  # a file: it may become writable again
        null = os.open(os.devnull, os.O_WRONLY)
        for descriptor in _STANDARD:
            if _leads_to(descriptor, gone):
                os.dup2(null, descriptor)
        os.close(null)


@contextmanager
def lasting_output() -> Iterator[None]:
    """Keep the program running in this block when the terminal is closed or the reader of the output exits.

    Writing to `sys.stdout` and `sys.stderr` raises no OSError. The SIGHUP that follows the closing of the terminal is
    ignored; a SIGHUP that is sent while the terminal is open still ends the program.
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
    if _has_terminal():  # not caused by a closed terminal: obey it
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
