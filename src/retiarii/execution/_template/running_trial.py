"""`RunningTrial`: the events, the output and the resource use of one running trial, collected by the template."""

from __future__ import annotations

import math
import reprlib
import time
from collections.abc import Iterator
from dataclasses import replace

from retiarii.errors import ExecutionError
from retiarii.execution._executor import Limits
from retiarii.execution._outcome import Outcome, metrics_from_json, shorten
from retiarii.execution._system.frames import FrameReader, Message, frame
from retiarii.execution._system.memory_limit import memory_of_trial
from retiarii.execution._system.pipes import Readable, Tail
from retiarii.execution._system.processes import exit_in_words
from retiarii.execution._template.messages import unpack_baseline, unpack_refusal
from retiarii.execution._template.trial_launch import TrialProcess
from retiarii.execution._trial.channel import CHANNEL_LOST
from retiarii.trial import Failure, FailureKind, Metrics

LOOK_S = 0.1  # how often memory is measured
STACK_S = 0.3  # how long a trial that timed out has to print its stack
EXIT_S = 2.0  # how long a trial that has sent its outcome has to exit
_OWN_WORDS = {FailureKind.RAISED, FailureKind.OUT_OF_MEMORY, FailureKind.BAD_METRIC, FailureKind.INVALID_MODEL}
_MAX_REASON = 300  # characters; an answer is then short enough to be written to a pipe atomically
_MAX_PIECES = 64  # read from a pipe after the trial has exited: an escaped process may still write


