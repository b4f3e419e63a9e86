"""Messages between processes: frames of JSON in pipes.

JSON is used because a trial runs the user's code: anything that it writes into the pipe of its events is at worst an
invalid event, and never code that runs when it is read. Only the task is sent as a pickle, from the user's process
downwards.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, TypeAlias

from retiarii.errors import ExecutionError

Message: TypeAlias = "dict[str, Any]"

MAX_FRAME = 1 << 20  # bytes; far more than any event has

_MAGIC = b"rtii"
_HEADER = struct.Struct(">4sI")
_ENCODER = json.JSONEncoder(separators=(",", ":"))


def frame(message: Message) -> bytes:
    """Return a message as bytes for `FrameReader`."""
    body = _ENCODER.encode(message).encode("ascii")
    return _HEADER.pack(_MAGIC, len(body)) + body


class FrameReader:
    """Assembles frames from the pieces that a pipe delivers.

    Args:
        max_frame: The maximum length of a body in bytes; None for no limit.
    """

    def __init__(self, max_frame: int | None = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Add the next bytes and return the messages that they complete.

        Raises:
            ExecutionError: The bytes are not frames.
        """
        return list(self.read(data))

    def read(self, data: bytes) -> Iterator[Message]:
        """Add the next bytes and yield the messages that they complete, up to the first invalid frame.

        Raises:
            ExecutionError: The bytes are not frames.
        """
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            magic, length = _HEADER.unpack_from(self._buffer)
            if magic != _MAGIC or (self._max_frame is not None and length > self._max_frame):
                raise ExecutionError(f"Found the bytes {bytes(self._buffer[:16])!r} where a frame was expected.")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                break
            body = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            yield _parse(body)


def _parse(body: bytes) -> Message:
    try:
        message = json.loads(body.decode("ascii"))
    except (ValueError, RecursionError) as error:  # a RecursionError is raised for deep nesting
        raise ExecutionError(f"Found a frame that is not JSON of ours: {error}.") from error
    if not isinstance(message, dict):
        raise ExecutionError(f"Found a frame that holds a {type(message).__name__}, expected an object.")
    return message
