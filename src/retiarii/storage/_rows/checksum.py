"""Checksums of rows, by which values that changed on the disk are detected.

Each row contains the CRC-32 of its other columns, which detects every change of up to 32 neighbouring bits. It is not a
signature: a user who can write to the store can write a matching checksum.
"""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Mapping
from typing import Any

_EXPERIMENT = (
    *("id", "name", "state", "objectives", "seed", "strategy", "created", "updated", "pid", "host", "version"),
    *("message", "stop_requested", "tags", "config", "space"),
)
_TRIAL = (
    *("experiment_id", "number", "state", "metric", "told_before", "finish_order", "started", "ended", "device"),
    *("fidelity", "parent", "violation", "key", "architecture", "metrics", "failure_kind", "failure_message", "reason"),
)
_TEXTS = ("experiment_id", "number", "traceback", "output")
_REPORT = ("experiment_id", "number", "step", "time", "metrics")
_DRAWING = ("experiment_id", "drawing")
_EPOCH = ("experiment_id", "number", "time", "metrics", "record")
NO_TEXTS = (None, "")
"""Traceback and output of most trials, which need no checksum."""

# The marshal format that has not changed since Python 2.5: a sequence of values, without references.
FORMAT = 2


def checksum(*values: Any) -> int:
    """Return the checksum of the values of a row, as a database returns them.

    Raises:
        ValueError: A value is of a kind that no column has.
    """
    return zlib.crc32(marshal.dumps(values, FORMAT))


def experiment_checksum(row: Mapping[str, Any]) -> int:
    """Return the checksum of the columns of an experiment."""
    values = {**row, "stop_requested": bool(row["stop_requested"])}
    return _of(values, _EXPERIMENT)


def as_stored(number: float | None) -> float | None:
    """Return a number as a database returns it: a ``float``, with zero unsigned."""
    return None if number is None else number + 0.0


def checksums(table: str, row: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the columns with the checksums of a row of a table."""
    if table == "experiments":
        return {"checksum": experiment_checksum(row)}
    if table == "trials":
        has_texts = (row["traceback"], row["output"]) != NO_TEXTS
        return {"checksum": _of(row, _TRIAL), "texts_checksum": _of(row, _TEXTS) if has_texts else None}
    return {"checksum": _of(row, {"intermediates": _REPORT, "epochs": _EPOCH, "drawings": _DRAWING}[table])}


def _of(row: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return checksum(*(row[name] for name in names))
