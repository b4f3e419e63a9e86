"""Tables of trials for pandas and Arrow, which the extra ``dataframe`` installs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from retiarii.analysis._trial_selection import CHOICE, METRIC
from retiarii.analysis._trial_table import NONE, STATES, Coded, TrialTable
from retiarii.errors import MissingExtraError
from retiarii.trial import TrialState

if TYPE_CHECKING:
    import pandas
    import pyarrow

FIDELITY = "fidelity:"
"""What the names of the columns of fidelities begin with: ``"fidelity:epochs"``."""

_MICROSECONDS = 1_000_000


def data_frame(table: TrialTable, *, is_running: bool = True) -> pandas.DataFrame:
    """Return a pandas data frame with one row per trial.

    Columns: ``number``, ``state``, ``metric:NAME`` for each metric, ``choice:LABEL`` for each label,
    ``fidelity:NAME``, ``started`` and ``ended`` as times in UTC, ``duration_s``, ``device``, ``failure_kind``,
    ``failure_message``, ``parent``, ``finish_order`` and ``violation``. Texts that repeat are categories.

    Args:
        table: The trials.
        is_running: Whether a process runs the experiment; if not, running trials are interrupted.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as err:
        raise MissingExtraError(
            f'A data frame needs pandas, which is not installed: pip install "retiarii[dataframe]" ({err}).'
        ) from err
    columns: dict[str, Any] = {
        "number": table.number.astype(np.int64),
        "state": pd.Categorical.from_codes(_seen(table, is_running=is_running), [state.value for state in STATES]),
        **{METRIC + name: values for name, values in table.metrics.items()},
        **{CHOICE + label: _column(pd, column) for label, column in table.choices.items()},
        **{FIDELITY + name: values for name, values in _fidelities(table.fidelity).items()},
        "started": _times(pd, table.started),
        "ended": _times(pd, table.ended),
        "duration_s": table.ended - table.started,
        "device": _column(pd, table.device),
        "failure_kind": _column(pd, _part(table.failure, 0)),
        "failure_message": _column(pd, _part(table.failure, 1)),
        "parent": _whole(pd, table.parent),
        "finish_order": _whole(pd, table.finish_order),
        "violation": table.violation,
    }
    return pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})


def arrow_table(table: TrialTable, *, is_running: bool = True) -> pyarrow.Table:
    """Return an Arrow table with the columns of `data_frame`, to write as Parquet or to query.

    A column with values of several kinds has them as JSON texts.

    Args:
        table: The trials.
        is_running: As in `data_frame`.

    Raises:
        MissingExtraError: pandas or pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as err:
        raise MissingExtraError(
            f'An Arrow table needs pyarrow, which is not installed: pip install "retiarii[dataframe]" ({err}).'
        ) from err
    frame = data_frame(table, is_running=is_running)
    for name in [name for name in frame if frame[name].dtype.name == "object"]:
        try:
            pa.array(frame[name], from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            frame[name] = [None if value is None else json.dumps(value) for value in frame[name]]
    return pa.Table.from_pandas(frame, preserve_index=False)


def _seen(table: TrialTable, *, is_running: bool) -> npt.NDArray[np.int8]:
    if is_running:
        return table.state
    return np.where(table.is_in(TrialState.RUNNING), np.int8(STATES.index(TrialState.INTERRUPTED)), table.state)


def _times(pd: Any, seconds: npt.NDArray[np.float64]) -> Any:
    """Return Unix times as times in UTC, to the microsecond."""
    is_known = np.isfinite(seconds)
    whole = np.round(np.where(is_known, seconds, 0.0) * _MICROSECONDS).astype(np.int64).astype("datetime64[us]")
    return pd.Series(np.where(is_known, whole, np.datetime64("NaT"))).dt.tz_localize("UTC")


def _whole(pd: Any, numbers: npt.NDArray[np.int32]) -> Any:
    return pd.arrays.IntegerArray(numbers.astype(np.int64), numbers == NONE)


def _fidelities(column: Coded) -> dict[str, npt.NDArray[np.float64]]:
    names = dict.fromkeys(name for pairs in column.values for name, _ in pairs)
    found = {}
    for name in names:
        amounts = np.array([dict(pairs).get(name, np.nan) for pairs in column.values] + [np.nan], np.float64)
        found[name] = amounts[column.codes]  # the last is that of NONE, which is -1
    return found


def _part(column: Coded, place: int) -> Coded:
    """Return the column of one item of values that are tuples."""
    distinct = list(dict.fromkeys(value[place] for value in column.values))
    codes = np.array([distinct.index(value[place]) for value in column.values] + [NONE], np.int32)
    return Coded(codes[column.codes], distinct)


def _column(pd: Any, column: Coded) -> Any:
    """Return the values of a column in the narrowest type that holds all of them, missing ones included."""
    values, codes = list(column.values), column.codes
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {str}:
        texts = [value for value in values if value is not None]
        of_value = {value: code for code, value in enumerate(texts)}
        of_code = np.array([of_value.get(value, NONE) for value in values] + [NONE], np.int32)
        return pd.Categorical.from_codes(of_code[codes], texts)
    of_code = np.empty(len(values) + 1, object)
    of_code[:-1] = values
    found = of_code[codes]  # None for NONE, which is -1
    if kinds == {bool}:
        return pd.array(found, "boolean")
    if kinds == {int} and all(abs(value) < 2**63 for value in values if value is not None):
        return pd.array(found, "Int64" if any(value is None for value in found) else "int64")
    return found.astype(np.float64) if float in kinds and kinds <= {int, float} else found
