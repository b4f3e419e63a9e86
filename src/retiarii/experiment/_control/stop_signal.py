"""`StopSignal`: the request to end a search (``Ctrl-C``, a method, another process); `Ending`: why it ended."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from types import FrameType

LOOK_S = 0.5


class Ending(str, Enum):
    """Why a search ended."""

    EXHAUSTED = "the strategy has nothing left to propose"
    FOUND = "the architecture that was found is measured, with the weights that it had in the supernet"
    MAX_TRIALS = "max_trial_number was reached"
    MAX_DURATION = "max_experiment_duration was reached"
    ALL_FAILED = "max_failures trials failed and none succeeded"
    STOPPED = "it was asked to stop"


class StopSignal:
    """The request to end a search: the first one after the running trials, the second one at once.

    Attributes:
        interrupted: Whether the user asked twice (second ``Ctrl-C``, or SIGTERM), so that ``run`` raises
            KeyboardInterrupt.
        on_request: The function that is called at each request, with the number of requests so far.
    """

    def __init__(self, *, asked_elsewhere: Callable[[], bool] = lambda: False, raises: bool = False) -> None:
        """Create the signal.

        Args:
            asked_elsewhere: A function, called twice a second, that returns whether another process asked to stop.
            raises: Whether the second request raises KeyboardInterrupt in the running code, which is the only way to
                end a trial that runs in this process.
        """
        self._requests = 0
        self._asked_elsewhere = asked_elsewhere
        self._next_look = 0.0
        self._raises = raises
        self.interrupted = False
        self.on_request: Callable[[int], None] = lambda count: None

    @property
    def is_set(self) -> bool:
        """Whether a stop was requested: nothing new is started."""
        if self._requests == 0 and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_S
            if self._asked_elsewhere():
                self.request()
        return self._requests > 0

    @property
    def is_immediate(self) -> bool:
        """Whether an immediate stop was requested: running trials are killed."""
        return self._requests > 1

    def request(self, *, immediate: bool = False) -> None:
        """Request to stop; ``immediate`` kills the running trials."""
        # No lock: a signal handler may run in the middle of this, in the same thread; at worst one request is lost.
        self._requests = max(self._requests + 1, 2 if immediate else 1)
        self.on_request(self._requests)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle ``Ctrl-C`` and SIGTERM as requests in this block; does nothing outside of the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {signal.SIGINT: self._on_interrupt, signal.SIGTERM: self._on_terminate}
        previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        self.request()
        self._insist()

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        self.request(immediate=True)
        self._insist()

    def _insist(self) -> None:
        self.interrupted = self.is_immediate
        if self.interrupted and self._raises:
            raise KeyboardInterrupt
