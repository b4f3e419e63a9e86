"""Trials that succeed and trials that fail, for the conformance tests of executors.

A trial's architecture names the function that it runs: ``{"act": "fail"}``. The processes of trials import this file,
so it does not import pytest.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retiarii.errors import EvaluatorError, FreezeError, TrialPruned
from retiarii.execution import Report, TrialJob
from retiarii.space import Architecture
from retiarii.trial import Metrics

MIB = 1 << 20
FOREVER_S = 600.0  # longer than any test waits
NUM_STEPS = 6  # that `climb` reports
NUM_THREADS = 4
CLEANED = "cleaned"  # what is written in the end
VALUES: dict[str, Any] = {"tuple": (1, "two", None), "true": True, "one": 1, "float": 1.0}  # not all equal to 1


def perform(job: TrialJob, report: Report) -> Metrics:
    """Run the function that ``job.architecture["act"]`` names; this is the task of these tests."""
    return {**ACTS, **JUDGED_ACTS, **ISOLATED_ACTS}[job.architecture["act"]](job, report)


def job_for(act: str, number: int = 0, *, is_judged: bool = False, **values: Any) -> TrialJob:
    """Return a job for which `perform` runs ``act``; ``values`` are further labels of its architecture."""
    return TrialJob(number, Architecture({"act": act, **values}), seed=1000 + number, is_judged=is_judged)


def succeed(job: TrialJob, report: Report) -> Metrics:
    """Report three times, and return the seed."""
    for step in range(3):
        report({"default": float(step), "loss": 1.0 / (step + 1)})
    return {"default": float(job.seed), "half": 0.5}


def report_nan(job: TrialJob, report: Report) -> Metrics:
    """Report NaN once, and a number afterwards."""
    report({"default": float("nan")})
    return {"default": 1.0}


def check_architecture(job: TrialJob, report: Report) -> Metrics:
    """Fail unless the values of the architecture have their types."""
    assert job.architecture == Architecture({**VALUES, "act": "check_architecture"}), job.architecture
    return {"default": 1.0}


def tell_job(job: TrialJob, report: Report) -> Metrics:
    """Return the fields of the job other than its architecture and seed."""
    amounts = {name: float(amount) for name, amount in job.fidelity.items()}
    return {"parent": float(-1 if job.parent is None else job.parent), "judged": float(job.is_judged), **amounts}


def climb(job: TrialJob, report: Report) -> Metrics:
    """Report some steps, and log each report that returned."""
    with _Log(job) as log:
        for step in range(NUM_STEPS):
            report({"default": float(step)})
            log(str(step))
    return {"default": 100.0}


def catch_errors(job: TrialJob, report: Report) -> Metrics:
    """Report, and continue after every ``Exception``."""
    for step in range(NUM_STEPS):
        with contextlib.suppress(Exception):
            report({"default": float(step)})
    return {"default": 100.0}


def catch_everything(job: TrialJob, report: Report) -> Metrics:
    """Report, continue after every ``BaseException``, and report again in a ``finally`` block."""
    try:
        with contextlib.suppress(BaseException):
            for step in range(NUM_STEPS):
                report({"default": float(step)})
    finally:
        with contextlib.suppress(BaseException):
            report({"default": -1.0})
    return {"default": 100.0}


def fail_afterwards(job: TrialJob, report: Report) -> Metrics:
    """Report, and raise an error in a ``finally`` block."""
    try:
        return catch_errors(job, report)
    finally:
        raise ValueError("the cleaning went wrong")


def prune_itself(job: TrialJob, report: Report) -> Metrics:
    """Report, and raise `TrialPruned`."""
    report({"default": 0.0})
    raise TrialPruned("it does not learn")


def report_in_threads(job: TrialJob, report: Report) -> Metrics:
    """Report the numbers 0, 1, ... in threads at the same time, and log those whose report returned."""
    numbers = iter(range(NUM_THREADS * NUM_STEPS))
    barrier = threading.Barrier(NUM_THREADS)

    def run() -> None:
        barrier.wait()
        for number in numbers:
            try:
                report({"default": float(number)})
            except TrialPruned:
                return
            log(str(number))

    with _Log(job) as log:
        threads = [threading.Thread(target=run) for _ in range(NUM_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {"default": 100.0}


class _Log:
    """Appends words to the file that the job's architecture names; the last word when the block ends."""

    def __init__(self, job: TrialJob) -> None:
        self._path = Path(job.architecture["path"])

    def __enter__(self) -> Callable[[str], None]:
        return self._write

    def __exit__(self, *raised: object) -> None:
        self._write(CLEANED)

    def _write(self, word: str) -> None:
        with self._path.open("a") as file:
            file.write(word + "\n")


