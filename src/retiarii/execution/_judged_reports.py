"""`JudgedReports`: how a judged trial reports, seen from inside it: each report waits for its answer."""

from __future__ import annotations

import os
import select
import threading

from retiarii.errors import TrialPruned
from retiarii.execution._channel import Channel, ChannelLostError, SteadyEnd
from retiarii.execution._pipes import CHUNK
from retiarii.execution._protocol import FrameReader
from retiarii.execution._standard_streams import flush
from retiarii.trial import Metrics

DEAF = 73  # the exit code of a trial that goes on although it was told to end
_LOOK_S = 1.0  # how often to see whether a report below this one, of a signal handler, has heard the answer


class JudgedReports:
    """Reports, each of which returns once it was answered; may be used from any thread of the trial.

    Answers come in the order of the reports. A wait that an exception ends (of a signal handler, say) leaves its answer
    in the pipe; the next report passes over it, unless it ends the trial.

    Args:
        channel: Where reports are told.
        answers: Where answers come from.
    """

    def __init__(self, channel: Channel, answers: SteadyEnd) -> None:
        self._channel = channel
        self._answers = answers
        self._lock = threading.RLock()  # a signal handler may report in the middle of a report
        self._frames = FrameReader()
        self._num_reported = self._num_answered = 0
        self._reason: str | None = None
        self._told: set[int] = set()  # threads that were told to end

    def report(self, metrics: Metrics) -> None:
        """Tell metrics on the way and wait for the answer.

        A thread that was told to end and reports again has caught `TrialPruned`. The first time it is told again, for
        this may be a ``finally`` block that reports; the second time, this process ends.

        Raises:
            TrialPruned: The trial is to end here; what is reported from now on is not told any more.
            ChannelLostError: A pipe was closed and cannot be opened again, or the other end is gone.
        """
        with self._lock:
            if self._reason is None:
                self._channel.report(metrics)
                self._num_reported += 1
                self._hear(self._num_reported)
            else:
                self._insist()
            if self._reason is not None:
                raise TrialPruned(self._reason)

    def _hear(self, count: int) -> None:
        """Wait until so many reports were answered."""
        while self._num_answered < count:
            for answer in self._frames.read(self._read()):
                self._num_answered += 1
                if self._reason is None:
                    self._reason = answer["reason"]

    def _read(self) -> bytes:
        descriptor = self._answers.descriptor()
        if not _has_something(descriptor):
            return b""
        piece = os.read(descriptor, CHUNK)
        if not piece:
            raise ChannelLostError("The process that watches over this trial is gone.")
        return piece

    def _insist(self) -> None:
        thread = threading.get_ident()
        if thread in self._told:
            flush()
            os._exit(DEAF)
        self._told.add(thread)


def _has_something(descriptor: int) -> bool:
    """Wait for an answer, but not forever; where pipes cannot be watched, reading waits."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(_LOOK_S * 1e3))
