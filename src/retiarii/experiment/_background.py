"""`Background`: a search in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """Runs one function at a time in a thread, and raises where the user waits what it raised there."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def is_running(self) -> bool:
        """Whether the function has not ended yet."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is the one that the function runs in."""
        return self._thread is threading.current_thread()

    @property
    def is_elsewhere(self) -> bool:
        """Whether a function was started, has not been waited for, and runs in another thread than the caller's."""
        return self._thread is not None and not self.is_here

    def start(self, function: Callable[[], None], name: str) -> None:
        """Begin to run a function; the thread does not keep the process alive."""
        self._error = None

        def work() -> None:
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - kept for wait(), which raises it where the user is
                self._error = error

        self._thread = threading.Thread(target=work, name=name, daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the function; return whether it has ended, or raise what it raised."""
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return False
        self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error
        return True
