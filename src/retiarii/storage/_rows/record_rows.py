"""Between records and rows of the database; `retiarii.storage._rows.trial_rows` has those of trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from retiarii._plain_data import clean_text, encode_json
from retiarii.errors import CorruptStoreError
from retiarii.storage._artefacts import ID_RULE, is_id
from retiarii.storage._experiment_records import (
    EpochRecord,
    ExperimentProgress,
    ExperimentRecord,
    ExperimentState,
    FailureReason,
    Intermediate,
    checked_tags,
)
from retiarii.storage._rows.checksum import as_stored, checksum, experiment_checksum
from retiarii.storage._rows.damage import CHANGED, FAULTS, Row, check_kinds, damaged, damaged_experiment
from retiarii.storage._rows.row_encoding import (
    decode_metrics,
    decode_objectives,
    decode_tags,
    encode_metrics,
    encode_objectives,
    parse_object,
)
from retiarii.trial import FailureKind, Objectives

_TEXT, _COUNT, _TIME = (str,), (int,), (float,)
_PERHAPS_TEXT, _PERHAPS_COUNT = (str, type(None)), (int, type(None))
_REPORT_KINDS = (_COUNT, _COUNT, _TIME)
_EPOCH_KINDS = (_COUNT, _TIME)
_REASON_KINDS = (_TEXT, _COUNT)
_EXPERIMENT_NAMES = (
    *("name", "strategy", "version", "message", "config", "space", "seed"),
    *("host", "pid", "created", "updated"),
)
_EXPERIMENT_KINDS = (*[_TEXT] * 7, _PERHAPS_TEXT, _PERHAPS_COUNT, _TIME, _TIME)


def intermediate_row(experiment_id: str, report: Intermediate) -> Row:
    """Return the values of the columns of an intermediate result, in the order of the table."""
    values = experiment_id, report.number, report.step, as_stored(report.time), encode_metrics(report.metrics)
    return *values, checksum(*values)


def intermediate_from_row(
    experiment_id: str, number: int, step: int, moment: float, metrics: str, check: int
) -> Intermediate:
    """Return the intermediate result of a row.

    Raises:
        CorruptStoreError: The row is not what `intermediate_row` made.
    """
    try:
        if check != checksum(experiment_id, number, step, moment, metrics):
            raise ValueError(CHANGED)
        check_kinds(_REPORT_KINDS, (number, step, moment))
        return Intermediate(number, step, decode_metrics(metrics), moment)
    except FAULTS as err:
        raise _damaged_report(experiment_id, number, step, err) from err


def reported_text(experiment_id: str, number: int, step: int, moment: float, metrics: str, check: int) -> str:
    """Return the metrics of an intermediate result as they are stored, once the row has been checked.

    Raises:
        CorruptStoreError: The row has changed.
    """
    if check != checksum(experiment_id, number, step, moment, metrics):
        raise _damaged_report(experiment_id, number, step, ValueError(CHANGED))
    return metrics


def epoch_row(experiment_id: str, epoch: EpochRecord) -> dict[str, Any]:
    """Return the columns of an epoch.

    Raises:
        ConfigError: The record is not plain JSON data.
    """
    row = {
        "experiment_id": experiment_id,
        "number": epoch.number,
        "time": as_stored(epoch.time),
        "metrics": encode_metrics(epoch.metrics),
        "record": encode_json("record of an epoch", epoch.record),
    }
    return {**row, "checksum": checksum(*row.values())}


def epoch_from_row(
    experiment_id: str, number: int, moment: float, metrics: str, record: str, check: int
) -> EpochRecord:
    """Return the epoch of a row.

    Raises:
        CorruptStoreError: The row is not what `epoch_row` made.
    """
    try:
        if check != checksum(experiment_id, number, moment, metrics, record):
            raise ValueError(CHANGED)
        check_kinds(_EPOCH_KINDS, (number, moment))
        return EpochRecord(number, parse_object(record), decode_metrics(metrics), moment)
    except FAULTS as err:
        raise damaged(f"epoch {number!r}", err, experiment_id) from err


def drawing_row(experiment_id: str, drawing: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a drawing.

    Raises:
        ConfigError: The drawing is not plain JSON data.
    """
    row = {"experiment_id": experiment_id, "drawing": encode_json("drawing of an experiment", drawing)}
    return {**row, "checksum": checksum(*row.values())}


