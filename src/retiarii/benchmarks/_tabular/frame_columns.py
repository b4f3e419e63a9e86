"""Columns of a data frame: of pandas, a mapping of columns or a sequence of rows, without importing pandas."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from retiarii.benchmarks._tabular.result_table import Numbers
from retiarii.errors import BenchmarkError
from retiarii.space import Value, nearest, plain_value

_HASHABLE = (bool, float, int, str)  # the types of most candidates


class FrameColumns:
    """The columns of a data frame, all of the same length.

    Args:
        frame: A pandas DataFrame, a mapping from names to columns, or a sequence of mappings with the same keys.

    Raises:
        BenchmarkError: ``frame`` is something else, is empty, or its columns differ in length.
    """

    def __init__(self, frame: Any) -> None:
        self._columns = _columns_of(frame)
        lengths = {name: len(column) for name, column in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise BenchmarkError(f"The columns of the data frame have different lengths: {lengths}.")
        self.num_rows = next(iter(lengths.values()), 0)
        if self.num_rows == 0:
            raise BenchmarkError("The data frame has no rows, expected one for each result.")

    def values(self, name: str, role: str) -> list[Value]:
        """Return a column of candidates, as plain values: texts, numbers, booleans.

        Args:
            name: The name of the column.
            role: What it is used for, for messages.

        Raises:
            BenchmarkError: There is no such column, or a value is missing or not plain.
        """
        column = self._column(name, role)
        known: dict[tuple[type, Any], Value] = {}
        plain = []
        for row, value in enumerate(column.tolist() if isinstance(column, np.ndarray) else column):
            key = (type(value), value)
            try:
                plain.append(known[key])
            except (KeyError, TypeError):
                known_value = self._plain(value, name, row)
                plain.append(known_value)
                if type(value) in _HASHABLE:
                    known[key] = known_value
        return plain

    def numbers(self, name: str, role: str) -> Numbers:
        """Return a column of numbers; None becomes NaN.

        Args:
            name: The name of the column.
            role: What it is used for, for messages.

        Raises:
            BenchmarkError: There is no such column, or a value is not a number.
        """
        column = self._column(name, role)
        try:
            if getattr(column, "dtype", None) is not None and column.dtype.kind in "fiu":
                return np.asarray(column, dtype=np.float64)
        except AttributeError:  # a dtype of pandas without a kind
            pass
        return np.array([_number(value, name, row) for row, value in enumerate(column)], dtype=np.float64)

    def _column(self, name: str, role: str) -> Any:
        if name not in self._columns:
            raise BenchmarkError(
                f"The data frame has no column {name!r} ({role}). Its columns are "
                f"{sorted(map(str, self._columns))}.{nearest(name, [str(known) for known in self._columns])}"
            )
        column = self._columns[name]
        if getattr(column, "ndim", 1) != 1:
            raise BenchmarkError(f"The data frame has several columns {name!r} ({role}). Rename or drop all but one.")
        return column

    def _plain(self, value: Any, name: str, row: int) -> Value:
        if hasattr(value, "item") and not isinstance(value, (str, bytes)):
            value = value.item()
        if value is None or (isinstance(value, float) and math.isnan(value)):
            raise BenchmarkError(f"Row {row} of the data frame has no value in the column {name!r}, which is a choice.")
        try:
            return plain_value(value)
        except ValueError as err:
            raise BenchmarkError(f"Row {row} of the data frame, column {name!r}: the value {err}.") from err


def _columns_of(frame: Any) -> dict[Any, Any]:
    if isinstance(frame, Mapping):
        return {name: _listed(column, name) for name, column in frame.items()}
    if hasattr(frame, "columns") and hasattr(frame, "iloc"):  # pandas
        return {name: frame[name].to_numpy() for name in frame.columns}
    if isinstance(frame, Sequence) and frame and all(isinstance(row, Mapping) for row in frame):
        names = list(frame[0])
        for place, row in enumerate(frame):
            if set(row) != set(names):
                odd = sorted({*map(str, row)} ^ {*map(str, names)})
                raise BenchmarkError(f"Row {place} of the data frame differs from row 0 in its columns: {odd}.")
        return {name: [row[name] for row in frame] for name in names}
    raise BenchmarkError(
        f"The data frame is of type {type(frame).__name__}, expected a pandas DataFrame, a dict of columns, or a list "
        "of dicts that has at least one."
    )


def _listed(column: Any, name: Any) -> Any:
    if isinstance(column, (str, bytes)) or not isinstance(column, Iterable):
        raise BenchmarkError(
            f"The column {name!r} of the data frame is of type {type(column).__name__}, expected a list or an array."
        )
    if isinstance(column, np.ndarray) and column.ndim != 1:
        raise BenchmarkError(f"The column {name!r} of the data frame has the shape {column.shape}, expected one axis.")
    return column.to_numpy() if hasattr(column, "to_numpy") else column if hasattr(column, "__len__") else list(column)


def _number(value: Any, name: str, row: int) -> float:
    if value is None:
        return math.nan
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bool) or not isinstance(plain, (int, float)):
        raise BenchmarkError(
            f"Row {row} of the data frame has {value!r} of type {type(plain).__name__} in the column {name!r}, "
            "expected a number."
        )
    return float(plain)
