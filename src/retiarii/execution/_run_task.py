"""`run_task`: call a task and return its outcome: metrics, or a failure with its reason."""

from __future__ import annotations

import errno
import json
import threading
import traceback
from types import TracebackType

from retiarii._own_process import end_in_fork, own_process, refuse_in_fork
from retiarii.errors import ArchitectureError, EvaluatorError, FreezeError, MetricError, TrialPruned
from retiarii.execution._executor import Report, Task, TrialJob
from retiarii.execution._outcome import MAX_MESSAGE, MAX_TRACEBACK, NO_REASON, Outcome, shorten
from retiarii.trial import Failure, FailureKind, Metrics, parse_metrics

MAX_METRICS = 1 << 18  # bytes of JSON
_SURELY_SHORT = 1 << 14  # characters; the longest JSON of so many is shorter than MAX_METRICS

_LENGTH_OF_NUMBER = 32

# torch raises plain RuntimeErrors when the allocator of the CPU or a library of CUDA fails, AcceleratorErrors (another
# RuntimeError) when the driver does; its CUDA allocator has a class of its own.
_MEMORY_PHRASES = ("can't allocate memory", "cannot allocate memory", "out of memory", "status_alloc_failed")
_MEMORY_CLASSES = ("OutOfMemoryError",)
_TORCH_CLASSES = ("RuntimeError", "AcceleratorError")


def run_task(task: Task, job: TrialJob, report: Report) -> Outcome:
    """Run one trial in this process and return its outcome; an exception becomes a failure.

    A process that the task forked and that returns from the task is ended, with its own exit code.

    Raises:
        KeyboardInterrupt: The user pressed ``Ctrl-C``, which is not a failure of the trial.
    """
    own = own_process()
    reporter = _Reporter(report)
    try:
        returned = task(job, reporter)
        end_in_fork(own)
        return Outcome(_of_bearable_size(parse_metrics(returned, where="the final result")))
    except TrialPruned as pruned:
        end_in_fork(own, pruned)
        return Outcome(reason=shorten(pruned.reason, MAX_MESSAGE) or NO_REASON)
    except BaseException as error:
        end_in_fork(own, error)
        if isinstance(error, KeyboardInterrupt):
            raise
        return Outcome(failure=describe(error))
    finally:
        reporter.close()


class _Reporter:
    """Passes on the reports of a trial until its task has ended, because threads of the trial may continue.

    Args:
        report: The function to call with the metrics.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._own = own_process()
        self._lock = threading.RLock()  # reentrant, because a signal handler may report, too
        self._is_closed = False

    def __call__(self, metrics: Metrics) -> None:
        """Report intermediate metrics.

        Raises:
            EvaluatorError: The calling process was forked by the trial, or the trial has ended.
            MetricError: ``metrics`` is not a metric, or is too large.
        """
        refuse_in_fork(self._own, "report")
        parsed = _of_bearable_size(parse_metrics(metrics, where="the intermediate result"))
        with self._lock:
            if self._is_closed:
                raise EvaluatorError(
                    "An intermediate result was reported after the end of its trial, by a thread that goes on. Let "
                    "such threads end before the evaluation returns."
                )
            self._report(parsed)

    def close(self) -> None:
        """Refuse further reports."""
        with self._lock:
            self._is_closed = True


def _of_bearable_size(metrics: Metrics) -> Metrics:
    """Return the metrics after checking that they fit into a message and a row of a store.

    Raises:
        MetricError: They are too large.
    """
    length = len("".join(metrics)) + _LENGTH_OF_NUMBER * len(metrics)
    if length > _SURELY_SHORT and len(json.dumps(metrics)) > MAX_METRICS:
        raise MetricError(
            f"{len(metrics)} metrics were reported at once, {length >> 10} KiB with their names, and there is room for "
            f"{MAX_METRICS >> 10} KiB. Report summaries, and save the rest to a file."
        )
    return metrics


def describe(error: BaseException) -> Failure:
    """Return the failure for an exception in a trial, with long texts cut."""
    try:
        return _described(error)
    except Exception as broken:  # noqa: BLE001 - an exception runs code of its own when it is read
        name = type(error).__qualname__
        message = f"{name}: <its text cannot be read: that raises {type(broken).__name__}>"
        lines = traceback.format_tb(_skip_own_frame(error))
        return Failure(FailureKind.RAISED, shorten(message, MAX_MESSAGE), shorten("".join(lines), MAX_TRACEBACK))


def _described(error: BaseException) -> Failure:
    message = "".join(traceback.format_exception_only(type(error), error)).strip()
    message = message.removeprefix(f"{type(error).__module__}.")
    lines = traceback.format_exception(type(error), error, _skip_own_frame(error))
    return Failure(_kind(error), shorten(message, MAX_MESSAGE), shorten("".join(lines), MAX_TRACEBACK))


def _kind(error: BaseException) -> FailureKind:
    if _is_out_of_memory(error) or (error.__cause__ is not None and _is_out_of_memory(error.__cause__)):
        return FailureKind.OUT_OF_MEMORY
    if isinstance(error, MetricError):
        return FailureKind.BAD_METRIC
    if isinstance(error, (FreezeError, ArchitectureError)):
        return FailureKind.INVALID_MODEL
    return FailureKind.RAISED


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ in _MEMORY_CLASSES:
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if not isinstance(error, RuntimeError) or type(error).__name__ not in _TORCH_CLASSES:
        return False
    return any(phrase in str(error).lower() for phrase in _MEMORY_PHRASES)


def _skip_own_frame(error: BaseException) -> TracebackType | None:
    own = error.__traceback__
    return own.tb_next if own is not None and own.tb_next is not None else own
