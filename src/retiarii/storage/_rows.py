"""Between records and rows of the database.

JSON here is compact and ASCII. It has no NaN and no infinities, so metrics hold them as the strings ``"NaN"``,
``"Infinity"`` and ``"-Infinity"``. Texts that a program printed may hold anything; what databases refuse in a text (NUL
characters and lone surrogates) is replaced.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from retiarii.errors import ConfigError, CorruptStoreError
from retiarii.space import Architecture
from retiarii.storage._artefacts import ID_RULE, is_id
from retiarii.storage._records import EpochRecord, ExperimentRecord, ExperimentState, FailureReason, Intermediate
from retiarii.trial import Direction, Failure, FailureKind, Metrics, Trial, TrialState

Row: TypeAlias = "Sequence[Any]"

_ENCODE = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False).encode
_ENCODE_ORDERED = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_DECODE = json.JSONDecoder().raw_decode
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_STATES = {state.value: state for state in TrialState if state is not TrialState.INTERRUPTED}  # which is derived


def encode_metrics(metrics: Mapping[str, float]) -> str:
    """Return metrics as canonical JSON, non-finite numbers as strings."""
    try:
        return _ENCODE(metrics)
    except ValueError:
        return _ENCODE({name: _named(value) for name, value in metrics.items()})


def decode_metrics(text: str) -> Metrics:
    """Read what `encode_metrics` wrote.

    Raises:
        ValueError: The text is something else.
    """
    metrics: Metrics = _parse_object(text)
    for name, value in metrics.items():
        if type(value) is not float:
            metrics[name] = _number(value)
    return metrics


def trial_row(experiment_id: str, trial: Trial) -> Row:
    """Return the values of the columns of a trial, in the order of the table."""
    failure, metric = trial.failure, trial.metric
    return (
        experiment_id,
        trial.number,
        trial.state.value,
        metric if metric is not None and math.isfinite(metric) else None,
        trial.told_before,
        trial.finish_order,
        trial.started,
        trial.ended,
        trial.device,
        trial.architecture.key,
        trial.architecture.canonical_json(),
        None if trial.metrics is None else encode_metrics(trial.metrics),
        None if failure is None else failure.kind.value,
        None if failure is None else clean_text(failure.message),
        None if failure is None or failure.traceback is None else clean_text(failure.traceback),
        clean_text(trial.output),
    )


def trial_from_row(row: Row, intermediates: tuple[Metrics, ...] = ()) -> Trial:
    """Return the trial of a row without its first column, the id of the experiment.

    Raises:
        CorruptStoreError: The row is not what `trial_row` made.
    """
    number, state, _, told_before, finish_order, started, ended, device, key, text = row[:10]
    metrics, kind, message, traceback, output = row[10:]
    try:
        return Trial(
            number,
            decode_architecture(text, key),
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
        )
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise _damaged(f"trial {number!r}", err) from err


def decode_architecture(text: str, key: str) -> Architecture:
    """Read a canonical form that was stored together with its hash.

    The hash shows that an `Architecture` wrote the text, so the values need no second check: this matters where
    100,000 of them are read to resume an experiment.

    Raises:
        ValueError: The hash is of another text.
    """
    if hashlib.blake2b(text.encode(), digest_size=16).hexdigest() != key:
        raise ValueError(f"the architecture {text} does not have the hash {key}")
    values = _parse_object(text)
    if "[" in text:
        values = {label: _tuples(value) for label, value in values.items()}
    return Architecture._of(values)


def intermediate_row(experiment_id: str, report: Intermediate) -> Row:
    """Return the values of the columns of an intermediate result, in the order of the table."""
    return experiment_id, report.number, report.step, report.time, encode_metrics(report.metrics)


def intermediate_from_row(number: int, step: int, moment: float, metrics: str) -> Intermediate:
    """Return the intermediate result of a row.

    Raises:
        CorruptStoreError: The row is not what `intermediate_row` made.
    """
    try:
        return Intermediate(number, step, decode_metrics(metrics), moment)
    except (ValueError, TypeError, AttributeError) as err:
        raise _damaged(f"intermediate result {step!r} of trial {number!r}", err) from err


def epoch_row(experiment_id: str, epoch: EpochRecord) -> dict[str, Any]:
    """Return the columns of an epoch.

    Raises:
        ConfigError: Its record is not plain JSON data.
    """
    return {
        "experiment_id": experiment_id,
        "number": epoch.number,
        "time": epoch.time,
        "metrics": encode_metrics(epoch.metrics),
        "record": _plain_json("record of an epoch", epoch.record),
    }


def epoch_from_row(number: int, moment: float, metrics: str, record: str) -> EpochRecord:
    """Return the epoch of a row.

    Raises:
        CorruptStoreError: The row is not what `epoch_row` made.
    """
    try:
        return EpochRecord(number, _parse_object(record), decode_metrics(metrics), moment)
    except (ValueError, TypeError, AttributeError) as err:
        raise _damaged(f"epoch {number!r}", err) from err


def failure_reason_from_row(kind: str, message: str, count: int, example: int) -> FailureReason:
    """Return one group of failed trials.

    Raises:
        CorruptStoreError: There is no such kind of failure.
    """
    try:
        return FailureReason(FailureKind(kind), message, count, example)
    except ValueError as err:
        raise _damaged(f"trial {example!r}", err) from err


_TO_COLUMN: dict[str, Callable[[Any], Any]] = {
    "state": lambda value: ExperimentState(value).value,
    "direction": lambda value: Direction(value).value,
    "seed": str,
    "name": lambda value: clean_text(value),
    "strategy": lambda value: clean_text(value),
    "message": lambda value: clean_text(value),
}


def experiment_row(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of fields of an `ExperimentRecord`.

    Raises:
        ConfigError: A value cannot be stored.
    """
    row = {}
    for name, value in values.items():
        if name in ("config", "space"):
            row[name] = _plain_json(f"{name} of an experiment", value)
        else:
            row[name] = _TO_COLUMN.get(name, lambda same: same)(value)
    return row


