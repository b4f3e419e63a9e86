"""`TableColumns`: the columns of a table of trials while it is read from a store, bit by bit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from retiarii.analysis._trial_selection import CHOICE, METRIC
from retiarii.analysis._trial_table import NONE, STATES, TrialTable
from retiarii.analysis._value_codes import ChoiceCodes, ValueCodes
from retiarii.storage import ExperimentRecord, LightTrial

Column = npt.NDArray[Any]

_STATE_CODES = {state.value: code for code, state in enumerate(STATES)}
_CODED = ("fidelity", "device", "failure")
_TYPES: dict[str, Any] = {
    "number": np.int32,
    "state": np.int8,
    "finish_order": np.int32,
    "parent": np.int32,
    "violation": np.float64,
    "started": np.float64,
    "ended": np.float64,
}


class TableColumns:
    """Turns rows of trials into tables; each table is a value that later rows do not change."""

    def __init__(self) -> None:
        self._choices = ChoiceCodes()
        self._codes = {
            "fidelity": ValueCodes(lambda text: tuple(json.loads(text).items())),
            "device": ValueCodes(),
            "failure": ValueCodes(),
        }
        self._columns: dict[str, Column] = {name: np.empty(0, kind) for name, kind in _TYPES.items()}
        self._columns |= {name: np.empty(0, np.int32) for name in _CODED}
        self._table: TrialTable | None = None

    @property
    def number(self) -> npt.NDArray[np.int32]:
        """The numbers of the trials."""
        return self._columns["number"]

    @property
    def finish_order(self) -> npt.NDArray[np.int32]:
        """The order in which the trials ended; -1 for those that run."""
        return self._columns["finish_order"]

    def add(self, trials: Sequence[LightTrial]) -> None:
        """Add trials, by number; those that are there already are replaced.

        Raises:
            ValueError: A value has no meaning.
        """
        new = self._columns_of(trials)
        old, places = self._columns, np.searchsorted(self.number, new["number"])
        if _is_same(old, new, places):
            return
        number = _together(old["number"], new["number"])
        of_old, of_new = _places(number, old["number"]), _places(number, new["number"])
        self._columns = {
            name: _merged(len(number), old.get(name), of_old, new.get(name), of_new) for name in {**old, **new}
        }
        self._table = None

    def table(self, record: ExperimentRecord) -> TrialTable:
        """Return the table of the trials so far; the same one if nothing has changed."""
        if self._table is None or self._table.record != record:
            self._table = self._made(record, self._table)
        return self._table

    def _columns_of(self, trials: Sequence[LightTrial]) -> dict[str, Column]:
        rows = LightTrial(*map(tuple, zip(*trials, strict=True)))  # type: ignore[arg-type]  # each field a column
        values: dict[str, Any] = rows._asdict()
        columns: dict[str, Column] = {
            "number": np.array(values["number"], np.int32),
            "state": np.fromiter(map(_STATE_CODES.__getitem__, values["state"]), np.int8, len(trials)),
            "finish_order": _whole(values["finish_order"]),
            "parent": _whole(values["parent"]),
            **{name: np.array(values[name], np.float64) for name in ("violation", "started", "ended")},
            "fidelity": self._codes["fidelity"].of(values["fidelity"]),
            "device": self._codes["device"].of(values["device"]),
            "failure": self._codes["failure"].of(_failures(values["failure_kind"], values["failure_message"])),
        }
        columns |= {METRIC + name: column for name, column in _metrics(values["metrics"]).items()}
        return columns | {CHOICE + label: codes for label, codes in self._choices.of(values["architecture"]).items()}

    def _made(self, record: ExperimentRecord, earlier: TrialTable | None) -> TrialTable:
        columns = self._columns
        for column in columns.values():
            column.setflags(write=False)
        choices = {
            label: self._choices.column(label, codes, earlier.choices.get(label) if earlier else None)
            for label, codes in _named(columns, CHOICE).items()
        }
        coded: dict[str, Any] = {name: self._codes[name].column(columns[name]) for name in _CODED}
        plain: dict[str, Any] = {name: columns[name] for name in _TYPES}
        return TrialTable(record=record, metrics=_named(columns, METRIC), choices=choices, **plain, **coded)


def _named(columns: Mapping[str, Column], prefix: str) -> dict[str, Column]:
    return {name.removeprefix(prefix): column for name, column in columns.items() if name.startswith(prefix)}


def _whole(values: Sequence[int | None]) -> npt.NDArray[np.int32]:
    return np.array([NONE if value is None else value for value in values], np.int32)


def _failures(kinds: Sequence[str | None], messages: Sequence[str | None]) -> list[tuple[str, str | None] | None]:
    return [None if kind is None else (kind, message) for kind, message in zip(kinds, messages, strict=True)]


def _metrics(texts: Sequence[str | None]) -> dict[str, npt.NDArray[np.float64]]:
    """Parse all metrics at once: a call for each trial takes longer than the parsing."""
    found = json.loads(f"[{','.join(text or '{}' for text in texts)}]")
    if len(found) != len(texts):
        raise ValueError("metrics are no JSON objects")
    names = dict.fromkeys(chain.from_iterable(found))
    missing = float("nan")
    return {name: np.array([one.get(name, missing) for one in found], np.float64) for name in names}


def _is_same(old: Mapping[str, Column], new: Mapping[str, Column], places: npt.NDArray[np.intp]) -> bool:
    """Return whether rows that are looked up at places of the old columns are there already, with the same values."""
    size = len(old["number"])
    if not new.keys() <= old.keys() or (places >= size).any():
        return False
    return all(
        np.array_equal(old[name][places], _filled(new, name, len(places), old[name].dtype), equal_nan=True)
        for name in old
    )


def _filled(columns: Mapping[str, Column], name: str, size: int, kind: Any) -> Column:
    return columns[name] if name in columns else _nothing(size, kind)


def _nothing(size: int, kind: Any) -> Column:
    """Return a column of missing values."""
    return np.full(size, np.nan if np.dtype(kind).kind == "f" else NONE, kind)


def _together(old: Column, new: Column) -> Column:
    """Return the numbers of both, ascending, each once."""
    if not len(old) or new[0] > old[-1]:
        return np.concatenate((old, new))
    fresh = new[~np.isin(new, old)]
    return np.sort(np.concatenate((old, fresh)))


def _places(number: Column, of: Column) -> slice | npt.NDArray[np.intp]:
    """Return where some numbers are among all; a slice, which is faster, if they are together."""
    if not len(of):
        return slice(0, 0)
    first = int(np.searchsorted(number, of[0]))
    if number[min(first + len(of), len(number)) - 1] == of[-1]:
        return slice(first, first + len(of))
    return np.searchsorted(number, of)


def _merged(size: int, old: Column | None, of_old: Any, new: Column | None, of_new: Any) -> Column:
    """Return a column with old and new rows at their places; new ones replace old ones."""
    kind = (old if old is not None else new).dtype  # type: ignore[union-attr]  # one of them exists
    column = _nothing(size, kind)
    if old is not None:
        column[of_old] = old
    column[of_new] = _nothing(1, kind) if new is None else new
    return column