def drawing_from_row(experiment_id: str, drawing: str, check: int) -> dict[str, Any]:
    """Return the drawing of a row.

    Raises:
        CorruptStoreError: The row is not what `drawing_row` made.
    """
    try:
        if check != checksum(experiment_id, drawing):
            raise ValueError(CHANGED)
        return parse_object(drawing)
    except FAULTS as err:
        raise damaged("the drawing", err, experiment_id) from err


def failure_reason_from_row(kind: str, message: str, count: int, example: int) -> FailureReason:
    """Return one group of failed trials.

    Raises:
        CorruptStoreError: The kind of failure is unknown.
    """
    try:
        check_kinds(_REASON_KINDS, (message, example))
        return FailureReason(FailureKind(kind), message, count, example)
    except FAULTS as err:
        raise damaged(f"trial {example!r}", err) from err


_TO_COLUMN: dict[str, Callable[[Any], Any]] = {
    "state": lambda value: ExperimentState(value).value,
    "objectives": lambda value: encode_objectives(Objectives.of(value)),
    "seed": str,
    "tags": lambda value: encode_json("tags of an experiment", checked_tags(value)),
    "name": lambda value: clean_text(value),
    "strategy": lambda value: clean_text(value),
    "message": lambda value: clean_text(value),
    "host": lambda value: None if value is None else clean_text(value),
    "created": lambda value: as_stored(value),
    "updated": lambda value: as_stored(value),
}


def experiment_row(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of fields of an `ExperimentRecord`, without the checksum.

    Raises:
        ConfigError: A value cannot be stored.
    """
    row = {}
    for name, value in values.items():
        if name in ("config", "space"):
            row[name] = encode_json(f"{name} of an experiment", value)
        else:
            row[name] = _TO_COLUMN.get(name, lambda same: same)(value)
    return row


def experiment_from_row(row: Mapping[str, Any]) -> ExperimentRecord:
    """Return the record of a row.

    Raises:
        CorruptStoreError: The row is not what `experiment_row` made.
    """
    fields = {name: value for name, value in row.items() if name != "checksum"}
    try:
        if not is_id(row["id"]):
            raise ValueError(f"its id can name no folder: expected {ID_RULE}")
        check_experiment(row)
        check_kinds(_EXPERIMENT_KINDS, [row[name] for name in _EXPERIMENT_NAMES])
        return ExperimentRecord(
            **{
                **fields,
                "state": ExperimentState(row["state"]),
                "objectives": decode_objectives(row["objectives"]),
                "seed": int(row["seed"]),
                "config": parse_object(row["config"]),
                "space": parse_object(row["space"]),
                "tags": decode_tags(row["tags"]),
            }
        )
    except FAULTS as err:
        raise damaged_experiment(row["id"], err) from err


def progress_from_row(
    experiment_id: str,
    state: str,
    updated: float,
    stop_requested: bool,
    last_trial: int | None,
    last_epoch: int | None,
    *,
    reports: Mapping[int, int],
) -> ExperimentProgress:
    """Return how far an experiment is.

    Raises:
        CorruptStoreError: A value is impossible.
    """
    try:
        check_kinds(((float,), _PERHAPS_COUNT, _PERHAPS_COUNT), (updated, last_trial, last_epoch))
        last_trial, last_epoch = (-1 if last is None else last for last in (last_trial, last_epoch))
        return ExperimentProgress(
            ExperimentState(state), updated, bool(stop_requested), last_trial, reports, last_epoch
        )
    except FAULTS as err:
        raise damaged_experiment(experiment_id, err) from err


def check_experiment(row: Mapping[str, Any]) -> None:
    """Compare the row of an experiment with its checksum.

    Raises:
        ValueError: The row has changed.
    """
    if row["checksum"] != experiment_checksum(row):
        raise ValueError(CHANGED)


def _damaged_report(experiment_id: str, number: int, step: int, err: Exception) -> CorruptStoreError:
    return damaged(f"intermediate result {step!r} of trial {number!r}", err, experiment_id)