def experiment_from_row(row: Mapping[str, Any]) -> ExperimentRecord:
    """Return the record of a row.

    Raises:
        CorruptStoreError: The row is not what `experiment_row` made.
    """
    try:
        if not is_id(row["id"]):
            raise ValueError(f"its id can name no folder: expected {ID_RULE}")
        return ExperimentRecord(
            **{
                **row,
                "state": ExperimentState(row["state"]),
                "direction": Direction(row["direction"]),
                "seed": int(row["seed"]),
                "config": json.loads(row["config"]),
                "space": json.loads(row["space"]),
            }
        )
    except (ValueError, KeyError, TypeError) as err:
        raise _damaged(f"experiment {row.get('id')!r}", err) from err


def clean_text(text: str) -> str:
    """Return a text with what databases refuse replaced: NUL characters and lone surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _parse_object(text: str) -> dict[str, Any]:
    """Parse what one of our encoders wrote, in half the time of `json.loads`."""
    parsed, end = _DECODE(text)
    if end != len(text) or not isinstance(parsed, dict):
        raise ValueError(f"expected a JSON object, found {text}")
    return parsed


def _number(value: Any) -> float:
    if value in _NON_FINITE:
        return _NON_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"expected a number, found {value!r}")
    return value


def _named(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _plain_json(name: str, value: Any) -> str:
    try:
        return _ENCODE_ORDERED(value)
    except (TypeError, ValueError, RecursionError) as err:
        raise ConfigError(
            f"The {name} is stored as JSON, and this one cannot be: {err}. Expected a dict of "
            "strings, finite numbers, booleans, None, lists and dicts."
        ) from err


def _damaged(what: str, err: Exception) -> CorruptStoreError:
    return CorruptStoreError(
        f"The store's row of {what} is damaged ({type(err).__name__}: {err}). Restore the store from a copy, or delete "
        "the experiment."
    )
