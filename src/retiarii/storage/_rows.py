"""Between records and rows of the database.

JSON here is compact and ASCII. It has no NaN and no infinities, so metrics hold them as the strings ``"NaN"``,
``"Infinity"`` and ``"-Infinity"``. Texts that a program printed may hold anything; what databases refuse in a text (NUL
characters and lone surrogates) is replaced.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from marshal import dumps
from typing import Any, TypeAlias
from zlib import crc32

from retiarii.errors import ConfigError, CorruptStoreError
from retiarii.space import Architecture
from retiarii.storage._artefacts import ID_RULE, is_id
from retiarii.storage._checksum import FORMAT, as_stored, checksum, experiment_checksum
from retiarii.storage._records import EpochRecord, ExperimentRecord, ExperimentState, FailureReason, Intermediate
from retiarii.trial import DEFAULT, FULL, Failure, FailureKind, Fidelity, Metrics, Objectives, Trial, TrialState

Row: TypeAlias = "Sequence[Any]"

_ENCODE = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False).encode
_ENCODE_ORDERED = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_DECODE = json.JSONDecoder(parse_constant=lambda name: _no_constant(name)).raw_decode
_DECODE_FINITE = json.JSONDecoder(
    parse_float=lambda digits: _finite(digits), parse_constant=lambda name: _no_constant(name)
).raw_decode
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_STATES = {state.value: state for state in TrialState if state is not TrialState.INTERRUPTED}  # which is derived
_FAULTS = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
_CHANGED = "its checksum shows that it was changed since it was written"
_SHOWN = 200
_TEXT, _COUNT, _TIME = (str,), (int,), (float,)
_PERHAPS_TEXT, _PERHAPS_COUNT = (str, type(None)), (int, type(None))
_NO_TEXTS = (None, "")  # traceback and output of most trials
_TRIAL_COLUMNS = (
    *("experiment_id", "number", "state", "metric", "told_before", "finish_order", "started", "ended", "device"),
    *("fidelity", "parent", "violation", "key", "architecture", "metrics", "failure_kind", "failure_message", "reason"),
)
_LARGEST = 253_402_300_800.0  # the year 10000: no time is later
_REPORT_KINDS = (_COUNT, _COUNT, _TIME)
_EPOCH_KINDS = (_COUNT, _TIME)
_REASON_KINDS = (_TEXT, _COUNT)
_EXPERIMENT_NAMES = (
    *("name", "strategy", "version", "message", "config", "space", "seed"),
    *("host", "pid", "created", "updated"),
)
_EXPERIMENT_KINDS = (*[_TEXT] * 7, _PERHAPS_TEXT, _PERHAPS_COUNT, _TIME, _TIME)


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


def encode_fidelity(fidelity: Fidelity) -> str | None:
    """Return a fidelity as JSON, None where it is empty."""
    return _ENCODE(dict(fidelity)) if fidelity else None


@lru_cache(maxsize=256)  # of a million trials, many have the same
def decode_fidelity(text: str) -> Fidelity:
    """Read what `encode_fidelity` wrote.

    Raises:
        ValueError: The text is something else.
    """
    return Fidelity(_parse_object(text, _DECODE_FINITE))


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
    texts_check = None if texts == _NO_TEXTS else checksum(experiment_id, trial.number, *texts)
    return (*head, checksum(*head, *middle), *middle, *texts, texts_check)


def trial_from_row(
    experiment_id: str,
    row: Row,
    intermediates: tuple[Metrics, ...] = (),
    *,
    objective: str = DEFAULT,
    has_texts: bool = True,
) -> Trial:
    """Return the trial of a row without its first column, the id of the experiment.

    Args:
        experiment_id: That id.
        row: The other columns.
        intermediates: What the trial reported.
        objective: The metric by which the experiment ranks its trials.
        has_texts: Whether traceback and output are in the row; if not, they count as empty.

    Raises:
        CorruptStoreError: The row is not what `trial_row` made.
    """
    number, state, _, told_before, finish_order, started, ended, device, fidelity, parent, violation, _ = values = row[
        :12
    ]
    check, text, metrics, kind, message, reason = row[12:18]
    traceback, output, texts_check = row[18:] if has_texts else (None, "", None)
    try:
        covered = (experiment_id, *values, text, metrics, kind, message, reason)
        if check != crc32(dumps(covered, FORMAT)):  # `checksum`
            raise ValueError(_CHANGED)
        if texts_check is not None or output != "" or traceback is not None:
            if texts_check != crc32(dumps((experiment_id, number, traceback, output), FORMAT)):
                raise ValueError(_CHANGED)
            if type(output) is not str or (traceback is not None and type(traceback) is not str):
                raise ValueError("the output or traceback is no text")
        is_sound = (
            type(number) is type(told_before) is int
            and (finish_order is None or type(finish_order) is int)
            and (started is None or -_LARGEST < started < _LARGEST)
            and (ended is None or -_LARGEST < ended < _LARGEST)
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
    except _FAULTS as err:
        raise _damaged(f"trial {number!r}", err, experiment_id) from err


def decode_architecture(text: str) -> Architecture:
    """Read a canonical form.

    A store made by others may hold anything, so what an `Architecture` would not have written is refused. Where
    100,000 of them are read to resume an experiment, this has to be fast: the rare texts in which a string looks like a
    nested object take the slow way.

    Raises:
        ValueError: The text is not that of an architecture.
    """
    values = _parse_object(text, _DECODE_FINITE)
    if text.find("{", 1) > 0 or "\\ud" in text or "\\uD" in text:
        return Architecture(values)
    if "[" in text:
        values = {label: _tuples(value) for label, value in values.items()}
    return Architecture._of(values)


def check_hash(trial: Trial, key: str) -> Trial:
    """Return a trial whose architecture has a hash: what is exported from a store must be what was stored.

    Raises:
        CorruptStoreError: It has another.
    """
    try:
        if trial.architecture.key != key:
            raise ValueError(f"its architecture does not have the hash {_short(key)}")
    except ValueError as err:
        raise _damaged(f"trial {trial.number}", err) from err
    return trial


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
            raise ValueError(_CHANGED)
        _check_kinds(_REPORT_KINDS, (number, step, moment))
        return Intermediate(number, step, decode_metrics(metrics), moment)
    except _FAULTS as err:
        raise _damaged(f"intermediate result {step!r} of trial {number!r}", err, experiment_id) from err


def epoch_row(experiment_id: str, epoch: EpochRecord) -> dict[str, Any]:
    """Return the columns of an epoch.

    Raises:
        ConfigError: Its record is not plain JSON data.
    """
    row = {
        "experiment_id": experiment_id,
        "number": epoch.number,
        "time": as_stored(epoch.time),
        "metrics": encode_metrics(epoch.metrics),
        "record": _plain_json("record of an epoch", epoch.record),
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
            raise ValueError(_CHANGED)
        _check_kinds(_EPOCH_KINDS, (number, moment))
        return EpochRecord(number, _parse_object(record), decode_metrics(metrics), moment)
    except _FAULTS as err:
        raise _damaged(f"epoch {number!r}", err, experiment_id) from err


def failure_reason_from_row(kind: str, message: str, count: int, example: int) -> FailureReason:
    """Return one group of failed trials.

    Raises:
        CorruptStoreError: There is no such kind of failure.
    """
    try:
        _check_kinds(_REASON_KINDS, (message, example))
        return FailureReason(FailureKind(kind), message, count, example)
    except _FAULTS as err:
        raise _damaged(f"trial {example!r}", err) from err


_TO_COLUMN: dict[str, Callable[[Any], Any]] = {
    "state": lambda value: ExperimentState(value).value,
    "objectives": lambda value: _ENCODE(Objectives.of(value).to_json()),
    "seed": str,
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
            row[name] = _plain_json(f"{name} of an experiment", value)
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
        _check_kinds(_EXPERIMENT_KINDS, [row[name] for name in _EXPERIMENT_NAMES])
        return ExperimentRecord(
            **{
                **fields,
                "state": ExperimentState(row["state"]),
                "objectives": decode_objectives(row["objectives"]),
                "seed": int(row["seed"]),
                "config": _parse_object(row["config"]),
                "space": _parse_object(row["space"]),
            }
        )
    except _FAULTS as err:
        raise damaged_experiment(row["id"], err) from err


def decode_objectives(text: str) -> Objectives:
    """Read the objectives of an experiment.

    Raises:
        ValueError: The text is something else.
    """
    parsed, end = _DECODE(text)
    if end != len(text) or not isinstance(parsed, list):
        raise ValueError(f"expected a JSON list, found {_short(text)}")
    return Objectives.from_json(parsed)


def check_experiment(row: Mapping[str, Any]) -> None:
    """Compare the row of an experiment with its checksum.

    Raises:
        ValueError: It has changed.
    """
    if row["checksum"] != experiment_checksum(row):
        raise ValueError(_CHANGED)


def damaged_experiment(experiment_id: str, err: Exception) -> CorruptStoreError:
    """Return the error for an experiment whose row is damaged."""
    return _damaged(f"experiment {_short(repr(experiment_id))}", err, experiment_id)


CHECKSUMS: dict[str, Callable[[Mapping[str, Any]], dict[str, int | None]]] = {
    "experiments": lambda row: {"checksum": experiment_checksum(row)},
    "trials": lambda row: {
        "checksum": checksum(*(row[name] for name in _TRIAL_COLUMNS)),
        "texts_checksum": None
        if (row["traceback"], row["output"]) == _NO_TEXTS
        else checksum(row["experiment_id"], row["number"], row["traceback"], row["output"]),
    },
    "intermediates": lambda row: {
        "checksum": checksum(*(row[name] for name in ("experiment_id", "number", "step", "time", "metrics")))
    },
    "epochs": lambda row: {
        "checksum": checksum(*(row[name] for name in ("experiment_id", "number", "time", "metrics", "record")))
    },
}
"""The checksums of a row of each table, for rows that were stored without."""


def clean_text(text: str) -> str:
    """Return a text with what databases refuse replaced: NUL characters and lone surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _parse_object(text: str, decode: Callable[[str], tuple[Any, int]] | None = None) -> dict[str, Any]:
    """Parse what one of our encoders wrote, in half the time of `json.loads`."""
    parsed, end = (decode or _DECODE)(text)
    if end != len(text) or not isinstance(parsed, dict):
        raise ValueError(f"expected a JSON object, found {_short(text)}")
    return parsed


def _number(value: Any) -> float:
    if isinstance(value, str) and value in _NON_FINITE:
        return _NON_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"expected a number, found {_short(repr(value))}")
    return float(value)


def _check_kinds(kinds: Sequence[tuple[type, ...]], values: Sequence[Any]) -> None:
    """Check the types of columns: SQLite stores a text in a column of numbers, if asked to."""
    for allowed, value in zip(kinds, values, strict=True):
        if type(value) not in allowed:
            raise ValueError(f"expected {' or '.join(kind.__name__ for kind in allowed)}, found {_short(repr(value))}")
        if type(value) is float and not abs(value) < _LARGEST:
            raise ValueError(f"expected a number within reason, found {value!r}")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, found {_short(digits)}")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


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


def _damaged(what: str, err: Exception, experiment_id: Any = None) -> CorruptStoreError:
    return CorruptStoreError(
        f"The store's row of {what} is damaged ({type(err).__name__}: {err}). Restore the store from a copy, or delete "
        "the experiment.",
        experiment_id=experiment_id if isinstance(experiment_id, str) else None,
    )