def fail(job: TrialJob, report: Report) -> Metrics:
    """Raise an error."""
    raise ValueError("the act went wrong")


def fail_at_length(job: TrialJob, report: Report) -> Metrics:
    """Raise with a message of ten million characters, some of which no encoding has."""
    raise ValueError("start" + "\udcff\0" * 5_000_000 + "end")


def leave(job: TrialJob, report: Report) -> Metrics:
    """Raise SystemExit."""
    sys.exit(4)


def not_a_number(job: TrialJob, report: Report) -> Metrics:
    """Return NaN."""
    return {"default": float("nan")}


def nothing(job: TrialJob, report: Report) -> Metrics:
    """Return no metrics."""
    return None  # type: ignore[return-value] # the point of it


def huge_number(job: TrialJob, report: Report) -> Metrics:
    """Return an integer that is too large for a float."""
    return {"default": 10**400}


def no_number(job: TrialJob, report: Report) -> Metrics:
    """Return an object that raises when it is converted to a number, as arrays of several elements do."""
    return {"default": _Elements()}  # type: ignore[dict-item] # the point of it


def too_much(job: TrialJob, report: Report) -> Metrics:
    """Return megabytes of metrics."""
    return {"default": 1.0, "x" * (2 * MIB): 0.0}


class _Elements:
    def item(self) -> float:
        raise ValueError("can only convert an array of size 1 to a Python scalar")


def invalid_model(job: TrialJob, report: Report) -> Metrics:
    """Raise FreezeError, as a model does that cannot be built."""
    raise FreezeError("no such model")


def fork_and_return(job: TrialJob, report: Report) -> Metrics:
    """Fork a child that returns another result; return its exit code."""
    pid = _fork()
    return {"default": 99.0} if pid == 0 else _exit_code_of(pid)


def fork_and_leave(job: TrialJob, report: Report) -> Metrics:
    """Fork a child that raises SystemExit; return its exit code."""
    pid = _fork()
    if pid == 0:
        sys.exit(5)
    return _exit_code_of(pid)


def fork_and_fail(job: TrialJob, report: Report) -> Metrics:
    """Fork a child that raises an error; return its exit code."""
    pid = _fork()
    if pid == 0:
        raise ValueError("the fork went wrong")
    return _exit_code_of(pid)


def fork_and_report(job: TrialJob, report: Report) -> Metrics:
    """Fork a child and a grandchild that try to report; return 7 if both got the error that they cannot."""
    report({"default": 1.0})
    pid = _fork()
    if pid == 0:
        below = _fork()
        try:
            report({"default": 2.0})
        except EvaluatorError:
            sys.exit(7 if below == 0 or _exit_code_of(below)["default"] == 7 else 8)
    return _exit_code_of(pid)


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about the threads of this process
        return os.fork()


def _exit_code_of(pid: int) -> Metrics:
    return {"default": float(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))}


def vanish(job: TrialJob, report: Report) -> Metrics:
    """Print something, and end the process without an exception."""
    print("some last words")  # noqa: T201 - trials print
    os._exit(3)


def interrupt(job: TrialJob, report: Report) -> Metrics:
    """Raise KeyboardInterrupt."""
    raise KeyboardInterrupt


def kill(job: TrialJob, report: Report) -> Metrics:
    """Kill this process."""
    os.kill(os.getpid(), signal.SIGKILL)
    return nothing(job, report)


