"""Filtering and sorting of a table of trials, for pages of a table."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from retiarii.analysis._trial_table import NONE, STATES, Coded, TrialTable
from retiarii.trial import TrialState

Rows = npt.NDArray[np.intp]

METRIC = "metric:"
"""What the names of the columns of metrics begin with: ``"metric:accuracy"``."""

CHOICE = "choice:"
"""What the names of the columns of choices begin with: ``"choice:width"``."""

_NUMBERS = ("number", "started", "ended", "duration_s", "finish_order", "parent", "violation")
_CODED = ("fidelity", "device", "failure")


@dataclass(frozen=True)
class TrialFilter:
    """Which trials of a table are wanted: those that meet all conditions.

    Attributes:
        states: The states of the trials; None for all.
        choices: By label the values of which the trial must have chosen one; ``1``, ``1.0`` and ``True`` differ.
        metrics: By name the smallest and largest value, both included; a missing or NaN metric is in no range.
        text: A text that a chosen value, the reason of a failure or the device contains, in whatever case; or the
            number of a trial.
    """

    states: Collection[TrialState] | None = None
    choices: Mapping[str, Collection[Hashable]] = field(default_factory=dict)
    metrics: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    text: str = ""

    def matches(self, table: TrialTable) -> npt.NDArray[np.bool_]:
        """Return for each trial whether it is wanted; a label or metric that no trial has matches none."""
        found = np.ones(len(table), np.bool_)
        if self.states is not None:
            found &= table.is_in(*self.states)
        for label, values in self.choices.items():
            found &= _has_one_of(table.choices[label], values) if label in table.choices else False
        for name, (low, high) in self.metrics.items():
            values_of = table.metrics.get(name)
            found &= False if values_of is None else (values_of >= low) & (values_of <= high)
        text = self.text.strip().casefold()
        return found & _contains(table, text) if text else found


def sort_columns(table: TrialTable) -> list[str]:
    """Return the names of the columns by which `sorted_rows` sorts."""
    metrics, choices = (METRIC + name for name in table.metrics), (CHOICE + label for label in table.choices)
    return [*_NUMBERS, "state", *_CODED, *metrics, *choices]


def sorted_rows(table: TrialTable, column: str = "number", *, descending: bool = False) -> Rows:
    """Return the positions of all rows, sorted by a column.

    Rows without a value come last in either direction; equal ones are sorted by number.

    Args:
        table: The trials.
        column: The name of the column, one of `sort_columns`.
        descending: Whether the largest values come first.

    Raises:
        KeyError: There is no such column.
    """
    keys = _keys(table, column)
    is_missing = np.isnan(keys)
    return np.lexsort((table.number, -keys if descending else keys, is_missing))


def _keys(table: TrialTable, column: str) -> npt.NDArray[np.float64]:
    """Return numbers in whose order the rows are, NaN for missing ones."""
    if column.startswith(METRIC):
        return table.metrics[column.removeprefix(METRIC)]
    if column.startswith(CHOICE):
        return _ranks(table.choices[column.removeprefix(CHOICE)])
    if column == "state":
        return np.argsort(np.argsort([state.value for state in STATES]))[table.state].astype(np.float64)
    if column == "duration_s":
        return table.ended - table.started
    if column in _CODED:
        return _ranks(getattr(table, column))
    if column not in _NUMBERS:
        raise KeyError(column)
    values = getattr(table, column)
    if values.dtype.kind == "f":
        return np.asarray(values, np.float64)
    return np.where(values == NONE, math.nan, values.astype(np.float64))


def _ranks(column: Coded) -> npt.NDArray[np.float64]:
    """Return for each row the place of its value among the sorted distinct values."""
    if {*map(type, column.values)} == {float}:  # often as many as there are trials
        order = np.argsort(np.array(column.values), kind="stable")
    else:
        order = np.array(sorted(range(len(column.values)), key=lambda code: _order_of(column.values[code])), np.intp)
    ranks = np.full(len(order) + 1, math.nan)
    ranks[order] = np.arange(len(order))
    return ranks[column.codes]  # the last belongs to NONE, which is -1


def _order_of(value: Any) -> tuple[int, Any]:
    """Return a key that orders values of all kinds: numbers, then texts, then tuples, then None."""
    if isinstance(value, (int, float)):
        return 0, (value, isinstance(value, bool), isinstance(value, float))
    if isinstance(value, str):
        return 1, value
    if isinstance(value, tuple):
        return 2, [_order_of(item) for item in value]
    return 3, str(value)


def _contains(table: TrialTable, text: str) -> npt.NDArray[np.bool_]:
    found = table.number == int(text) if text.isdecimal() and len(text) < 10 else np.zeros(len(table), np.bool_)
    for column in (*table.choices.values(), table.failure, table.device):
        codes = [code for code, value in enumerate(column.values) if text in str(value).casefold()]
        found = found | np.isin(column.codes, codes)
    return found


def _has_one_of(column: Coded, values: Collection[Hashable]) -> npt.NDArray[np.bool_]:
    wanted = {(type(value), value) for value in values}
    codes = [code for code, value in enumerate(column.values) if (type(value), value) in wanted]
    return np.isin(column.codes, codes)
