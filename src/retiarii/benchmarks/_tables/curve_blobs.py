"""Curves over epochs as compressed blobs of a table."""

from __future__ import annotations

import math
import sys
import zlib
from array import array
from collections.abc import Sequence

from retiarii.errors import BenchmarkError


def packed_curves(curves: Sequence[Sequence[float | None]]) -> bytes:
    """Return curves of the same length as a blob; None becomes NaN."""
    values = array("d", (math.nan if value is None else value for curve in curves for value in curve))
    if sys.byteorder == "big":
        values.byteswap()
    return zlib.compress(values.tobytes())


def unpacked_curves(data: object, count: int, problem: str, remedy: str) -> list[list[float | None]]:
    """Return the curves of a blob, with None for NaN.

    Args:
        data: The blob.
        count: How many curves there are.
        problem: The curves in messages.
        remedy: What to do if they are damaged.

    Raises:
        BenchmarkError: They are damaged.
    """
    values = array("d")
    try:
        values.frombytes(zlib.decompress(data))  # type: ignore[arg-type] # whatever a damaged file has there
    except (TypeError, ValueError, zlib.error) as err:
        raise BenchmarkError(f"{problem} are damaged ({err}). Delete it. {remedy}") from err
    if sys.byteorder == "big":
        values.byteswap()
    epochs = len(values) // count
    numbers = [None if math.isnan(value) else value for value in values]
    return [numbers[start : start + epochs] for start in range(0, epochs * count, epochs)] if epochs else []
