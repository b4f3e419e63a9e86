"""`TemplateSettings` and the task: how they are sent to a template or a trial, and loaded there."""

from __future__ import annotations

import gc
import json
import os
import pickle
import sys
import types
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO, TypeAlias

from retiarii.execution._executor import Limits, Task
from retiarii.execution._system.frames import Message
from retiarii.execution._system.import_path import finders_here, import_path, install_finders

MARK = "RETIARII_TEMPLATE"  # the environment variable that marks all processes that a template started

Dumps: TypeAlias = Callable[[Any, str], bytes]
"""A function that pickles an object; the second argument is the object's name in messages."""

# Run by ``python -c`` with the import path of the user's process, so that the same modules can be imported.
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1])\n"
    "from retiarii.execution.{module} import main; main(*map(int, sys.argv[2:]))"
)


@dataclass(frozen=True)
class TemplateSettings:
    """The settings of a template process.

    Attributes:
        is_forking: Whether it forks trials from itself, instead of starting a new interpreter for each.
        threads_per_trial: The number of CPU threads of torch in each trial.
        limits: The resource limits of one trial.
        preloads: Libraries to import before the task is loaded, so that every forked trial has them.
        environment: Environment variables of trials, in addition to those of this process; None unsets one.
        argv: The user's ``sys.argv``.
        finders: The functions that install the finders of the user's process, see `finders_here`.
    """

    is_forking: bool
    threads_per_trial: int
    limits: Limits = field(default_factory=Limits)
    preloads: Sequence[str] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)
    argv: list[str] = field(default_factory=lambda: [str(argument) for argument in sys.argv])
    finders: Sequence[str] = field(default_factory=finders_here)


def command(module: str, numbers: Iterable[int]) -> list[str]:
    """Return the command that runs the function ``main`` of a module of this room in a new interpreter.

    Args:
        module: The module; its ``main`` gets the id of this process and ``numbers``.
        numbers: The numbers of the descriptors that the new process inherits, see `received`.
    """
    boot = _BOOT.format(module=module)
    return [sys.executable, "-c", boot, json.dumps(import_path()), *map(str, [os.getpid(), *numbers])]


def write_start(pipe: BinaryIO, settings: TemplateSettings, task: bytes, order: Message | None = None) -> None:
    """Write settings, task and order for `read_start`."""
    header = json.dumps({"settings": asdict(settings), "order": order, "task_bytes": len(task)})
    pipe.write(header.encode("ascii") + b"\n")
    pipe.write(task)
    pipe.flush()


def read_start(pipe: BinaryIO) -> tuple[TemplateSettings, bytes, Message | None]:
    """Read the settings, the pickled task and, for the process of one trial, the order.

    Raises:
        EOFError: The other end closed the pipe too early.
    """
    line = pipe.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header = json.loads(line)
    task = pipe.read(header["task_bytes"])
    if len(task) < header["task_bytes"]:
        raise EOFError
    settings = header["settings"]
    return TemplateSettings(**{**settings, "limits": Limits(**settings["limits"])}), task, header["order"]


def load_task(data: bytes, settings: TemplateSettings) -> Task:
    """Unpickle a task, and restore the finders of modules and the ``__main__`` module that it needs.

    Definitions of the user's ``__main__`` (a script, a notebook) are pickled by value. They are put into a new
    ``__main__`` module, where pickle and ``torch.save`` look for them when a trial saves a model.
    """
    install_finders(settings.finders)
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    task: Task = pickle.loads(data)
    if b"__main__" in data:
        for thing in filter(_is_of_main, gc.get_objects()):
            vars(main).setdefault(thing.__name__, thing)
    return task


def _is_of_main(thing: Any) -> bool:
    kind = type(thing)  # not isinstance, which would load lazy proxies
    if kind is not types.FunctionType and not issubclass(kind, type):
        return False
    return getattr(thing, "__module__", None) == "__main__" and thing.__qualname__ == thing.__name__


def adapt_environment(settings: TemplateSettings, environment: MutableMapping[str, str]) -> None:
    """Change the environment of a template into that of its trials."""
    for name, value in settings.environment.items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
