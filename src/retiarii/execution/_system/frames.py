"""How the processes talk: frames of JSON in pipes.

JSON, because a trial runs any code at all: whatever it writes into the pipe of its events can at worst be no event,
never something that runs when it is read. Only the task itself travels as a pickle, from the user's process downwards.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, TypeAlias

from retiarii.errors import ExecutionError

Message: TypeAlias = "dict[str, Any]"

MAX_FRAME = 1 << 20  # bytes; far more than any event of ours

_MAGIC = b"rtii"
_HEADER = struct.Struct(">4sI")
_ENCODER = json.JSONEncoder(separators=(",", ":"))


def frame(message: Message) -> bytes:
    """Return a message as bytes that `FrameReader` reads."""
    body = _ENCODER.encode(message).encode("ascii")
    return _HEADER.pack(_MAGIC, len(body)) + body


class FrameReader:
    """Puts frames together from the pieces in which a pipe delivers them.

    Args:
        max_frame: The longest body that is believed, in bytes; None for any.
    """

    def __init__(self, max_frame: int | None = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Take in the next bytes and return the messages that they complete.

        Raises:
            ExecutionError: The bytes are no frames of ours.
        """
        return list(self.read(data))

    def read(self, data: bytes) -> Iterator[Message]:
        """Take in the next bytes and yield the messages that they complete, up to what is no frame.

        Raises:
            ExecutionError: The bytes are no frames of ours.
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
    except (ValueError, RecursionError) as error:  # a RecursionError is for brackets in brackets in brackets
        raise ExecutionError(f"Found a frame that is not JSON of ours: {error}.") from error
    if not isinstance(message, dict):
        raise ExecutionError(f"Found a frame that holds a {type(message).__name__}, expected an object.")
    return message
