"""`crc32c_of`: the Castagnoli checksums of many records at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78  # reflected
_ALL_ONES = 0xFFFFFFFF


def crc32c_of(records: Sequence[bytes]) -> NDArray[np.uint32]:
    """Return the CRC-32C of each record.

    A CRC is linear over XOR: each byte contributes a number that depends on it and on how many bytes follow, and the
    contributions are added by XOR. So one look-up treats the bytes of all records that are equally far from their ends.
    This takes about 3 ns for a byte where records are similar in length, one after the other about 100 ns.

    Args:
        records: Records of similar lengths: memory and time are those of as many records of the longest one.

    Reference:
        RFC 3720, section 12.1 (polynomial 0x1EDC6F41, reflected, initial value and final XOR of ones).
    """
    if not records:
        return np.empty(0, np.uint32)
    lengths = np.fromiter(map(len, records), np.int64, len(records))
    width = int(lengths.max())
    contributions, of_length = _tables(-(-width // 512) * 512)
    padded = b"".join([record.rjust(width, b"\0") for record in records])  # zeros in front contribute nothing
    columns = np.ascontiguousarray(np.frombuffer(padded, np.uint8).reshape(len(records), width).T)
    crc = of_length[lengths]
    for num_after, column in enumerate(columns[::-1]):
        crc ^= contributions[num_after][column]
    return crc


@lru_cache(maxsize=2)
def _tables(width: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the contributions of each byte before 0, 1, ... others, and the CRC of 0, 1, ... zeros."""
    of_byte = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        of_byte = np.where(of_byte & 1, (of_byte >> 1) ^ np.uint32(_POLYNOMIAL), of_byte >> 1)
    contributions = np.empty((width, 256), np.uint32)
    register, zeros = of_byte, np.empty(width + 1, np.uint32)
    state = np.uint32(_ALL_ONES)
    for num_after in range(width):
        contributions[num_after] = register
        register = (register >> 8) ^ of_byte[register & 0xFF]
        zeros[num_after] = state
        state = (state >> 8) ^ of_byte[state & 0xFF]
    zeros[width] = state
    return contributions, zeros ^ np.uint32(_ALL_ONES)
