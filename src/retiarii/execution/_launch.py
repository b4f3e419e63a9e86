"""How the process of a trial is started: forked from this one, or as a new interpreter."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias, cast

from retiarii.execution._descriptors import passing
from retiarii.execution._executor import Task, TrialJob
from retiarii.execution._pipes import Readable, readable
from retiarii.execution._processes import IS_LINUX, IS_POSIX, has_exited, kill_group, reap
from retiarii.execution._protocol import Message
from retiarii.execution._template_start import TemplateSettings, adapt_environment, command, write_start
from retiarii.execution._trial_main import live_forked


@dataclass(frozen=True)
class Pipes:
    """The descriptors of the pipes between a trial and its parent.

    Attributes:
        events: Where the parent reads events.
        events_inlet: Where the trial writes them.
        output: Where the parent reads what the trial prints.
        output_inlet: Where the trial prints.
        answers: Where a judged trial reads the answers to its reports; -1 for others.
        answers_inlet: Where the parent writes them; -1 for others.
    """

    events: int
    events_inlet: int
    output: int
    output_inlet: int
    answers: int = -1
    answers_inlet: int = -1

    @property
    def of_parent(self) -> list[int]:
        """What the trial's process must not have."""
        return [number for number in (self.events, self.output, self.answers_inlet) if number >= 0]

    @property
    def of_both(self) -> list[int]:
        """What the trial uses, and the parent keeps open, too."""
        return [number for number in (self.events_inlet, self.answers) if number >= 0]


Start: TypeAlias = Callable[[Pipes], "subprocess.Popen[bytes] | int"]


class TrialProcess:
    """The process of a trial, as its parent holds it.

    The trial's ends of the pipes, apart from that of its output, stay open here, too, so that a trial that closed them
    can open them again (Linux). So the end of the process, not of a pipe, is the end of the trial.

    Args:
        start: Starts it.
        is_judged: Whether it waits for answers.

    Attributes:
        pid: The process, leader of its own session and group.
        events: Where it tells its events.
        output: Where it prints.

    Raises:
        OSError: The system has no room for another process.
    """

    def __init__(self, start: Start, *, is_judged: bool = False) -> None:
        pipes = _open_pipes(3 if is_judged else 2)
        try:
            started = start(pipes)
        except BaseException:
            _close([*pipes.of_parent, *pipes.of_both])
            raise
        finally:
            os.close(pipes.output_inlet)
        self._of_both = pipes.of_both
        if not IS_LINUX:
            _close(self._of_both)
        self._answers = pipes.answers_inlet
        if is_judged and IS_POSIX:
            os.set_blocking(self._answers, False)
        self.events: Readable = readable(pipes.events)
        self.output: Readable = readable(pipes.output)
        self._popen: subprocess.Popen[bytes] | None = None
        if isinstance(started, int):
            self.pid = started
            return
        self.pid = started.pid
        if IS_POSIX:
            started.returncode = 0  # it need not wait for the process: we do
        else:
            self._popen = started

    @property
    def descriptors(self) -> list[int]:
        """What belongs to the parent alone."""
        own = [self.events.fileno(), self.output.fileno(), self._answers, *self._of_both]
        return [descriptor for descriptor in own if descriptor >= 0]

    def has_exited(self) -> bool:
        """Return whether it has exited; if so it stays a zombie (where there are such) until it is collected."""
        return has_exited(self.pid) if self._popen is None else self._popen.poll() is not None

    def answer(self, data: bytes) -> bool:
        """Write an answer; return False if the trial leaves so many unread that there is no room for it."""
        try:
            os.write(self._answers, data)
        except BlockingIOError:
            return False
        except BrokenPipeError:  # it closed the pipe, or is gone
            pass
        return True

    def kill(self) -> None:
        """Kill it and everything in its group."""
        kill_group(self.pid)
        if self._popen is None and not has_exited(self.pid):
            os.kill(self.pid, signal.SIGKILL)  # it may not lead its group yet

    def ask_for_stack(self) -> None:
        """Have it print where it is, soon, if the system has a signal for that."""
        if self._popen is None and not has_exited(self.pid):
            os.kill(self.pid, signal.SIGQUIT)

    def collect(self) -> int | None:
        """Wait for its end and return its exit code, or minus the number of the signal that killed it."""
        self.events.close()
        self.output.close()
        _close(self._of_both)
        if self._answers >= 0:
            os.close(self._answers)
            self._answers = -1
        return reap(self.pid) if self._popen is None else self._popen.wait()


def _open_pipes(count: int) -> Pipes:
    opened: list[int] = []
    try:
        for _ in range(count):
            opened += os.pipe()
    except OSError:
        _close(opened)
        raise
    return Pipes(*opened)


def _close(descriptors: list[int]) -> None:
    """Close descriptors and forget them."""
    while descriptors:
        os.close(descriptors.pop())


def fork_trial(task: Task, settings: TemplateSettings, order: Message, inherited: Iterable[int]) -> TrialProcess:
    """Start a trial as a fork of this process, which has loaded the task.

    Args:
        task: What a trial does.
        settings: The template's.
        order: What to run.
        inherited: Descriptors of this process that are not for its children.

    Raises:
        OSError: The system has no room for another process.
    """
    parent, job, environment = os.getpid(), TrialJob.from_json(order["job"]), order["environment"]

    def start(pipes: Pipes) -> int:
        pid = os.fork()
        if pid == 0:
            live_forked(
                task,
                settings,
                job,
                environment,
                parent=parent,
                events=pipes.events_inlet,
                answers=pipes.answers,
                output=pipes.output_inlet,
                inherited=[*inherited, *pipes.of_parent],
            )
        return pid

    return TrialProcess(start, is_judged=job.is_judged)


def spawn_trial(task: bytes, settings: TemplateSettings, order: Message) -> TrialProcess:
    """Start a trial as a new interpreter, which loads the task itself.

    Args:
        task: What a trial does, serialised.
        settings: The template's.
        order: What to run.

    Raises:
        OSError: The system has no room for another process, or for a copy of the task.
    """
    environment = {**os.environ, **order["environment"]}
    adapt_environment(settings, environment)

    def start(pipes: Pipes) -> subprocess.Popen[bytes]:
        with tempfile.TemporaryFile() as payload:
            write_start(cast(BinaryIO, payload), settings, task, order)
            payload.seek(0)
            numbers, arguments = passing([payload.fileno(), *pipes.of_both])
            return subprocess.Popen(
                command("_trial_main", numbers),
                stdin=subprocess.DEVNULL,
                stdout=pipes.output_inlet,
                stderr=pipes.output_inlet,
                env=environment,
                start_new_session=IS_POSIX,
                **arguments,
            )

    return TrialProcess(start, is_judged=order["job"]["is_judged"])
