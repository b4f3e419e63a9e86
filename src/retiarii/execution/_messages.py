"""The messages between the processes: jobs, metrics and outcomes as plain data, and back, checked.

From the experiment to the template: ``{"order": "run" | "cancel", ...}``. From the template to the experiment:
``{"event": "ready" | "unusable" | "started" | "reported" | "ended", ...}``. From a trial to the template:
``{"event": "running" | "unusable" | "reported" | "ended", ...}``; these alone come from a process that runs any code at
all, so they are checked when they are read.
"""

from __future__ import annotations

from typing import Any

from retiarii.errors import ExecutionError
from retiarii.execution._interface import TrialJob
from retiarii.execution._outcome import Outcome
from retiarii.execution._protocol import Message
from retiarii.space import Architecture
from retiarii.trial import Failure, FailureKind, Metrics


def pack_job(job: TrialJob) -> Message:
    """Return a job as plain data."""
    return {"number": job.number, "architecture": job.architecture.to_json(), "seed": job.seed}


def unpack_job(message: Message) -> TrialJob:
    """Return the job that `pack_job` packed."""
    return TrialJob(message["number"], Architecture.from_json(message["architecture"]), message["seed"])


def pack_outcome(outcome: Outcome) -> Message:
    """Return an outcome as plain data."""
    failure = outcome.failure
    packed = None if failure is None else [failure.kind.value, failure.message, failure.traceback]
    return {"metrics": outcome.metrics, "failure": packed}


def unpack_outcome(message: Any) -> Outcome:
    """Return the outcome that `pack_outcome` packed.

    Raises:
        ExecutionError: The message is no outcome.
    """
    if not isinstance(message, dict) or (message.get("metrics") is None) == (message.get("failure") is None):
        raise ExecutionError("Found an outcome that does not have either metrics or a failure.")
    if message["failure"] is None:
        return Outcome(unpack_metrics(message["metrics"]))
    try:
        kind, text, traceback = message["failure"]
        return Outcome(failure=Failure(FailureKind(kind), str(text), traceback and str(traceback)))
    except (TypeError, ValueError) as error:
        raise ExecutionError(f"Found a failure that is none: {error}.") from error


def unpack_metrics(message: Any) -> Metrics:
    """Return metrics that travelled as plain data.

    Raises:
        ExecutionError: The message is no mapping from names to numbers.
    """
    if not isinstance(message, dict) or not all(type(value) in (int, float) for value in message.values()):
        raise ExecutionError("Found metrics that are not a mapping from names to numbers.")
    return {name: float(value) for name, value in message.items()}
