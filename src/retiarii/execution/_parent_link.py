"""`ParentLink`: the template's end of the two pipes to its parent."""

from __future__ import annotations

import os

from retiarii.execution._pipes import readable
from retiarii.execution._processes import IS_POSIX
from retiarii.execution._protocol import FrameReader, Message, frame


class ParentLink:
    """Takes orders and sends events, never waiting for the parent: what it does not read yet is kept.

    Args:
        orders: The descriptor to read from; owned.
        events: The descriptor to write to; owned.
        parent: The process at the other end.
    """

    def __init__(self, orders: int, events: int, parent: int) -> None:
        if IS_POSIX:
            os.set_blocking(events, False)
        self._orders = readable(orders)
        self._events = events
        self._parent = parent
        self._frames = FrameReader(max_frame=None)
        self._kept = bytearray()
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether the parent has closed the link or is dead."""
        return self._is_closed or (IS_POSIX and os.getppid() != self._parent)

    @property
    def backlog(self) -> int:
        """How many bytes the parent has not taken yet."""
        return len(self._kept)

    def fileno(self) -> int:
        """Return the descriptor that orders come from."""
        return self._orders.fileno()

    @property
    def events_fileno(self) -> int:
        """The descriptor that events go to."""
        return self._events

    def receive(self) -> list[Message]:
        """Return the orders that have come."""
        piece = self._orders.read()
        if piece == b"":
            self._is_closed = True
        return self._frames.feed(piece) if piece else []

    def send(self, message: Message) -> None:
        """Send an event, or keep it until the parent reads on."""
        self._kept += frame(message)
        self.flush()

    def flush(self) -> None:
        """Send what was kept, as far as the parent reads on."""
        try:
            while self._kept:
                del self._kept[: os.write(self._events, self._kept)]
        except BlockingIOError:
            pass
        except OSError:  # the parent is gone
            self._is_closed = True
            self._kept.clear()
