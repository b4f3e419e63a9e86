"""`Outcome`: the result of a task: metrics, a failure, or the reason for which it was pruned."""

from __future__ import annotations

import reprlib
import time
from dataclasses import dataclass
from typing import Any

from retiarii._plain_data import clean_text
from retiarii.errors import ExecutionError
from retiarii.execution._executor import TrialEnded
from retiarii.trial import Failure, FailureKind, Metrics, TrialState

MAX_MESSAGE = 2_000  # characters
MAX_TRACEBACK = 32_000
NO_REASON = "no reason was given"
_SAYS_SO = 100  # characters of the note in a text that was cut
_KINDS = {kind.value for kind in FailureKind}


@dataclass(frozen=True)
class Outcome:
    """The result of a task: final metrics, a failure, or the reason for which it was pruned.

    Attributes:
        metrics: The final metrics.
        failure: The reason for which it failed.
        reason: The reason for which it was pruned.
    """

    metrics: Metrics | None = None
    failure: Failure | None = None
    reason: str = ""

    @property
    def state(self) -> TrialState:
        """Failed if there is a failure, pruned if there is a reason, else completed."""
        if self.failure is not None:
            return TrialState.FAILED
        return TrialState.PRUNED if self.reason else TrialState.COMPLETED

    def ended(self, number: int, output: str = "", ended: float | None = None) -> TrialEnded:
        """Return the event that a trial ended with this outcome.

        Args:
            number: The trial's number.
            output: The end of its output.
            ended: The Unix time of its end, in seconds; None for now.
        """
        when = time.time() if ended is None else ended
        return TrialEnded(number, self.state, self.metrics, self.failure, output, when, reason=self.reason)

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain data."""
        failure = self.failure
        packed = None if failure is None else [failure.kind.value, failure.message, failure.traceback]
        return {"metrics": self.metrics, "failure": packed, "reason": self.reason}

    @classmethod
    def from_json(cls, data: Any) -> Outcome:
        """Read data that `to_json` returned; as they may come from a trial, they are checked, and long texts are cut.

        Raises:
            ExecutionError: ``data`` is not an outcome.
        """
        if not isinstance(data, dict):
            raise ExecutionError("Found an outcome that is no object.")
        found = [name for name in ("metrics", "failure", "reason") if data.get(name)]
        if len(found) != 1:
            raise ExecutionError("Found an outcome that does not have either metrics, a failure or a reason.")
        if found == ["failure"]:
            return cls(failure=_failure_from_json(data["failure"]))
        if found == ["reason"]:
            if not isinstance(data["reason"], str):
                raise ExecutionError("Found a reason that is no text.")
            return cls(reason=_cut(data["reason"], MAX_MESSAGE))
        return cls(metrics_from_json(data["metrics"]))


def metrics_from_json(data: Any) -> Metrics:
    """Read metrics from plain data that may come from a trial.

    Raises:
        ExecutionError: ``data`` is not a mapping from names to numbers, or is empty.
    """
    if not isinstance(data, dict) or not data:
        raise ExecutionError("Found metrics that are not a mapping from names to numbers.")
    for name, value in data.items():
        if type(value) is not float:
            data[name] = _number(value)
    return data


def shorten(text: str, limit: int) -> str:
    """Cut a text that is longer than ``limit`` characters in the middle, and make it storable in every store."""
    if len(text) > limit:
        head = limit // 3
        tail = limit - head
        text = f"{text[:head]}\n[... {len(text) - limit} characters left out ...]\n{text[-tail:]}"
    return clean_text(text)


def _failure_from_json(data: Any) -> Failure:
    if not isinstance(data, list) or len(data) != 3:
        raise ExecutionError("Found a failure that is not a kind, a message and a traceback.")
    kind, text, traceback = data
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
