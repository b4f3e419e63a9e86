"""`Channel`: the pipe in which a trial tells its events."""

from __future__ import annotations

import os
import threading

from retiarii._own_process import own_process, refuse_in_fork
from retiarii.errors import ExecutionError
from retiarii.execution._processes import IS_LINUX
from retiarii.execution._protocol import Message, frame
from retiarii.trial import Metrics

CHANNEL_LOST = 72  # the exit code of a trial whose channel is lost


class ChannelLostError(ExecutionError):
    """The trial has closed a pipe between it and the template, or the template is gone."""


class SteadyEnd:
    """One end of a pipe, which stays usable although the trial closes descriptors that are not its own.

    Files that the trial then opens get their numbers. So the pipe is recognised before each use, and opened anew where
    the system allows that (Linux).

    Args:
        descriptor: The end of the pipe.
        parent: The process that has this end open, too, under the same number.
        flags: How to open it again: ``os.O_RDONLY`` or ``os.O_WRONLY``.
    """

    def __init__(self, descriptor: int, parent: int, flags: int) -> None:
        self._descriptor = descriptor
        self._pipe = _identity(descriptor)
        self._origin = f"/proc/{parent}/fd/{descriptor}"
        self._flags = flags

    def descriptor(self) -> int:
        """Return the descriptor to use now.

        Raises:
            ChannelLostError: The pipe was closed and cannot be opened again.
        """
        if _identity(self._descriptor) != self._pipe:
            self._descriptor = self._opened_again()
        return self._descriptor

    def _opened_again(self) -> int:
        try:
            descriptor = os.open(self._origin, self._flags) if IS_LINUX else -1
        except OSError:
            descriptor = -1
        if _identity(descriptor) == self._pipe:
            return descriptor
        raise ChannelLostError(
            f"The trial closed descriptor {self._descriptor}, a pipe in which it tells its results or hears the answer "
            "to them. Close only descriptors that the trial opened."
        )


class Channel:
    """The writing end of a trial's pipe; may be used from any thread of the trial.

    Args:
        end: The writing end of the pipe.
    """

    def __init__(self, end: SteadyEnd) -> None:
        self._end = end
        self._own = own_process()
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Write one message, waiting until the other end has room for it.

        Raises:
            EvaluatorError: This is a process that the trial has forked.
            ChannelLostError: The pipe was closed and cannot be opened again.
        """
        refuse_in_fork(self._own, "report", is_thorough=True)
        data = memoryview(frame(message))
        with self._lock:
            while data:
                data = data[os.write(self._end.descriptor(), data) :]

    def report(self, metrics: Metrics) -> None:
        """Tell metrics on the way.

        Raises:
            EvaluatorError: This is a process that the trial has forked.
            ChannelLostError: The pipe was closed and cannot be opened again.
        """
        self.send({"event": "reported", "metrics": metrics})


def _identity(descriptor: int) -> tuple[int, int] | None:
    """Return what tells an open file from all others; None for a descriptor that is closed."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
