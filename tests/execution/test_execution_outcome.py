import errno
import re
from fractions import Fraction

import numpy as np
import pytest
import torch

from retiarii.errors import ArchitectureError, EvaluatorError, FreezeError, MetricError
from retiarii.execution import run_task
from retiarii.execution._outcome import MAX_TRACEBACK, shorten
from retiarii.execution._run_task import describe
from retiarii.testing._acts import job_for
from retiarii.trial import FailureKind


class OutOfMemoryError(RuntimeError):
    """As torch.cuda has one."""


class AcceleratorError(RuntimeError):
    """As torch has one."""


class WithItem:
    """Has an ``item()`` that raises."""

    def __init__(self, error):
        self._error = error

    def item(self):
        raise self._error


class WithoutText(Exception):
    def __str__(self):
        raise ValueError("no text")


class WithoutItem:
    @property
    def item(self):
        raise ValueError("no item")


class WithoutShape(WithItem):
    @property
    def shape(self):
        raise ValueError("no shape")


class WithoutItems(dict):
    def items(self):
        raise ValueError("no items")


class WithoutNumber(float):
    def __float__(self):
        raise ValueError("no number")


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
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), FailureKind.OUT_OF_MEMORY),
        (AcceleratorError("CUDA error: out of memory"), FailureKind.OUT_OF_MEMORY),
        (AcceleratorError("CUDA error: an illegal memory access was encountered"), FailureKind.RAISED),
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


@pytest.mark.parametrize(
    "error",
    [
        SyntaxError("text", ("file", "x", "y", "line")),
        type("RuntimeError", (RuntimeError,), {"__str__": WithoutText.__str__})(),
    ],
    ids=["numbers that are none", "no text"],
)
def test_an_exception_that_cannot_be_read_is_a_failure_too(error):
    def task(job, report):
        raise error

    failure = run_task(task, job_for("any"), lambda metrics: None).failure
    assert failure.kind is FailureKind.RAISED
    assert failure.message.startswith(f"{type(error).__qualname__}: <its text cannot be read")
    assert "in task" in failure.traceback


def test_a_report_after_the_end_is_an_error_there_and_not_heard():
    reported, kept = [], []

    def task(job, report):
        kept.append(report)
        report({"default": 1.0})
        return {"default": 2.0}

    assert run_task(task, job_for("any"), reported.append).metrics == {"default": 2.0}
    with pytest.raises(EvaluatorError, match="after the end"):
        kept[0]({"default": 3.0})
    assert reported == [{"default": 1.0}]


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


@pytest.mark.parametrize("reported", [None, {}, {"loss": "1"}, "0.9"])
def test_a_report_that_is_no_metric_is_refused_where_it_is_made(reported):
    def task(job, report):
        report(reported)
        raise AssertionError("not reached")

    failure = run_task(task, job_for("any"), lambda metrics: None).failure
    assert failure.kind is FailureKind.BAD_METRIC
    assert "the intermediate result" in failure.message


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.arange(3.0), r"ndarray with the shape \(3,\)"),
        (torch.ones(2, 2), r"Tensor with the shape \(2, 2\)"),
        (10**400, "about 400 digits"),
        (-(10**5000), "about 5000 digits"),
        (WithItem(KeyError("gone")), "type WithItem.*KeyError: 'gone'"),
        (WithItem(WithoutText()), "type WithItem that raised ValueError"),
        (WithoutItem(), "type WithoutItem that raised ValueError"),
        (WithoutShape(KeyError()), "type WithoutShape that raised ValueError"),
        (WithoutItems(default=1.0), "type WithoutItems that raised ValueError"),
        (WithoutNumber(), "type WithoutNumber that raised ValueError"),
        ({"default": 1.0, 10**5000: 1.0}, "type dict that raised ValueError"),
        ({"default": 1.0, "loss": np.zeros(0)}, r"\['loss'\] is an object"),
        ({"default": 1.0, 1: 2.0, "1": 3.0}, "equal as strings"),
        ([0.5] * 100_000, "type list"),
        ({"default": 1.0, "x" * (2 << 20): 0.0}, "2048 KiB with their names"),
        ({"default": 1.0, **{f"metric {number}": 0.0 for number in range(20_000)}}, "20001 metrics"),
    ],
    ids=[
        "array",
        "tensor",
        "huge",
        "tiny",
        "raising",
        "no text",
        "no item",
        "no shape",
        "no items",
        "no number",
        "huge name",
        "in a mapping",
        "one name twice",
        "list",
        "long name",
        "many",
    ],
)
@pytest.mark.parametrize("is_final", [True, False])
def test_what_is_no_metric_is_a_bad_metric_whatever_it_raises(returned, message, is_final):
    def task(job, report):
        return returned if is_final else report(returned)

    failure = run_task(task, job_for("any"), lambda metrics: None).failure
    assert failure.kind is FailureKind.BAD_METRIC
    assert re.search(message, failure.message, re.DOTALL)
    assert len(failure.message) < 2100


@pytest.mark.parametrize("number", [np.longdouble(0.5), np.float16(0.5), Fraction(1, 2), torch.tensor(0.5).bfloat16()])
def test_numbers_of_every_library_are_metrics(number):
    assert run_task(lambda job, report: number, job_for("any"), list).metrics == {"default": 0.5}


def test_a_metric_that_is_read_from_a_full_gpu_is_no_bad_metric():
    failure = run_task(
        lambda job, report: WithItem(AcceleratorError("CUDA error: out of memory")), job_for("any"), list
    ).failure
    assert failure.kind is FailureKind.OUT_OF_MEMORY


def test_short_texts_stay_as_they_are():
    assert shorten("äöü\n", 4) == "äöü\n"


def test_of_long_texts_both_ends_stay():
    short = shorten("a" * 1000 + "b" * 1000, 300)
    assert short.startswith("a" * 100 + "\n[... 1700 characters left out ...]\n")
    assert short.endswith("b" * 200)


def test_texts_can_be_encoded_and_stored():
    assert shorten("\udc80\0", 10) == "?\ufffd"
