"""`Outbox`: calls that a thread makes one after the other, so that a slow server does not slow the search down."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

MAX_WAITING = 10_000
"""The number of waiting calls from which `Outbox.post` waits, to limit the memory."""


class Outbox:
    """A queue of calls and the thread that makes them. After a call that raised, the others are dropped.

    Args:
        name: The name of the thread.

    Attributes:
        error: The exception of the call that raised; None if there was none.
    """

    def __init__(self, name: str) -> None:
        self.error: Exception | None = None
        self._calls: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def post(self, call: Callable[[], None]) -> None:
        """Add a call."""
        self._calls.put(call)

    def close(self, timeout_s: float) -> bool:
        """Wait for the calls, and return whether all were made or dropped in time; may be called again."""
        until = time.monotonic() + timeout_s
        with suppress(queue.Full):
            self._calls.put(None, timeout=timeout_s)
        self._thread.join(max(until - time.monotonic(), 0.0))
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if self.error is not None:
                continue
            try:
                call()
            except Exception as error:  # noqa: BLE001 - a tracking tool, which may raise anything
                self.error = error
