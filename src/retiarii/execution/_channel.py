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
    """The trial has closed the pipe in which it tells its events."""


class Channel:
    """The writing end of a trial's pipe; may be used from any thread of the trial.

    A trial may close descriptors that are not its own, and files that it then opens get their numbers. So the pipe is
    recognised before each write, and opened anew where the system allows that (Linux).

    Args:
        descriptor: The writing end of the pipe.
        parent: The process that has the pipe open, too, under ``number``.
        number: The writing end there.
    """

    def __init__(self, descriptor: int, parent: int, number: int) -> None:
        self._descriptor = descriptor
        self._pipe = _identity(descriptor)
        self._origin = f"/proc/{parent}/fd/{number}"
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
                if _identity(self._descriptor) != self._pipe:
                    self._descriptor = self._opened_again()
                data = data[os.write(self._descriptor, data) :]

    def report(self, metrics: Metrics) -> None:
        """Tell metrics on the way.

        Raises:
            EvaluatorError: This is a process that the trial has forked.
            ChannelLostError: The pipe was closed and cannot be opened again.
        """
        self.send({"event": "reported", "metrics": metrics})

    def _opened_again(self) -> int:
        try:
            descriptor = os.open(self._origin, os.O_WRONLY) if IS_LINUX else -1
        except OSError:
            descriptor = -1
        if _identity(descriptor) == self._pipe:
            return descriptor
        raise ChannelLostError(
            f"The trial closed descriptor {self._descriptor}, the pipe in which it tells its results. Close only "
            "descriptors that the trial opened."
        )


def _identity(descriptor: int) -> tuple[int, int] | None:
    """Return what tells an open file from all others; None for a descriptor that is closed."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
