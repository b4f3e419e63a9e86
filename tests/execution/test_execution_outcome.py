import errno

import pytest

from retiarii.errors import ArchitectureError, FreezeError, MetricError
from retiarii.execution._outcome import MAX_TRACEBACK, describe, run_task, shorten
from retiarii.testing._acts import job_for
from retiarii.trial import FailureKind


class OutOfMemoryError(RuntimeError):
    """As torch.cuda has one."""


class WithoutText(Exception):
    def __str__(self):
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("x"), FailureKind.RAISED),
        (SystemExit(0), FailureKind.RAISED),
        (MetricError("x"), FailureKind.BAD_METRIC),
        (FreezeError("x"), FailureKind.INVALID_MODEL),
        (ArchitectureError("x"), FailureKind.INVALID_MODEL),
        (MemoryError(), FailureKind.OUT_OF_MEMORY),
        (OutOfMemoryError("CUDA out of memory"), FailureKind.OUT_OF_MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), FailureKind.OUT_OF_MEMORY),
        (OSError(errno.ENOENT, "No such file"), FailureKind.RAISED),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."), FailureKind.OUT_OF_MEMORY),
        (RuntimeError("shapes do not match"), FailureKind.RAISED),
    ],
)
def test_errors_are_told_apart(error, kind):
    assert describe(error).kind is kind


def test_the_cause_of_an_invalid_model_may_be_memory():
    error = FreezeError("does not build")
    error.__cause__ = MemoryError()
    assert describe(error).kind is FailureKind.OUT_OF_MEMORY


def test_the_message_is_the_exception_without_its_module():
    assert describe(FreezeError("does not build")).message == "FreezeError: does not build"


def test_an_exception_without_text_is_described_all_the_same():
    assert "WithoutText" in describe(WithoutText()).message


def test_the_traceback_begins_with_the_task():
    def task(job, report):
        raise ValueError("here")

    failure = run_task(task, job_for("any"), lambda metrics: None).failure
    assert "in task" in failure.traceback.splitlines()[1]


def test_endless_recursion_is_a_short_traceback():
    def task(job, report):
        return task(job, report)

    failure = run_task(task, job_for("any"), lambda metrics: None).failure
    assert failure.message.startswith("RecursionError")
    assert len(failure.traceback) < MAX_TRACEBACK


@pytest.mark.parametrize("reported", [None, {"loss": 1.0}, "0.9"])
def test_a_report_that_is_no_metric_is_refused_where_it_is_made(reported):
    def task(job, report):
        report(reported)
        raise AssertionError("not reached")

    failure = run_task(task, job_for("any"), lambda metrics: None).failure
    assert failure.kind is FailureKind.BAD_METRIC
    assert "the intermediate result" in failure.message


def test_short_texts_stay_as_they_are():
    assert shorten("äöü\n", 4) == "äöü\n"


def test_of_long_texts_both_ends_stay():
    short = shorten("a" * 1000 + "b" * 1000, 300)
    assert short.startswith("a" * 100 + "\n[... 1700 characters left out ...]\n")
    assert short.endswith("b" * 200)


def test_texts_can_be_encoded_and_stored():
    assert shorten("\udc80\0", 10) == "?\ufffd"
