"""`TemplateProcess`: a running template, seen from the user's process."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import BinaryIO

from retiarii.errors import ExecutionError
from retiarii.execution._system.descriptors import passing
from retiarii.execution._system.frames import FrameReader, Message, frame
from retiarii.execution._system.pipes import Readable, Tail, readable
from retiarii.execution._system.processes import IS_POSIX, exit_in_words, kill_group, kill_marked
from retiarii.execution._template.messages import check_event
from retiarii.execution._trial.template_settings import MARK, TemplateSettings, command, write_start

_LISTEN_S = 0.01  # how often to read the output of an interpreter that has not read the task yet
CLOSE_S = 10.0  # how long a template may take to end its trials and itself before it is killed

_THREADS = (
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_HUGE_PAGES = "glibc.malloc.hugetlb=1"  # shorter page tables: with 800 MB of data a fork takes 5 ms instead of 25


@dataclass
class _Remains:
    """The process and the pipes to close when the template is no longer used.

    Attributes:
        popen: The guardian of the template; on systems without fork, the template itself.
        orders: The pipe for orders.
        events: The pipe with events.
        printed: The pipe with the output of the template.
        farewell: The pipe with the exit code of the template, written once it and its trials have ended.
        selector: Watches ``events`` and ``printed``.
        owner: The id of the process that started the template.
        mark: The environment variable that marks all processes that the template started.
        is_ready: Whether the template has loaded the task.
        code: The exit code of the template, once it is known.
    """

    popen: subprocess.Popen[bytes]
    orders: BinaryIO
    events: Readable
    printed: Readable
    farewell: Readable
    selector: selectors.BaseSelector
    owner: int
    mark: str
    is_ready: bool = False
    code: int | None = None


class TemplateProcess:
    """A running template. It ends when it is closed or garbage-collected, or when this process ends in any way.

    Args:
        settings: The settings of the template.
        task: The pickled task.

    Attributes:
        is_alive: Whether it may still send messages.

    Raises:
        OSError: The system cannot start another process.
    """

    def __init__(self, settings: TemplateSettings, task: bytes) -> None:
        changes = _for_forking() if settings.is_forking else {}
        theirs = {name: os.environ.get(name) for name in changes}
        theirs.update(dict.fromkeys(_THREADS, str(settings.threads_per_trial)))
        self._remains = _start({**os.environ, **_for_all(), **changes})
        settings = replace(settings, environment=theirs)
        self._finalizer = weakref.finalize(self, _end, self._remains)
        self._frames = FrameReader(max_frame=None)
        self._printed = Tail()
        self._fault = ""  # a description of invalid bytes among its events
        self.is_alive = True
        self._deliver(settings, task)

    @property
    def is_ready(self) -> bool:
        """Whether it has loaded the task."""
        return self._remains.is_ready

    def send(self, order: Message) -> None:
        """Send an order; it is lost if the template has died."""
        self._write(lambda pipe: pipe.write(frame(order)))

    def receive(self, timeout: float) -> list[Message]:
        """Return the messages of the template, waiting at most ``timeout`` seconds for the first one."""
        ready = [key.fileobj for key, _ in self._remains.selector.select(timeout)]
        if self._remains.printed in ready:
            self._hear(self._remains.printed)
        if self._remains.events in ready:
            return self._digest(self._hear(self._remains.events))
        if not ready and self._remains.popen.poll() is not None:
            self.is_alive = False  # a process that loading the task started may keep the pipes open
        return []

    def epitaph(self) -> str:
        """Release a process that has died, and return its exit and the end of its output as text."""
        _wait(self._remains.popen)
        while self._hear(self._remains.printed):
            pass
        self.close()
        printed = self._printed.text().strip()
        end = self._fault or exit_in_words(self._remains.code)
        return f"{end}. The last of what it printed:\n{printed}" if printed else f"{end}. It printed nothing."

    def close(self) -> None:
        """End the process and its trials, and wait until they have ended; may be called again."""
        self.is_alive = False
        self._finalizer()

    def _digest(self, piece: bytes) -> list[Message]:
        try:
            messages = self._frames.feed(piece)
            for message in messages:
                check_event(message)
        except ExecutionError as error:
            self._fault = f"was ended, since it wrote into the pipe of its events. {error.args[0].rstrip('.')}"
            self._remains.popen.terminate()
            self.is_alive = False
            return []
        self._remains.is_ready = self._remains.is_ready or any(message["event"] == "ready" for message in messages)
        return messages

    def _hear(self, pipe: Readable) -> bytes:
        """Return the bytes that are in a pipe now, and record its end."""
        piece = pipe.read()
        if piece == b"" and pipe in self._remains.selector.get_map():
            self._remains.selector.unregister(pipe)
            self.is_alive = self.is_alive and pipe is not self._remains.events
        if piece and pipe is self._remains.printed:
            self._printed.add(piece)
        return piece or b""

    def _deliver(self, settings: TemplateSettings, task: bytes) -> None:
        """Write settings and task while reading the output of the new interpreter, or both could block forever."""
        writer = threading.Thread(
            target=self._write, args=(lambda pipe: write_start(pipe, settings, task),), name="retiarii-payload"
        )
        writer.daemon = True
        writer.start()
        try:
            while writer.is_alive():
                writer.join(_LISTEN_S)
                while self._hear(self._remains.printed):
                    pass
        except BaseException:  # Ctrl-C, for example
            self._remains.popen.kill()  # so that the writer is not blocked any more
            raise

    def _write(self, write: Callable[[BinaryIO], object]) -> None:
        try:
            write(self._remains.orders)
            self._remains.orders.flush()
        except BrokenPipeError:
            pass  # it has died, which the end of its events shows


def _start(environment: dict[str, str]) -> _Remains:
    mark = uuid.uuid4().hex
    orders_outlet, orders = os.pipe()
    (events, events_inlet), (printed, printed_inlet), (farewell, farewell_inlet) = os.pipe(), os.pipe(), os.pipe()
    numbers, arguments = passing([orders_outlet, events_inlet, farewell_inlet])
    try:
        popen = subprocess.Popen(
            command("_template.template_main", numbers),
            stdin=subprocess.DEVNULL,
            stdout=printed_inlet,
            stderr=printed_inlet,
            env={**environment, MARK: mark},
            start_new_session=IS_POSIX,  # Ctrl-C must reach only this process, which decides about trials
            **arguments,
        )
    except BaseException:
        for descriptor in (orders, events, printed, farewell):
            os.close(descriptor)
        raise
    finally:
        for descriptor in (orders_outlet, events_inlet, printed_inlet, farewell_inlet):
            os.close(descriptor)
    remains = _Remains(
        popen,
        os.fdopen(orders, "wb"),
        readable(events),
        readable(printed),
        readable(farewell),
        selectors.DefaultSelector(),
        os.getpid(),
        mark,
    )
    for pipe in (remains.events, remains.printed):
        remains.selector.register(pipe, selectors.EVENT_READ)
    return remains


def _end(remains: _Remains) -> None:
    if os.getpid() != remains.owner:
        return  # this is a fork of the process that owns the template
    popen = remains.popen
    try:
        remains.orders.close()  # a template that is ready ends its trials and itself
    except BrokenPipeError:
        pass
    if remains.is_ready:
        _wait(popen)
    if popen.poll() is None:
        popen.terminate()  # the guardian ends the template and all processes below it
        _wait(popen)
    farewell = remains.farewell.read()
    if not farewell:  # the guardian is dead or stopped
        popen.kill()
        _await_end(remains.events)  # the template kills the trials, even if it was stopped
        kill_group(popen.pid)
        kill_marked(MARK, remains.mark)
    popen.wait()
    remains.code = int(farewell) if farewell and farewell.strip() else popen.returncode
    remains.selector.close()
    for pipe in (remains.events, remains.printed, remains.farewell):
        pipe.close()


def _await_end(pipe: Readable) -> None:
    """Wait, for a limited time, until all writing ends of a pipe are closed."""
    deadline = time.monotonic() + CLOSE_S
    while pipe.read() != b"" and time.monotonic() < deadline:
        time.sleep(0.01)


def _wait(popen: subprocess.Popen[bytes]) -> None:
    try:
        popen.wait(CLOSE_S)
    except subprocess.TimeoutExpired:
        pass


def _for_all() -> dict[str, str]:
    # With a fixed seed of hashes, sets are iterated in the same order whenever a trial is repeated.
    return {"PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED", "0")}


def _for_forking() -> dict[str, str]:
    """Return the variables that are set while a forking template loads libraries and the task, but not in trials."""
    tunables = [os.environ["GLIBC_TUNABLES"]] if os.environ.get("GLIBC_TUNABLES") else []
    return {
        **dict.fromkeys(_THREADS, "1"),
        "GLIBC_TUNABLES": ":".join([*tunables, _HUGE_PAGES]),
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # torch.cuda.is_available() then does not initialise CUDA
    }
