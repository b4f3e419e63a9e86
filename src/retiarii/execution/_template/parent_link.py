"""`ParentLink`: the template's ends of the two pipes to its parent."""

from __future__ import annotations

import os

from retiarii.execution._system.frames import FrameReader, Message, frame
from retiarii.execution._system.pipes import readable
from retiarii.execution._system.processes import IS_POSIX


class ParentLink:
    """Receives orders and sends events without blocking: events that the parent does not read yet are buffered.

    Args:
        orders: The descriptor to read orders from; owned.
        events: The descriptor to write events to; owned.
        parent: The id of the process at the other end.
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
        """Whether the parent has closed the link or has ended."""
        return self._is_closed or (IS_POSIX and os.getppid() != self._parent)

    @property
    def backlog(self) -> int:
        """The number of buffered bytes that the parent has not read yet."""
        return len(self._kept)

    def fileno(self) -> int:
        """Return the descriptor of orders."""
        return self._orders.fileno()

    @property
    def events_fileno(self) -> int:
        """The descriptor of events."""
        return self._events

    def receive(self) -> list[Message]:
        """Return the orders that have arrived."""
        piece = self._orders.read()
        if piece == b"":
            self._is_closed = True
        return self._frames.feed(piece) if piece else []

    def send(self, message: Message) -> None:
        """Send an event, or buffer it until the parent reads again."""
        self._kept += frame(message)
        self.flush()

    def flush(self) -> None:
        """Send buffered events, as far as the parent reads them."""
        try:
            while self._kept:
                del self._kept[: os.write(self._events, self._kept)]
        except BlockingIOError:
            pass
        except OSError:  # the parent has ended
            self._is_closed = True
            self._kept.clear()