class RunningTrial:
    """Collects the events and the output of a trial and checks its limits, until its process has exited.

    Args:
        number: The trial's number.
        process: The trial's process.
        limits: The resource limits.
        is_loaded: Whether its time limit starts now; else it starts when the trial has loaded the task.
        is_judged: Whether it waits for the answer to each report; the waiting time does not count.
    """

    def __init__(
        self, number: int, process: TrialProcess, limits: Limits, *, is_loaded: bool, is_judged: bool = False
    ) -> None:
        self.number = number
        self.process = process
        self._limits = limits
        self._is_loaded = is_loaded
        self._is_judged = is_judged
        self._num_unanswered = 0
        self._left_s = math.inf  # the remaining time, while it waits for an answer
        self._frames = FrameReader()
        self._printed = Tail()
        self._stack: Tail | None = None
        self._outcome: Outcome | None = None
        self._fault: Failure | None = None
        # None until the task begins, which a trial reports only if it is needed.
        self._baseline: int | None = 0 if is_loaded and limits.memory_bytes is None else None
        self._deadline = self._timeout_from_now() if is_loaded else math.inf
        self._kill_at = math.inf
        self._measure_at = math.inf

    @property
    def next_look(self) -> float:
        """The time of the next necessary call of `look`, in ``time.monotonic()`` seconds."""
        return min(self._deadline, self._kill_at, self._measure_at)

    def hear(self, piece: bytes) -> list[Message]:
        """Add a piece of the trial's event stream; return the events to forward.

        The trial runs the user's code, which may write anything: invalid events, or events in a wrong order, fail it.
        """
        told: list[Message] = []
        if self._is_over:
            return told  # later events are ignored
        try:
            for message in self._frames.read(piece):
                told += self._digest(message)
                if self._is_over:
                    break
        except ExecutionError as error:
            self.fail(FailureKind.VANISHED, f"The trial wrote into the pipe of its events. {error}")
        return told

    def see(self, piece: bytes) -> None:
        """Add a piece of the trial's output."""
        self._printed.add(piece)
        if self._stack is not None:
            self._stack.add(piece)

    def answer(self, reason: str | None) -> None:
        """Send the answer to a report; the trial's time continues."""
        answer = {"reason": None if reason is None else shorten(reason, _MAX_REASON)}
        if not self.process.answer(frame(answer)):
            self.fail(FailureKind.VANISHED, "The trial reports without reading the answers.")
        self._num_unanswered -= 1
        if self._num_unanswered == 0 and not self._is_over:
            self._deadline = time.monotonic() + self._left_s

    def look(self, now: float) -> None:
        """Kill the trial if it exceeds a limit."""
        if now >= self._kill_at:
            self._kill_at = math.inf
            self.process.kill()
        if now >= self._deadline:
            self._deadline = math.inf
            self._set_fault(FailureKind.TIMED_OUT, f"The trial did not end within {self._limits.timeout_s:g} s.")
            self._stack = Tail()
            self.process.ask_for_stack()
            self._kill_at = now + STACK_S
        if now >= self._measure_at:
            self._measure_at = now + LOOK_S
            self._check_memory()

    def fail(self, kind: FailureKind, message: str) -> None:
        """Kill the trial, which fails with this message."""
        self._set_fault(kind, message)
        self.process.kill()

    def end(self) -> list[Message]:
        """Return the remaining events and the end of a trial whose process has exited, and kill its process group."""
        self.process.kill()  # the rest of its group
        last = [told for piece in _rest(self.process.events) for told in self.hear(piece)]
        for piece in _rest(self.process.output):
            self.see(piece)
        outcome = self._verdict(self.process.collect())
        ended = {"event": "ended", "number": self.number, "output": self._printed.text(), "time": time.time()}
        return [*last, {**ended, **outcome.to_json()}]

    @property
    def _is_over(self) -> bool:
        return self._fault is not None or self._outcome is not None

    def _verdict(self, code: int | None) -> Outcome:
        if self._fault is not None:
            stack = self._stack.text() if self._stack is not None else None
            return Outcome(failure=replace(self._fault, traceback=stack or None))
        if self._outcome is not None:
            return self._outcome
        message = f"The trial's process {exit_in_words(code)} before it had a result."
        if code == CHANNEL_LOST:
            message = "The trial closed the pipe of its results. Close only descriptors that the trial opened."
        return Outcome(failure=Failure(FailureKind.VANISHED, message))

    def _digest(self, message: Message) -> list[Message]:
        event = message.get("event")
        if self._baseline is None:
            return self._digest_first(message)
        if event == "reported":
            return [self._reported(metrics_from_json(message.get("metrics")))]
        elif event == "ended":
            outcome = Outcome.from_json(message)
            if outcome.failure is not None and outcome.failure.kind not in _OWN_WORDS:
                raise ExecutionError(
                    f"Found a failure of the kind {outcome.failure.kind.value!r}, which no trial tells."
                )
            self._outcome = self._with_limit(outcome)
            self._deadline = self._measure_at = math.inf
            self._kill_at = time.monotonic() + EXIT_S
        else:
            raise ExecutionError(f"Found the event {reprlib.repr(event)}, expected 'reported' or 'ended'.")
        return []

    def _reported(self, metrics: Metrics) -> Message:
        if self._is_judged:
            if self._num_unanswered == 0:
                self._left_s, self._deadline = self._deadline - time.monotonic(), math.inf
            self._num_unanswered += 1
        return {"event": "reported", "number": self.number, "metrics": metrics}

    def _digest_first(self, message: Message) -> list[Message]:
        """Handle the first event, which is sent before any code of the user runs, so that no trial can forge it."""
        if message.get("event") == "unusable" and not self._is_loaded:
            return [unpack_refusal(message)]
        self._baseline = unpack_baseline(message)
        self._deadline = self._timeout_from_now()
        self._measure_at = math.inf if self._limits.memory_bytes is None else time.monotonic() + LOOK_S
        return []

    def _check_memory(self) -> None:
        limit = self._limits.memory_bytes
        taken = memory_of_trial(self.process.pid, self._baseline or 0)
        if limit is not None and taken > limit:
            self.fail(
                FailureKind.OUT_OF_MEMORY,
                f"The trial took {taken / 2**20:,.0f} MiB of memory, more than its limit of {limit / 2**20:,.0f} MiB.",
            )

    def _with_limit(self, outcome: Outcome) -> Outcome:
        """Add the memory limit to the message of a failed allocation."""
        failure, limit = outcome.failure, self._limits.memory_bytes
        if failure is None or failure.kind is not FailureKind.OUT_OF_MEMORY or limit is None:
            return outcome
        message = f"{failure.message} (the trial's limit is {limit / 2**20:,.0f} MiB)"
        return replace(outcome, failure=replace(failure, message=message))

    def _set_fault(self, kind: FailureKind, message: str) -> None:
        if self._fault is None and self._outcome is None:
            self._fault = Failure(kind, message)

    def _timeout_from_now(self) -> float:
        return math.inf if self._limits.timeout_s is None else time.monotonic() + self._limits.timeout_s


def _rest(pipe: Readable) -> Iterator[bytes]:
    for _ in range(_MAX_PIECES):
        piece = pipe.read()
        if not piece:
            return
        yield piece
