"""`message_fields`: the fields of a protocol buffer message, without its schema."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_DOUBLE = struct.Struct("<d")


def message_fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield number, wire type and value of each field: a number for a varint, else its bytes.

    Raises:
        ValueError: The message is truncated, or has a field of an unknown wire type.

    Reference:
        https://protobuf.dev/programming-guides/encoding. Groups, which are deprecated, are not read.
    """
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == VARINT:
            value, place = _varint(data, place)
            yield tag >> 3, kind, value
            continue
        if kind == BYTES:
            size, place = _varint(data, place)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"field {tag >> 3} has the wire type {kind}")
        if place + size > len(data):
            raise ValueError(f"it ends within field {tag >> 3}")
        yield tag >> 3, kind, data[place : place + size]
        place += size


def double_of(kind: int, value: int | bytes) -> float:
    """Return the value of a field that is a ``double``.

    Raises:
        ValueError: The field has another type.
    """
    if kind != FIXED64 or not isinstance(value, bytes):
        raise ValueError(f"a field has the wire type {kind}, expected a double")
    number: float = _DOUBLE.unpack(value)[0]
    return number


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("it ends within a number")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number has more than 64 bits")
