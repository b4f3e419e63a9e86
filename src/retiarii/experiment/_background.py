"""`Background`: a thread in which a search runs."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable


class Background:
    """Runs one function at a time in a thread; `wait` raises the function's exception."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def is_running(self) -> bool:
        """Whether the function is still running."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_here(self) -> bool:
        """Whether the caller is in the thread of the function."""
        return self._thread is threading.current_thread()

    @property
    def is_elsewhere(self) -> bool:
        """Whether a function was started and not waited for, and its thread is not the caller's."""
        return self._thread is not None and not self.is_here

    def start(self, function: Callable[[], None], name: str) -> None:
        """Start a function in a daemon thread, with the context variables of the caller.

        By such a variable, a notebook knows the cell whose output the function writes.
        """
        self._error = None
        context = contextvars.copy_context()

        def work() -> None:
            try:
                context.run(function)
            except BaseException as error:  # noqa: BLE001 - wait() raises it in the user's thread
                self._error = error

        self._thread = threading.Thread(target=work, name=name, daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the function, raise its exception if there was one, and return whether it has ended."""
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
