"""Pipes, read without waiting: the last of an output, and pipes that a selector can watch on every system."""

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
        """Return what is there: some bytes, ``b""`` at the end of the stream, None if nothing is there now."""
        ...

    def close(self) -> None:
        """Let go of it; may be called again."""
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
        """Return what is there: some bytes, ``b""`` at the end of the stream, None if nothing is there now."""
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
    """The reading end of a pipe where selectors watch sockets only (Windows): a thread pumps from one to the other."""

    def __init__(self, descriptor: int) -> None:
        self._socket, inlet = socket.socketpair()
        self._socket.setblocking(False)
        threading.Thread(target=_pump, args=(descriptor, inlet), daemon=True).start()

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._socket.fileno()

    def read(self) -> bytes | None:
        """Return what is there: some bytes, ``b""`` at the end of the stream, None if nothing is there now."""
        try:
            return self._socket.recv(CHUNK)
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Close the socket; the thread ends with the next piece that it cannot deliver, or with the stream."""
        self._socket.close()


def _pump(descriptor: int, inlet: socket.socket) -> None:
    with inlet, os.fdopen(descriptor, "rb", buffering=0) as pipe:
        while piece := pipe.read(CHUNK):
            try:
                inlet.sendall(piece)
            except OSError:  # nobody listens any more
                return


def readable(descriptor: int) -> Readable:
    """Return the reading end of a pipe as something that a selector can watch; it owns ``descriptor``."""
    return PipeEnd(descriptor) if os.name == "posix" else PumpedPipeEnd(descriptor)


class Tail:
    """Keeps the end of a stream of any length.

    Args:
        limit: How many bytes are kept at least; twice as many at most.
    """

    def __init__(self, limit: int = CHUNK) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._num_dropped = 0

    def add(self, piece: bytes) -> None:
        """Take in the next bytes."""
        self._kept += piece
        if len(self._kept) > 2 * self._limit:
            self._drop()

    def text(self) -> str:
        """Return the end of the stream as text; says so where the beginning is missing."""
        self._drop()
        text = self._kept.decode("utf-8", "replace").replace("\0", "\ufffd")  # databases refuse the character 0
        return f"[... {self._num_dropped} bytes left out ...]\n{text}" if self._num_dropped else text

    def _drop(self) -> None:
        surplus = max(0, len(self._kept) - self._limit)
        del self._kept[:surplus]
        self._num_dropped += surplus
