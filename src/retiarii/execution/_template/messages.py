"""The messages between the experiment, the template and trials, and their checks.

From the experiment to the template: ``{"order": "run" | "answer" | "cancel", ...}``. From the template to the
experiment: ``{"event": "ready" | "unusable" | "started" | "reported" | "ended", ...}``. From the template to a judged
trial: ``{"reason": ...}``, one for each of its reports. From a trial to the template: ``{"event": "running" |
"unusable" | "reported" | "ended", ...}``. Only the last kind comes from a process that runs the user's code, so these
messages are checked when they are read.
"""

from __future__ import annotations

import reprlib

from retiarii.errors import ExecutionError
from retiarii.execution._system.frames import Message

_MAX_BYTES = 1 << 60

_FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "ready": {},
    "unusable": {"message": str, "traceback": str},
    "started": {"number": int, "pid": int, "time": float},
    "reported": {"number": int, "metrics": dict},
    "ended": {"number": int, "output": str, "time": float},
}


def unpack_baseline(message: Message) -> int:
    """Return the memory of a trial at the start of its task.

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
        ExecutionError: ``message`` is something else.
    """
    event = message.get("event")
    fields = _FIELDS.get(event) if isinstance(event, str) else None
    if fields is None:
        raise ExecutionError(f"Found the event {reprlib.repr(event)}, expected one of {sorted(_FIELDS)}.")
    wrong = [name for name, kinds in fields.items() if not isinstance(message.get(name), kinds)]
    if wrong:
        raise ExecutionError(f"Found the event {event!r} with an impossible {wrong[0]}.")


def unpack_refusal(message: Message) -> Message:
    """Return the message that a task cannot be loaded in the process of a trial, after checking it.

    Raises:
        ExecutionError: The message lacks its texts.
    """
    message_text, traceback = message.get("message"), message.get("traceback")
    if not isinstance(message_text, str) or not isinstance(traceback, str):
        raise ExecutionError("Found a task that cannot be loaded, without a reason.")
    return {"event": "unusable", "message": message_text, "traceback": traceback}
