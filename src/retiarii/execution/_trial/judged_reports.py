"""`JudgedReports`: the reports of a judged trial, each of which waits for its answer."""

from __future__ import annotations

import os
import select
import threading

from retiarii.errors import TrialPruned
from retiarii.execution._system.frames import FrameReader
from retiarii.execution._system.pipes import CHUNK
from retiarii.execution._system.standard_streams import flush
from retiarii.execution._trial.channel import Channel, ChannelLostError, SteadyEnd
from retiarii.trial import Metrics

DEAF = 73  # the exit code of a trial that continues although it was pruned
_LOOK_S = 1.0  # how often to check whether a nested report, in a signal handler, has read the answer


class JudgedReports:
    """Sends reports and waits for the answer to each; may be used from any thread of the trial.

    Answers arrive in the order of the reports. If an exception (for example of a signal handler) ends a wait, the
    answer stays in the pipe; the next report skips it, unless it prunes the trial.

    Args:
        channel: The pipe for reports.
        answers: The pipe from which answers are read.
    """

    def __init__(self, channel: Channel, answers: SteadyEnd) -> None:
        self._channel = channel
        self._answers = answers
        self._lock = threading.RLock()  # a signal handler may report in the middle of a report
        self._frames = FrameReader()
        self._num_reported = self._num_answered = 0
        self._reason: str | None = None
        self._told: set[int] = set()  # threads that were told to end the trial

    def report(self, metrics: Metrics) -> None:
        """Report intermediate metrics and wait for the answer.

        A thread that reports again after `TrialPruned` has caught it. The first time, `TrialPruned` is raised again,
        because a ``finally`` block may report; the second time, this process ends.

        Raises:
            TrialPruned: The trial is pruned; later reports are ignored.
            ChannelLostError: A pipe was closed and cannot be reopened, or its other end was closed.
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
        """Wait until ``count`` reports were answered."""
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
    """Wait a limited time for an answer; on systems where pipes cannot be watched, return at once."""
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(_LOOK_S * 1e3))
