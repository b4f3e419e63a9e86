"""Non-blocking reading ends of pipes that a selector can watch on every system, and `Tail`, the end of a stream."""

from __future__ import annotations

import os
import socket
import threading
from typing import Protocol

CHUNK = 1 << 16  # bytes; the capacity of a pipe on Linux


class Readable(Protocol):
    """The end of a pipe that a selector can watch."""

    def fileno(self) -> int:
        """Return the descriptor."""
        ...

    def read(self) -> bytes | None:
        """Return the available bytes, ``b""`` at the end of the stream, or None if there are none now."""
        ...

    def close(self) -> None:
        """Close it; may be called again."""
        ...


class PipeEnd:
    """The reading end of a pipe on POSIX systems; owns the descriptor."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def read(self) -> bytes | None:
        """Return the available bytes, ``b""`` at the end of the stream, or None if there are none now."""
        try:
            return os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class PumpedPipeEnd:
    """The reading end of a pipe on Windows, where selectors watch only sockets: a thread copies to a socket."""

    def __init__(self, descriptor: int) -> None:
        self._socket, inlet = socket.socketpair()
        self._socket.setblocking(False)
        threading.Thread(target=_pump, args=(descriptor, inlet), daemon=True).start()

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._socket.fileno()

    def read(self) -> bytes | None:
        """Return the available bytes, ``b""`` at the end of the stream, or None if there are none now."""
        try:
            return self._socket.recv(CHUNK)
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Close the socket; the thread ends with the stream or at its next failed write."""
        self._socket.close()


def _pump(descriptor: int, inlet: socket.socket) -> None:
    with inlet, os.fdopen(descriptor, "rb", buffering=0) as pipe:
        while piece := pipe.read(CHUNK):
            try:
                inlet.sendall(piece)
            except OSError:  # the socket was closed
                return


def readable(descriptor: int) -> Readable:
    """Return an object for the reading end of a pipe that a selector can watch; it owns ``descriptor``."""
    return PipeEnd(descriptor) if os.name == "posix" else PumpedPipeEnd(descriptor)


class Tail:
    """Keeps the end of a stream.

    Args:
        limit: The minimum number of bytes to keep; at most twice as many are kept.
    """

    def __init__(self, limit: int = CHUNK) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._num_dropped = 0

    def add(self, piece: bytes) -> None:
        """Add the next bytes."""
        self._kept += piece
        if len(self._kept) > 2 * self._limit:
            self._drop()

    def text(self) -> str:
        """Return the end of the stream as text, with a note if the beginning was dropped."""
        self._drop()
        text = self._kept.decode("utf-8", "replace").replace("\0", "\ufffd")  # databases refuse the character 0
        return f"[... {self._num_dropped} bytes left out ...]\n{text}" if self._num_dropped else text

    def _drop(self) -> None:
        surplus = max(0, len(self._kept) - self._limit)
        del self._kept[:surplus]
        self._num_dropped += surplus
