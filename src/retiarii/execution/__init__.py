"""Executors, which run trials: each in its own process, or, for debugging, in this process.

An `Executor` takes `TrialJob` objects and returns events: `TrialStarted` and, once per job, `TrialEnded`. Intermediate
results are passed to a callback, whose answer may prune the trial. A `Task` is the callable that a trial runs;
`NasTask` builds the network of an architecture with an `Engine` and evaluates it. `run_task` calls a task and returns
its `Outcome`, and `Judgement` records the answers to reports: use both to write an executor.

`TemplateExecutor` has a *template* process that loads the task once (with torch, model and data) and forks a child for
each trial: trials are isolated, start in milliseconds and share the data copy-on-write. The template checks the time
and memory of its children. A *guardian* process between this process and the template kills all remaining processes
when one of the two ends. `InProcessExecutor` runs trials one after the other in this process. `SimulatedExecutor` runs
a `TimedTask` on a simulated clock. A failed trial is an
event with its reason, not an exception; an exception means that the executor itself failed. `Aside` is work beside the
trials that may fail without harm. This room does not import strategies or storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retiarii._lazy import lazy_attributes
from retiarii.execution._aside import Aside
from retiarii.execution._ended_trial import checked_end
from retiarii.execution._executor import (
    Event,
    Executor,
    Limits,
    OnReport,
    Report,
    Task,
    TimedTask,
    TrialEnded,
    TrialJob,
    TrialStarted,
)
from retiarii.execution._in_process import InProcessExecutor
from retiarii.execution._judgement import Judgement
from retiarii.execution._outcome import Outcome
from retiarii.execution._run_task import run_task
from retiarii.execution._simulated_executor import SimulatedExecutor
from retiarii.execution._system.import_path import finders_here, import_path, install_finders
from retiarii.execution._trial_jobs import TrialJobs

if TYPE_CHECKING:
    from retiarii.execution._task import NasTask, context_of
    from retiarii.execution._template.template_executor import TemplateExecutor

# Imported when first used: the template process needs neither these names nor the libraries that they import.
_LAZY = {
    "NasTask": "retiarii.execution._task",
    "TemplateExecutor": "retiarii.execution._template.template_executor",
    "context_of": "retiarii.execution._task",
}

__all__ = [
    "Aside",
    "Event",
    "Executor",
    "InProcessExecutor",
    "Judgement",
    "Limits",
    "NasTask",
    "OnReport",
    "Outcome",
    "Report",
    "SimulatedExecutor",
    "Task",
    "TemplateExecutor",
    "TimedTask",
    "TrialEnded",
    "TrialJob",
    "TrialJobs",
    "TrialStarted",
    "checked_end",
    "context_of",
    "finders_here",
    "import_path",
    "install_finders",
    "run_task",
]

__getattr__, __dir__ = lazy_attributes(__name__, _LAZY)
