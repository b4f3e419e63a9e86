"""Conversion between trials and rows, optimised for speed, because it dominates the time of reading a million trials.

A *row* here lacks the first column of the table, the id of the experiment. A *light* row lacks the last three columns
as well: the long texts and their checksum.
"""

from __future__ import annotations

import math
from marshal import dumps
from zlib import crc32

from retiarii._plain_data import clean_text
from retiarii.storage._rows.checksum import FORMAT, NO_TEXTS, as_stored, checksum
from retiarii.storage._rows.damage import CHANGED, FAULTS, LARGEST, Row, damaged
from retiarii.storage._rows.row_encoding import (
    decode_architecture,
    decode_fidelity,
    decode_metrics,
    encode_fidelity,
    encode_metrics,
    shortened,
)
from retiarii.trial import DEFAULT, FULL, Failure, FailureKind, Metrics, Trial, TrialState

_STATES = {state.value: state for state in TrialState if state is not TrialState.INTERRUPTED}  # which is derived
_CHECK = 12  # the place of the checksum in a row
_LIGHT = 18


def trial_row(experiment_id: str, trial: Trial) -> Row:
    """Return the values of the columns of a trial, in the order of the table."""
    failure, metric = trial.failure, trial.metric
    head = (
        experiment_id,
        trial.number,
        trial.state.value,
        as_stored(metric) if metric is not None and math.isfinite(metric) else None,
        trial.told_before,
        trial.finish_order,
        as_stored(trial.started),
        as_stored(trial.ended),
        None if trial.device is None else clean_text(trial.device),
        encode_fidelity(trial.fidelity),
        trial.parent,
        as_stored(trial.violation),
        trial.architecture.key,
    )
    middle = (
        trial.architecture.canonical_json(),
        None if trial.metrics is None else encode_metrics(trial.metrics),
        None if failure is None else failure.kind.value,
        None if failure is None else clean_text(failure.message),
        clean_text(trial.reason) or None,
    )
    texts = (
        None if failure is None or failure.traceback is None else clean_text(failure.traceback),
        clean_text(trial.output),
    )
    texts_check = None if texts == NO_TEXTS else checksum(experiment_id, trial.number, *texts)
    return (*head, checksum(*head, *middle), *middle, *texts, texts_check)


def trial_from_row(
    experiment_id: str, row: Row, intermediates: tuple[Metrics, ...] = (), *, objective: str = DEFAULT
) -> Trial:
    """Return the trial of a row.

    Args:
        experiment_id: The first column.
        row: The others.
        intermediates: The intermediate results of the trial.
        objective: The metric by which the experiment ranks its trials.

    Raises:
        CorruptStoreError: The row is not what `trial_row` made.
    """
    check_light(experiment_id, row)
    number, (traceback, output, check) = row[0], row[_LIGHT:]
    if check is not None or output != "" or traceback is not None:
        try:
            if check != crc32(dumps((experiment_id, number, traceback, output), FORMAT)):  # `checksum`
                raise ValueError(CHANGED)
            if type(output) is not str or (traceback is not None and type(traceback) is not str):
                raise ValueError("the output or traceback is no text")
        except FAULTS as err:
            raise damaged(f"trial {number!r}", err, experiment_id) from err
    return trial_from_light(experiment_id, row, intermediates, objective, traceback, output)


def check_light(experiment_id: str, row: Row) -> None:
    """Compare a row, light or not, with its checksum, and check the columns by which trials are ordered.

    Raises:
        CorruptStoreError: The row has changed, or these columns are not numbers.
    """
    covered = (experiment_id, *row[:_CHECK], *row[_CHECK + 1 : _LIGHT])
    try:
        if row[_CHECK] != crc32(dumps(covered, FORMAT)):  # `checksum`
            raise ValueError(CHANGED)
        if type(row[0]) is not int or not (row[4] is None or type(row[4]) is int):
            raise ValueError("its number or place is no whole number")
    except FAULTS as err:
        raise damaged(f"trial {row[0]!r}", err, experiment_id) from err


def trial_from_light(
    experiment_id: str,
    row: Row,
    intermediates: tuple[Metrics, ...],
    objective: str,
    traceback: str | None = None,
    output: str = "",
) -> Trial:
    """Return the trial of a row, light or not, that was compared with its checksum before.

    Raises:
        CorruptStoreError: A value has no meaning.
    """
    number, state, _, told_before, finish_order, started, ended, device, fidelity, parent, violation, *_ = row[:_CHECK]
    text, metrics, kind, message, reason = row[_CHECK + 1 : _LIGHT]
    try:
        is_sound = (
            type(told_before) is int
            and (started is None or -LARGEST < started < LARGEST)
            and (ended is None or -LARGEST < ended < LARGEST)
            and (device is None or type(device) is str)
            and (parent is None or type(parent) is int)
            and type(violation) is float
            and violation >= 0.0
            and (message is None or type(message) is str)
            and (reason is None or type(reason) is str)
        )
        if not is_sound:
            raise ValueError("a column has a value of another kind")
        return Trial(
            number,
            decode_architecture(text),
            _STATES[state],
            None if metrics is None else decode_metrics(metrics),
            intermediates,
            told_before,
            finish_order,
            started,
            ended,
            device,
            None if kind is None else Failure(FailureKind(kind), message, traceback),
            output,
            FULL if fidelity is None else decode_fidelity(fidelity),
            parent,
            objective,
            violation,
            reason or "",
        )
    except FAULTS as err:
        raise damaged(f"trial {number!r}", err, experiment_id) from err


def is_running(state: object) -> bool:
    """Return whether a value of the column ``state`` is that of a trial that has not ended."""
    return state == TrialState.RUNNING.value


def check_hash(trial: Trial, key: str) -> Trial:
    """Return a trial after comparing its architecture with the stored hash, so that exports are what was stored.

    Raises:
        CorruptStoreError: The architecture has another hash.
    """
    try:
        if trial.architecture.key != key:
            raise ValueError(f"its architecture does not have the hash {shortened(key)}")
    except ValueError as err:
        raise damaged(f"trial {trial.number}", err) from err
    return trial
