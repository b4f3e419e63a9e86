"""The JSON output of experiments and trials, for programs."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from retiarii.terminal import write_json

if TYPE_CHECKING:
    from retiarii.storage import ExperimentRecord, FailureReason, Store
    from retiarii.trial import Metrics, Trial, TrialFiles, TrialState


def print_json(data: Any) -> None:
    """Print data as indented JSON."""
    write_json(json.dumps(data, indent=2, allow_nan=False))


def shown_state(store: Store, record: ExperimentRecord) -> str:
    """Return the state of an experiment; one whose process was killed is shown as stopped."""
    if record.state.value == "running" and not store.is_running(record.id):
        return "stopped"
    return record.state.value


def seen_counts(store: Store, record: ExperimentRecord) -> dict[TrialState, int]:
    """Return the number of trials in each state; running trials without a process are interrupted."""
    from retiarii.trial import TrialState

    counts = {**store.count_trials(record.id), TrialState.INTERRUPTED: 0}
    if not store.is_running(record.id):
        counts[TrialState.INTERRUPTED], counts[TrialState.RUNNING] = counts[TrialState.RUNNING], 0
    return counts


def experiment_json(store: Store, record: ExperimentRecord) -> dict[str, Any]:
    """Return the data of an experiment for ``retiarii list``."""
    best = store.best_trials(record.id, 1)
    return {
        "id": record.id,
        "name": record.name,
        "state": shown_state(store, record),
        "message": record.message,
        "objectives": {objective.metric: objective.direction.value for objective in record.objectives},
        "seed": record.seed,
        "strategy": record.strategy,
        "created": record.created,
        "updated": record.updated,
        "pid": record.pid if store.is_running(record.id) else None,
        "host": record.host if store.is_running(record.id) else None,
        "version": record.version,
        "trials": {state.value: count for state, count in seen_counts(store, record).items()},
        "best": trial_json(best[0]) if best else None,
    }


def trial_json(trial: Trial, *, in_full: bool = False, files: TrialFiles | None = None) -> dict[str, Any]:
    """Return the data of a trial.

    Args:
        trial: The trial.
        in_full: Whether to include its intermediate results, traceback and output.
        files: The folders of trials, to include the file of its weights (null if they were not kept); None without.
    """
    data: dict[str, Any] = {
        "number": trial.number,
        "state": trial.state.value,
        "metric": trial.metric,
        "metrics": None if trial.metrics is None else finite(trial.metrics),
        "fidelity": dict(trial.fidelity),
        "parent": trial.parent,
        "feasible": trial.is_feasible,
        "reason": trial.reason or None,
        "started": trial.started,
        "ended": trial.ended,
        "device": trial.device,
        "key": trial.architecture.key,
        "architecture": trial.architecture.to_json(),
        "failure": None,
    }
    if trial.failure is not None:
        data["failure"] = {"kind": trial.failure.kind.value, "message": trial.failure.message}
    if files is not None:
        path = files.checkpoint(trial.number)
        data["checkpoint"] = None if path is None else str(path)
    if in_full:
        data["intermediates"] = [finite(metrics) for metrics in trial.intermediates]
        data["traceback"] = None if trial.failure is None else trial.failure.traceback
        data["output"] = trial.output
    return data


def reason_json(reason: FailureReason) -> dict[str, Any]:
    """Return the data of a failure reason."""
    return {"kind": reason.kind.value, "message": reason.message, "count": reason.count, "example": reason.example}


def finite(metrics: Metrics) -> dict[str, float | None]:
    """Return metrics with None for NaN and infinities, which JSON lacks."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
