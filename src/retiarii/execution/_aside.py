"""`Aside`: a function that runs in a fork of this process, at low priority, and can neither stop nor delay it."""

from __future__ import annotations

import gc
import json
import logging
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeAlias

from retiarii.execution._system.processes import IS_LINUX, kill_group, reap, signal_at_parents_death

Send: TypeAlias = Callable[[dict[str, Any]], None]
"""Sends plain JSON data to the process that started the work."""

_NICE = 10
_FIRST_TO_GO = "1000"  # when memory is short, Linux ends the process with the highest score
_LAST_DESCRIPTOR = 65_536
_PIECE = 1 << 20


class Aside:
    """Work in a fork of this process, which has its objects without a copy; what it sends back is plain data.

    The fork has a process group of its own, runs at low priority, is the first to end when memory is short, prints
    nothing, keeps no file or lock of this process open, and is killed when its time is up or when this process ends.
    Errors in it are never raised here: `is_over` is then true, and whatever it sent before is there.

    Args:
        work: The work, given the function that sends. It must not use CUDA, or locks that other threads may hold.
        timeout_s: The time after which the work is killed.
        max_bytes: How much it may send in all.

    Raises:
        OSError: The system cannot start another process, or cannot fork safely.
    """

    def __init__(self, work: Callable[[Send], None], *, timeout_s: float, max_bytes: int) -> None:
        if not IS_LINUX:
            raise OSError(f"work aside needs Linux, where processes with libraries can be forked, not {sys.platform}")
        self._deadline = time.monotonic() + timeout_s
        self._left = max_bytes
        self._buffer = bytearray()
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        parent = os.getpid()
        try:
            # With Ctrl-C held back, the fork cannot return into the code of this process before it ignores it.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                with warnings.catch_warnings():  # of threads: the fork uses none of their locks, or is killed in time
                    warnings.simplefilter("ignore")
                    self._pid: int | None = os.fork()
                if self._pid == 0:
                    _live(work, writing, parent, timeout_s, mask)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        except OSError:
            os.close(self._reading)
            raise
        finally:
            os.close(writing)

    @property
    def is_over(self) -> bool:
        """Whether the work has ended or was killed; everything that it sent has then been returned."""
        return self._pid is None

    def received(self) -> list[dict[str, Any]]:
        """Return what was sent since the last call, without waiting."""
        if self._pid is None:
            return []
        has_ended = self._read() or self._left < 0 or time.monotonic() >= self._deadline
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        if has_ended:
            self.close()
        return [json.loads(line) for line in lines]

    def wait(self, timeout_s: float) -> None:
        """Wait until something was sent, the work ended, or the time is up."""
        if self._pid is not None:
            left = min(timeout_s, self._deadline - time.monotonic())
            pipe = select.poll()  # `select.select` refuses descriptors above 1023
            pipe.register(self._reading, select.POLLIN)
            pipe.poll(max(0.0, left) * 1000)

    def close(self) -> None:
        """Kill the work if it runs."""
        if self._pid is None:
            return
        kill_group(self._pid)
        try:
            os.kill(self._pid, signal.SIGKILL)  # it may not be the leader of its group yet
        except ProcessLookupError:
            pass
        reap(self._pid)
        os.close(self._reading)
        self._pid = None

    def _read(self) -> bool:
        """Read what is there; return whether the other end is closed."""
        while self._left >= 0:
            try:
                piece = os.read(self._reading, _PIECE)
            except BlockingIOError:
                return False
            if not piece:
                return True
            self._left -= len(piece)
            self._buffer += piece
        return True


def _live(
    work: Callable[[Send], None], writing: int, parent: int, timeout_s: float, mask: set[int | signal.Signals]
) -> NoReturn:
    """Do the work in the fork, and exit."""
    try:
        _settle(writing, parent, timeout_s)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

        def send(data: dict[str, Any]) -> None:
            line = json.dumps(data, allow_nan=False).encode() + b"\n"
            while line:
                line = line[os.write(writing, line) :]

        work(send)
    except BaseException:  # noqa: BLE001 - a fork must not return into the code of its parent
        os._exit(1)
    finally:
        os._exit(0)


def _settle(writing: int, parent: int, timeout_s: float) -> None:
    """Let this process end with its parent and in time, and share nothing with it."""
    gc.disable()  # objects of the parent must not be finalised here
    os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal_at_parents_death(signal.SIGKILL)
    signal.alarm(int(timeout_s) + 5)
    if os.getppid() != parent:
        os._exit(1)
    os.nice(_NICE)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(_FIRST_TO_GO)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.closerange(3, writing)
    os.closerange(writing + 1, _LAST_DESCRIPTOR)
    sys.stdout = sys.stderr = open(1, "w", closefd=False)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
