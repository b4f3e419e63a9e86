"""`tfrecord_batches`: the records of a TFRecord file, in bounded memory, checked by their checksums."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from retiarii.benchmarks._tables._formats.crc32c import crc32c_of
from retiarii.errors import BenchmarkError

_HEAD = struct.Struct("<QI")  # length, checksum of the length
_TAIL = struct.Struct("<I")  # checksum of the data
_MASK_DELTA = 0xA282EAD8
_READ_BYTES = 4 * 2**20


@dataclass(frozen=True)
class RecordPosition:
    """A place between two records.

    Attributes:
        number: How many records are before it.
        offset: How many bytes are before it.
    """

    number: int = 0
    offset: int = 0


@dataclass(frozen=True)
class RecordBatch:
    """Some records that follow each other.

    Attributes:
        records: Their data.
        start: The place of the first one.
        end: The place behind the last one.
    """

    records: list[bytes]
    start: RecordPosition
    end: RecordPosition

    def position_of(self, index: int) -> RecordPosition:
        """Return the place of one of the records."""
        before = self.records[:index]
        return RecordPosition(self.start.number + index, self.start.offset + _framed_size(before))


def damaged_record(name: str, position: RecordPosition, reason: str) -> BenchmarkError:
    """Return the error of a record that cannot be used.

    Args:
        name: The name of the file.
        position: Where the record begins.
        reason: What is wrong, as a clause.
    """
    return BenchmarkError(
        f"Record {position.number + 1:,} of {name} (at byte {position.offset:,}) is damaged: {reason}. Download the "
        "file again."
    )


def tfrecord_batches(
    path: Path, *, start: RecordPosition | None = None, max_record_bytes: int = 4096
) -> Iterator[RecordBatch]:
    """Yield the records of a file of TensorFlow's TFRecord format, some megabytes at a time.

    All records before a damaged one are yielded before the error is raised.

    Args:
        path: The file, not compressed.
        start: Where to begin: the end of a batch of the same file.
        max_record_bytes: The longest record that is accepted; it bounds the memory.

    Raises:
        BenchmarkError: The file cannot be read, or a record is damaged, truncated or too long.

    Reference:
        https://www.tensorflow.org/tutorials/load_data/tfrecord: length (uint64), masked CRC-32C of it, data, masked
        CRC-32C of the data, all little-endian.
    """
    start = start or RecordPosition()
    try:
        with path.open("rb") as file:
            file.seek(start.offset)
            yield from _batches(file, path.name, start, max_record_bytes)
    except OSError as err:
        raise BenchmarkError(f"{str(path)!r} cannot be read ({err}).") from err


@dataclass
class _Frames:
    """The frames in a buffer, before their checksums are verified."""

    heads: list[bytes] = field(default_factory=list)
    head_sums: list[int] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)
    too_long: int | None = None
    size: int = 0


def _batches(file: BinaryIO, name: str, position: RecordPosition, max_record_bytes: int) -> Iterator[RecordBatch]:
    rest = b""
    while block := file.read(_READ_BYTES):
        buffer = rest + block
        frames = _frames(buffer, max_record_bytes)
        bad = _first_bad(frames)
        good = frames.records[: bad if bad is not None else len(frames.records)]
        size = _framed_size(good)
        end = RecordPosition(position.number + len(good), position.offset + size)
        if good:
            yield RecordBatch(good, position, end)
        if bad is not None:
            raise damaged_record(name, end, "its checksum is wrong")
        if frames.too_long is not None:
            raise damaged_record(name, end, f"its length is {frames.too_long:,}, expected at most {max_record_bytes:,}")
        position, rest = end, buffer[size:]
    if rest:
        raise damaged_record(name, position, f"the file ends in it, after {len(rest):,} bytes of it")


def _frames(buffer: bytes, max_record_bytes: int) -> _Frames:
    frames, place = _Frames(), 0
    while place + _HEAD.size <= len(buffer):
        length, head_sum = _HEAD.unpack_from(buffer, place)
        end = place + _HEAD.size + length
        if length > max_record_bytes:
            frames.too_long = length
            break
        if end + _TAIL.size > len(buffer):
            break
        frames.heads.append(buffer[place : place + 8])
        frames.head_sums.append(head_sum)
        frames.records.append(buffer[place + _HEAD.size : end])
        frames.sums.append(_TAIL.unpack_from(buffer, end)[0])
        place = end + _TAIL.size
    return frames


def _first_bad(frames: _Frames) -> int | None:
    """Return the position of the first record whose checksums are wrong."""
    wrong = _masked(frames.heads) != np.array(frames.head_sums, np.uint32)
    wrong |= _masked(frames.records) != np.array(frames.sums, np.uint32)
    return int(wrong.argmax()) if wrong.any() else None


def _masked(records: Sequence[bytes]) -> NDArray[np.uint32]:
    crc = crc32c_of(records)
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(_MASK_DELTA)


def _framed_size(records: Sequence[bytes]) -> int:
    return sum(map(len, records)) + len(records) * (_HEAD.size + _TAIL.size)
