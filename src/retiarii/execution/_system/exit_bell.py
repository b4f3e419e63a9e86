"""`ExitBell`: a descriptor that wakes a selector loop when a child exits (POSIX only)."""

from __future__ import annotations

import os
import signal

from retiarii.execution._system.pipes import PipeEnd


class ExitBell:
    """A descriptor that becomes readable whenever a child exits."""

    def __init__(self) -> None:
        listener, bell = os.pipe()
        os.set_blocking(bell, False)
        self.descriptors = (listener, bell)
        self._listener = PipeEnd(listener)
        signal.signal(signal.SIGCHLD, lambda number, stack: None)  # without a handler there is no wakeup
        signal.set_wakeup_fd(bell, warn_on_full_buffer=False)

    def fileno(self) -> int:
        """Return the descriptor to watch."""
        return self._listener.fileno()

    def quieten(self) -> None:
        """Make the descriptor unreadable until the next child exits."""
        self._listener.read()
