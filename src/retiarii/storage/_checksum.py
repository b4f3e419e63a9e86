"""Checksums of rows: a value that changed on the disk is an error, never a result.

Each row carries the CRC-32 of its other columns, which finds every change of up to 32 neighbouring bits. (It is no
signature: whoever may write the store may write a fitting one.)
"""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Mapping
from typing import Any

# The columns of an experiment that its checksum covers: all others.
_EXPERIMENT = (
    *("id", "name", "state", "objectives", "seed", "strategy", "created", "updated", "pid", "host", "version"),
    *("message", "stop_requested", "config", "space"),
)


# The format of marshal that has not changed since Python 2.5: values one after the other, without references.
FORMAT = 2


def checksum(*values: Any) -> int:
    """Return the checksum of the values of a row, as databases give them back.

    Raises:
        ValueError: A value is of a kind that no column has.
    """
    return zlib.crc32(marshal.dumps(values, FORMAT))


def experiment_checksum(row: Mapping[str, Any]) -> int:
    """Return the checksum of the columns of an experiment."""
    values = {**row, "stop_requested": bool(row["stop_requested"])}
    return checksum(*(values[name] for name in _EXPERIMENT))


def as_stored(number: float | None) -> float | None:
    """Return a number as databases give it back: ``float``, and zero without a sign."""
    return None if number is None else number + 0.0
