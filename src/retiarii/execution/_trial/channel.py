"""`Channel`: the pipe to which a trial writes its events."""

from __future__ import annotations

import os
import threading

from retiarii._own_process import own_process, refuse_in_fork
from retiarii.errors import ExecutionError
from retiarii.execution._system.frames import Message, frame
from retiarii.execution._system.processes import IS_LINUX
from retiarii.trial import Metrics

CHANNEL_LOST = 72  # the exit code of a trial whose channel is lost


class ChannelLostError(ExecutionError):
    """The trial closed a pipe between it and the template, or the template has ended."""


class SteadyEnd:
    """One end of a pipe that stays usable if the trial closes descriptors that it did not open.

    A file that the trial opens afterwards may get the number of the closed descriptor. The pipe is therefore identified
    before each use, and reopened if the system allows it (Linux).

    Args:
        descriptor: The end of the pipe.
        parent: The process id of the parent, which has this end open under the same number.
        flags: The flags for reopening it: ``os.O_RDONLY`` or ``os.O_WRONLY``.
    """

    def __init__(self, descriptor: int, parent: int, flags: int) -> None:
        self._descriptor = descriptor
        self._pipe = _identity(descriptor)
        self._origin = f"/proc/{parent}/fd/{descriptor}"
        self._flags = flags

    def descriptor(self) -> int:
        """Return the present descriptor of the pipe.

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
            f"The trial closed descriptor {self._descriptor}, a pipe for its results or for the answers to them. Close "
            "only descriptors that the trial opened."
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
        """Write one message; blocks until the pipe has room for it.

        Raises:
            EvaluatorError: The calling process was forked by the trial.
            ChannelLostError: The pipe was closed and cannot be opened again.
        """
        refuse_in_fork(self._own, "report", is_thorough=True)
        data = memoryview(frame(message))
        with self._lock:
            while data:
                data = data[os.write(self._end.descriptor(), data) :]

    def report(self, metrics: Metrics) -> None:
        """Write intermediate metrics.

        Raises:
            EvaluatorError: The calling process was forked by the trial.
            ChannelLostError: The pipe was closed and cannot be opened again.
        """
        self.send({"event": "reported", "metrics": metrics})


def _identity(descriptor: int) -> tuple[int, int] | None:
    """Return the identity of an open file; None for a closed descriptor."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
