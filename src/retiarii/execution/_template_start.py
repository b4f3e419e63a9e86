"""What a template is told when it starts, how the task travels to it, and how it is loaded there."""

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
from retiarii.execution._import_path import import_path
from retiarii.execution._protocol import Message

MARK = "RETIARII_TEMPLATE"  # the environment variable by which everything is found that a template has started

Dumps: TypeAlias = Callable[[Any, str], bytes]
"""Serialises an object; the second argument is what error messages call it."""

# Run by ``python -c`` with the import path of the user's process, so that whatever that can import is found here too.
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1])\n"
    "from retiarii.execution.{module} import main; main(*map(int, sys.argv[2:]))"
)


@dataclass(frozen=True)
class TemplateSettings:
    """What a template is told when it starts, apart from the task.

    Attributes:
        is_forking: Whether it forks trials from itself, or starts a new interpreter for each.
        threads_per_trial: CPU threads of torch in each trial.
        limits: What one trial may use.
        preloads: Libraries to import before anything else, so that every forked trial has them.
        environment: Variables that trials get, in addition to those that this process has; None unsets one.
        argv: The user's ``sys.argv``.
    """

    is_forking: bool
    threads_per_trial: int
    limits: Limits = field(default_factory=Limits)
    preloads: Sequence[str] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)
    argv: list[str] = field(default_factory=lambda: [str(argument) for argument in sys.argv])


def command(module: str, numbers: Iterable[int]) -> list[str]:
    """Return the command that runs ``main`` of a module of this room in a new interpreter, our child.

    Args:
        module: Its ``main`` gets the number of this process and ``numbers``.
        numbers: What names the descriptors that the new process inherits.
    """
    boot = _BOOT.format(module=module)
    return [sys.executable, "-c", boot, json.dumps(import_path()), *map(str, [os.getpid(), *numbers])]


def write_start(pipe: BinaryIO, settings: TemplateSettings, task: bytes, order: Message | None = None) -> None:
    """Write what `read_start` reads."""
    header = json.dumps({"settings": asdict(settings), "order": order, "task_bytes": len(task)})
    pipe.write(header.encode("ascii") + b"\n")
    pipe.write(task)
    pipe.flush()


def read_start(pipe: BinaryIO) -> tuple[TemplateSettings, bytes, Message | None]:
    """Return the settings, the task and, for a process that runs one trial, what to run.

    Raises:
        EOFError: The other end closed the pipe before all was said.
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


def load_task(data: bytes) -> Task:
    """Unpickle a task as if it were at home here.

    What the user defined in ``__main__`` (a script, a notebook) comes by value. It is put into a ``__main__`` of its
    own, where pickle and ``torch.save`` look for it when a trial saves a model.
    """
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    task: Task = pickle.loads(data)
    if b"__main__" in data:
        for thing in filter(_is_of_main, gc.get_objects()):
            vars(main).setdefault(thing.__name__, thing)
    return task


def _is_of_main(thing: Any) -> bool:
    kind = type(thing)  # not isinstance: it would wake lazy proxies up
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
