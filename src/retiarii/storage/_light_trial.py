"""`LightTrial`: a trial as a row of values, without its long texts and reports, for reading very many."""

from __future__ import annotations

import json
from typing import NamedTuple

from retiarii._plain_data import clean_text, metrics_to_json
from retiarii.trial import Trial

_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class LightTrial(NamedTuple):
    """A trial as a row of values, without printed output, traceback and intermediate results.

    Attributes:
        number: The number of the trial.
        state: The value of its `TrialState`; an interrupted trial is stored as running.
        finish_order: 0, 1, 2, ... in the order in which trials ended; None for trials that run.
        started: Unix time of the start, seconds.
        ended: Unix time of the end, seconds; None for trials that run.
        device: The device on which it ran.
        fidelity: How much training it got, as a JSON object; None where the evaluator decided.
        parent: The number of the trial that was continued.
        violation: By how much constraints on metrics are broken.
        architecture: The architecture, as `Architecture.canonical_json` returns it.
        metrics: The final metrics as a JSON object; numbers that are not finite are strings, as in `Trial.to_json`.
        failure_kind: The value of the `FailureKind`.
        failure_message: The message of the failure.
    """

    number: int
    state: str
    finish_order: int | None
    started: float | None
    ended: float | None
    device: str | None
    fidelity: str | None
    parent: int | None
    violation: float
    architecture: str
    metrics: str | None
    failure_kind: str | None
    failure_message: str | None

    @classmethod
    def of(cls, trial: Trial) -> LightTrial:
        """Return the row of a trial."""
        failure = trial.failure
        return cls(
            trial.number,
            trial.state.value,
            trial.finish_order,
            trial.started,
            trial.ended,
            None if trial.device is None else clean_text(trial.device),
            _ENCODE(dict(trial.fidelity)) if trial.fidelity else None,
            trial.parent,
            trial.violation,
            trial.architecture.canonical_json(),
            None if trial.metrics is None else _ENCODE(metrics_to_json(trial.metrics)),
            None if failure is None else failure.kind.value,
            None if failure is None else clean_text(failure.message),
        )
