"""The messages between the processes: jobs, metrics and outcomes as plain data, and back, checked.

From the experiment to the template: ``{"order": "run" | "cancel", ...}``. From the template to the experiment:
``{"event": "ready" | "unusable" | "started" | "reported" | "ended", ...}``. From a trial to the template:
``{"event": "running" | "unusable" | "reported" | "ended", ...}``; these alone come from a process that runs any code at
all, so they are checked when they are read.
"""

from __future__ import annotations

import reprlib
from typing import Any

from retiarii.errors import ExecutionError
from retiarii.execution._interface import TrialJob
from retiarii.execution._outcome import MAX_MESSAGE, MAX_TRACEBACK, Outcome, shorten
from retiarii.execution._protocol import Message
from retiarii.space import Architecture
from retiarii.trial import Failure, FailureKind, Fidelity, Metrics

_MAX_BYTES = 1 << 60
_SAYS_SO = 100  # characters in which a text that was cut says so
_KINDS = {kind.value for kind in FailureKind}

_FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "ready": {},
    "unusable": {"message": str, "traceback": str},
    "started": {"number": int, "pid": int, "time": float},
    "reported": {"number": int, "metrics": dict},
    "ended": {"number": int, "output": str, "time": float},
}


def pack_job(job: TrialJob) -> Message:
    """Return a job as plain data."""
    return {
        "number": job.number,
        "architecture": job.architecture.to_json(),
        "seed": job.seed,
        "fidelity": dict(job.fidelity),
        "parent": job.parent,
        "is_judged": job.is_judged,
        "device": job.device,
    }


def unpack_job(message: Message) -> TrialJob:
    """Return the job that `pack_job` packed."""
    return TrialJob(
        **{
            **message,
            "architecture": Architecture.from_json(message["architecture"]),
            "fidelity": Fidelity(message["fidelity"]),
        }
    )


def pack_outcome(outcome: Outcome) -> Message:
    """Return an outcome as plain data."""
    failure = outcome.failure
    packed = None if failure is None else [failure.kind.value, failure.message, failure.traceback]
    return {"metrics": outcome.metrics, "failure": packed, "reason": outcome.reason}


def unpack_outcome(message: Any) -> Outcome:
    """Return the outcome that `pack_outcome` packed.

    Raises:
        ExecutionError: The message is no outcome.
    """
    if not isinstance(message, dict):
        raise ExecutionError("Found an outcome that is no object.")
    found = [name for name in ("metrics", "failure", "reason") if message.get(name)]
    if len(found) != 1:
        raise ExecutionError("Found an outcome that does not have either metrics, a failure or a reason.")
    if found == ["failure"]:
        return Outcome(failure=_unpack_failure(message["failure"]))
    if found == ["reason"]:
        if not isinstance(message["reason"], str):
            raise ExecutionError("Found a reason that is no text.")
        return Outcome(reason=_cut(message["reason"], MAX_MESSAGE))
    return Outcome(unpack_metrics(message["metrics"]))


def unpack_metrics(message: Any) -> Metrics:
    """Return metrics that travelled as plain data.

    Raises:
        ExecutionError: The message is no mapping from names to numbers, or is empty.
    """
    if not isinstance(message, dict) or not message:
        raise ExecutionError("Found metrics that are not a mapping from names to numbers.")
    for name, value in message.items():
        if type(value) is not float:
            message[name] = _number(value)
    return message


def unpack_baseline(message: Message) -> int:
    """Return the memory that a trial had when its task began.

    Raises:
        ExecutionError: The message is not ``{"event": "running", "baseline": ...}``.
    """
    baseline = message.get("baseline")
    if message.get("event") != "running" or type(baseline) is not int or not 0 <= baseline < _MAX_BYTES:
        raise ExecutionError(f"Found the event {reprlib.repr(message)}, expected 'running' with a number of bytes.")
    return baseline


def check_event(message: Message) -> None:
    """Check that a message is an event of a template.

    Raises:
        ExecutionError: It is not.
    """
    event = message.get("event")
    fields = _FIELDS.get(event) if isinstance(event, str) else None
    if fields is None:
        raise ExecutionError(f"Found the event {reprlib.repr(event)}, expected one of {sorted(_FIELDS)}.")
    wrong = [name for name, kinds in fields.items() if not isinstance(message.get(name), kinds)]
    if wrong:
        raise ExecutionError(f"Found the event {event!r} with an impossible {wrong[0]}.")


def unpack_refusal(message: Message) -> Message:
    """Return the event that a task cannot be loaded in the process of a trial.

    Raises:
        ExecutionError: It has no texts.
    """
    message_text, traceback = message.get("message"), message.get("traceback")
    if not isinstance(message_text, str) or not isinstance(traceback, str):
        raise ExecutionError("Found a task that cannot be loaded, without a reason.")
    return {"event": "unusable", "message": message_text, "traceback": traceback}


def _unpack_failure(failure: Any) -> Failure:
    if not isinstance(failure, list) or len(failure) != 3:
        raise ExecutionError("Found a failure that is not a kind, a message and a traceback.")
    kind, text, traceback = failure
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ExecutionError(f"Found a failure of the kind {reprlib.repr(kind)}, expected one of {sorted(_KINDS)}.")
    if not isinstance(text, str) or not isinstance(traceback, (str, type(None))):
        raise ExecutionError("Found a failure whose message or traceback is no text.")
    return Failure(FailureKind(kind), _cut(text, MAX_MESSAGE), traceback and _cut(traceback, MAX_TRACEBACK))


def _cut(text: str, limit: int) -> str:
    return shorten(text, limit if len(text) > limit + _SAYS_SO else len(text))


def _number(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is not int:
        raise ExecutionError("Found metrics that are not a mapping from names to numbers.")
    try:
        return float(value)
    except OverflowError:
        raise ExecutionError("Found a metric that is a whole number too large for a float.") from None