def crash(job: TrialJob, report: Report) -> Metrics:
    """Read an invalid address, which crashes the process."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return nothing(job, report)


def hang(job: TrialJob, report: Report) -> Metrics:
    """Run forever."""
    report({"default": 0.0})
    time.sleep(FOREVER_S)
    return nothing(job, report)


def wait_for_file(job: TrialJob, report: Report) -> Metrics:
    """Report, and end when the named file exists."""
    report({"default": 7.0})
    while not Path(job.architecture["path"]).exists():
        time.sleep(0.01)
    return {"default": 8.0}


def print_100_mb(job: TrialJob, report: Report) -> Metrics:
    """Print 100 MB of lines."""
    for _ in range(100):
        print(("x" * 1023 + "\n") * 1024, end="")  # noqa: T201 - trials print
    print("the last line")  # noqa: T201 - trials print
    return {"default": 1.0}


def allocate(job: TrialJob, report: Report) -> Metrics:
    """Allocate far too much memory at once."""
    return {"default": float(len(bytearray(8192 * MIB)))}


def grow(job: TrialJob, report: Report) -> Metrics:
    """Allocate more and more memory."""
    return {"default": float(len(_take_memory()))}


def grow_below(job: TrialJob, report: Report) -> Metrics:
    """Start a process that allocates more and more memory."""
    process = multiprocessing.get_context("fork").Process(target=_take_memory)
    process.start()
    time.sleep(FOREVER_S)
    return nothing(job, report)


def close_everything(job: TrialJob, report: Report) -> Metrics:
    """Close all file descriptors but the standard ones, and reuse their numbers; return what others wrote into them."""
    os.closerange(3, 4096)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(4)]
        report({"default": 1.0})
        return {"default": float(sum(os.fstat(file.fileno()).st_size for file in files))}


def write_everywhere(job: TrialJob, report: Report) -> Metrics:
    """Write garbage into all file descriptors but the standard ones."""
    for descriptor in range(3, 256):
        try:
            os.write(descriptor, b"garbage" * 10)
        except OSError:
            pass
    return {"default": 1.0}


def read_input(job: TrialJob, report: Report) -> Metrics:
    """Read standard input, which is empty."""
    return {"default": float(len(sys.stdin.read()))}


def tell_surroundings(job: TrialJob, report: Report) -> Metrics:
    """Print the surroundings of the trial: process, folder, environment."""
    import torch

    print("gpus:", repr(os.environ.get("CUDA_VISIBLE_DEVICES")))  # noqa: T201 - trials print
    return {"default": float(torch.get_num_threads())}


def litter(job: TrialJob, report: Report) -> Metrics:
    """Start processes that keep running: in the group, in a session of its own, and without a living parent.

    Their ids are reported. The latter two have no mark of the trial in their environment.
    """
    sleep = [sys.executable, "-S", "-c", f"import time; time.sleep({FOREVER_S})"]
    near = subprocess.Popen(sleep)
    apart = subprocess.Popen(sleep, start_new_session=True, env={})
    near.returncode = apart.returncode = 0  # no warning that they still run
    starter = (
        f"import subprocess; process = subprocess.Popen({sleep!r}, start_new_session=True, stdout=subprocess.DEVNULL)"
        "; print(process.pid); process.returncode = 0"
    )
    orphan = int(subprocess.check_output([sys.executable, "-S", "-c", starter], env={}))
    report({"default": 0.0, "near": float(near.pid), "apart": float(apart.pid), "orphan": float(orphan)})
    return {"default": 1.0}


def litter_and_hang(job: TrialJob, report: Report) -> Metrics:
    """Start processes that keep running, and run forever."""
    litter(job, report)
    time.sleep(FOREVER_S)
    return nothing(job, report)


def draw(job: TrialJob, report: Report) -> Metrics:
    """Return a draw from a generator that is seeded with the job's seed only."""
    return {"default": random.Random(job.seed).random()}


def _take_memory() -> list[bytearray]:
    taken = []
    for _ in range(2048):
        taken.append(bytearray(b"x") * MIB)
        time.sleep(0.004)
    return taken


Act = Callable[[TrialJob, Report], Metrics]

ACTS: dict[str, Act] = {
    act.__name__: act
    for act in (
        succeed,
        report_nan,
        draw,
        fail,
        fail_at_length,
        leave,
        not_a_number,
        nothing,
        huge_number,
        no_number,
        too_much,
        invalid_model,
        check_architecture,
        fork_and_return,
        fork_and_leave,
        fork_and_fail,
        fork_and_report,
    )
}

JUDGED_ACTS: dict[str, Act] = {
    act.__name__: act
    for act in (climb, catch_errors, catch_everything, fail_afterwards, prune_itself, report_in_threads, tell_job)
}

ISOLATED_ACTS: dict[str, Act] = {
    act.__name__: act
    for act in (
        vanish,
        interrupt,
        kill,
        crash,
        hang,
        print_100_mb,
        allocate,
        grow,
        grow_below,
        close_everything,
        write_everywhere,
        read_input,
        tell_surroundings,
        litter,
        litter_and_hang,
        wait_for_file,
    )
}
