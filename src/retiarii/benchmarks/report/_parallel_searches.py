"""`in_processes`: call a function for many numbers in several processes, which share what is in memory already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import cloudpickle

from retiarii.errors import BenchmarkError

Result = TypeVar("Result")

START_METHOD = "fork" if sys.platform == "linux" else "spawn"
_WATCH_S = 1.0


def in_processes(function: Callable[[int], Result], count: int, num_processes: int) -> Iterator[Result]:
    """Yield the results of a function for the numbers below ``count``, in the order in which they are ready.

    Each process takes the next number when it is done with one. On Linux the processes are forks, so that nothing is
    loaded twice, and the function may be defined anywhere; elsewhere they are new, and scripts need
    ``if __name__ == "__main__"``. They are ended when the iteration ends, and end by themselves when this process dies.

    Args:
        function: The function. Its results depend on the number only, and can be pickled.
        count: How many numbers there are.
        num_processes: How many processes; with one, the calls are made in this process.

    Raises:
        BenchmarkError: A process was killed.
        Exception: The function raised it.
    """
    num_processes = min(num_processes, count)
    if num_processes <= 1:
        yield from map(function, range(count))
        return
    context: Any = multiprocessing.get_context(START_METHOD)
    counter = context.Value("q", 0)
    processes: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(num_processes):
            reader, writer = context.Pipe(duplex=False)
            arguments = (_Portable(function), counter, count, writer, os.getpid())
            process = context.Process(target=_work, args=arguments, daemon=True)
            with _interrupts_waiting(), warnings.catch_warnings():
                # Python 3.12 warns of forks beside threads: searches take no locks that these could hold.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
                processes[reader] = process
            writer.close()  # before the next fork, so that the end of the process is the end of its pipe
        yield from _results(function, processes)
    finally:
        for process in processes.values():
            process.kill()
            process.join()


@contextmanager
def _interrupts_waiting() -> Iterator[None]:
    """Keep Ctrl-C waiting until the end of the block: Python loses one that comes while it forks."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _results(function: Callable[[int], Result], processes: dict[Connection, BaseProcess]) -> Iterator[Result]:
    running = dict(processes)
    while running:
        for reader in wait(list(running)):
            assert isinstance(reader, Connection)
            try:
                failed, result = reader.recv()
            except EOFError:
                _check_end(running.pop(reader))
            else:
                # An error is raised here by calling again: a traceback of this process says more.
                yield result if failed is None else function(failed)


def _check_end(process: BaseProcess) -> None:
    process.join()
    if process.exitcode:
        raise BenchmarkError(
            f"A process of the comparison ended with the exit code {process.exitcode}: something killed it, perhaps "
            "for the memory it took. Try again with fewer processes."
        )


class _Portable:
    """A function with what it refers to, which spawned processes get as cloudpickle writes it, and forks as it is."""

    def __init__(self, function: Callable[[int], Any]) -> None:
        self.function = function

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, (cloudpickle.dumps(self.function),)


def _unpacked(data: bytes) -> _Portable:
    return _Portable(cloudpickle.loads(data))


def _work(portable: _Portable, counter: Any, count: int, writer: Connection, parent: int) -> None:
    """Call the function until no number is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one handles Ctrl-C
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    while (number := _next(counter)) < count:
        message: tuple[int | None, Any]
        try:
            message = (None, portable.function(number))
        except Exception:  # noqa: BLE001 - of any strategy; raised by the process that waits for results
            message = (number, None)
        writer.send(message)


def _end_with(parent: int) -> None:
    """End this process soon after the one that started it: nobody waits for its results any more."""
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(1)


def _next(counter: Any) -> int:
    with counter.get_lock():
        number = int(counter.value)
        counter.value += 1
    return number
