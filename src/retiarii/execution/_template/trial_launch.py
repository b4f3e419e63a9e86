"""Starting the process of a trial: as a fork of this process, or as a new interpreter."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias, cast

from retiarii.execution._executor import Task, TrialJob
from retiarii.execution._system.descriptors import passing
from retiarii.execution._system.frames import Message
from retiarii.execution._system.frameworks import LateImport
from retiarii.execution._system.pipes import Readable, readable
from retiarii.execution._system.processes import IS_LINUX, IS_POSIX, has_exited, kill_group, reap
from retiarii.execution._trial.template_settings import TemplateSettings, adapt_environment, command, write_start
from retiarii.execution._trial.trial_main import live_forked


@dataclass(frozen=True)
class Pipes:
    """The descriptors of the pipes between a trial and its parent.

    Attributes:
        events: The end from which the parent reads events.
        events_inlet: The end to which the trial writes events.
        output: The end from which the parent reads the trial's output.
        output_inlet: The end to which the trial prints.
        answers: The end from which a judged trial reads the answers to its reports; -1 for other trials.
        answers_inlet: The end to which the parent writes answers; -1 for other trials.
    """

    events: int
    events_inlet: int
    output: int
    output_inlet: int
    answers: int = -1
    answers_inlet: int = -1

    @property
    def of_parent(self) -> list[int]:
        """The descriptors that the trial's process must close."""
        return [number for number in (self.events, self.output, self.answers_inlet) if number >= 0]

    @property
    def of_both(self) -> list[int]:
        """The descriptors that the trial uses and the parent keeps open, too."""
        return [number for number in (self.events_inlet, self.answers) if number >= 0]


Start: TypeAlias = Callable[[Pipes], "subprocess.Popen[bytes] | int"]


class TrialProcess:
    """The process of a trial, seen from its parent.

    The trial's ends of the pipes, except that of its output, stay open in the parent, so that a trial that closed them
    can reopen them (Linux). The trial has ended when its process has ended, not when a pipe is closed.

    Args:
        start: The function that starts the process.
        is_judged: Whether the trial waits for answers.

    Attributes:
        pid: The id of the process, the leader of its own session and group.
        events: The pipe with its events.
        output: The pipe with its output.

    Raises:
        OSError: The system cannot start another process.
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
            started.returncode = 0  # Popen must not wait for the process: `collect` does
        else:
            self._popen = started

    @property
    def descriptors(self) -> list[int]:
        """The descriptors that only the parent uses."""
        own = [self.events.fileno(), self.output.fileno(), self._answers, *self._of_both]
        return [descriptor for descriptor in own if descriptor >= 0]

    def has_exited(self) -> bool:
        """Return whether the process has exited; on POSIX systems it then stays a zombie until it is collected."""
        return has_exited(self.pid) if self._popen is None else self._popen.poll() is not None

    def answer(self, data: bytes) -> bool:
        """Write an answer; return False if the pipe is full, because the trial does not read its answers."""
        try:
            os.write(self._answers, data)
        except BlockingIOError:
            return False
        except BrokenPipeError:  # it closed the pipe, or has ended
            pass
        return True

    def kill(self) -> None:
        """Kill the process and its process group."""
        kill_group(self.pid)
        if self._popen is None and not has_exited(self.pid):
            os.kill(self.pid, signal.SIGKILL)  # it may not be the leader of its group yet

    def ask_for_stack(self) -> None:
        """Ask the process to print its stack, if the system has a signal for that."""
        if self._popen is None and not has_exited(self.pid):
            os.kill(self.pid, signal.SIGQUIT)

    def collect(self) -> int | None:
        """Wait for the end of the process; return its exit code, or minus the number of the signal that killed it."""
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
    """Close descriptors and clear the list."""
    while descriptors:
        os.close(descriptors.pop())


def fork_trial(
    task: Task, settings: TemplateSettings, order: Message, inherited: Iterable[int], late: LateImport
) -> TrialProcess:
    """Start a trial as a fork of this process, which has loaded the task.

    Args:
        task: The task that the trial runs.
        settings: The settings of the template.
        order: The order with the job to run.
        inherited: The descriptors of this process that its children must close.
        late: What this process imports when a trial has needed it.

    Raises:
        OSError: The system cannot start another process.
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
                late=late,
            )
        return pid

    return TrialProcess(start, is_judged=job.is_judged)


def spawn_trial(task: bytes, settings: TemplateSettings, order: Message) -> TrialProcess:
    """Start a trial as a new interpreter, which loads the task itself.

    Args:
        task: The pickled task that the trial runs.
        settings: The settings of the template.
        order: The order with the job to run.

    Raises:
        OSError: The system cannot start another process, or has no room for a copy of the task.
    """
    environment = {**os.environ, **order["environment"]}
    adapt_environment(settings, environment)

    def start(pipes: Pipes) -> subprocess.Popen[bytes]:
        with tempfile.TemporaryFile() as payload:
            write_start(cast(BinaryIO, payload), settings, task, order)
            payload.seek(0)
            numbers, arguments = passing([payload.fileno(), *pipes.of_both])
            return subprocess.Popen(
                command("_trial.trial_main", numbers),
                stdin=subprocess.DEVNULL,
                stdout=pipes.output_inlet,
                stderr=pipes.output_inlet,
                env=environment,
                start_new_session=IS_POSIX,
                **arguments,
            )

    return TrialProcess(start, is_judged=order["job"]["is_judged"])
