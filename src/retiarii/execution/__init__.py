"""Where trials run: each in a process of its own, or, for debugging, in this one.

An `Executor` takes `TrialJob`s and gives events: `TrialStarted` and, once per job, `TrialEnded`. What a trial reports
on the way goes to a function whose answer may end it. What a trial does is a `Task`, a callable; `NasTask` is the one
that has an `Engine` build the network of an architecture and evaluates it. `run_task` calls a task and returns the
`Outcome`, `Judgement` keeps the answers: executors of your own use both. `TemplateExecutor` keeps a *template* process
that has loaded the task, with torch, model and data where there are such, and forks a child of it per trial: isolated,
yet started in milliseconds, the data shared copy-on-write. The template watches its children, their time and their
memory. A *guardian* process between this one and the template ends what is left when one of them dies.
`InProcessExecutor` runs one trial after the other, right here. A trial that fails is an event with its reason, never an
exception; only the machinery itself raises. Nothing here knows strategies or stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes
from retiarii.execution._executor import (
    Event,
    Executor,
    Limits,
    OnReport,
    Report,
    Task,
    TrialEnded,
    TrialJob,
    TrialStarted,
)
from retiarii.execution._import_path import import_path
from retiarii.execution._in_process import InProcessExecutor
from retiarii.execution._judgement import Judgement
from retiarii.execution._outcome import Outcome
from retiarii.execution._run_task import run_task

if TYPE_CHECKING:
    from retiarii.execution._task import NasTask, context_of
    from retiarii.execution._template_executor import TemplateExecutor

# Loaded when first used: the process that watches over trials needs neither them nor the libraries that they import.
_LAZY = {
    "NasTask": "retiarii.execution._task",
    "TemplateExecutor": "retiarii.execution._template_executor",
    "context_of": "retiarii.execution._task",
}

__all__ = [
    "Event",
    "Executor",
    "InProcessExecutor",
    "Judgement",
    "Limits",
    "NasTask",
    "OnReport",
    "Outcome",
    "Report",
    "Task",
    "TemplateExecutor",
    "TrialEnded",
    "TrialJob",
    "TrialStarted",
    "context_of",
    "import_path",
    "run_task",
]

__getattr__, __dir__ = lazy_attributes(__name__, _LAZY)
