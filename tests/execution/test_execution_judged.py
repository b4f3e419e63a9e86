"""Trials that wait for the answers to their reports, while processes are killed, cancelled or closed."""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from retiarii.execution import Limits, TemplateExecutor, TrialJob, TrialStarted
from retiarii.execution._system.frames import FrameReader, frame
from retiarii.execution._template.running_trial import RunningTrial
from retiarii.space import Architecture
from retiarii.testing._acts import NUM_STEPS
from retiarii.testing.execution import (
    ending,
    eventually,
    failure_of,
    is_running,
    reports,
    watch,
)
from retiarii.trial import FailureKind, TrialState

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def call(job, report):
    return globals()[job.architecture["function"]](job, report)


def write(job, word):
    with Path(job.architecture["path"]).open("a") as file:
        file.write(f"{word}\n")


def report_once(job, report):
    write(job, os.getpid())
    report({"default": 0.0})
    write(job, "passed")
    return {"default": 1.0}


def succeed(job, report):
    return {"default": 1.0}


def tell_device(job, report):
    sys.stdout.write(job.device)
    return {"default": 1.0}


def tell_descriptors(job, report):
    numbers = [name for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")]
    return {"default": float(len(numbers))}


def close_everything(job, report):
    """Close all pipes in the middle, and take their numbers."""
    for step in range(NUM_STEPS):
        report({"default": float(step)})
        os.closerange(3, 4096)
        for _ in range(4):
            os.open(job.architecture["path"], os.O_RDWR | os.O_CREAT)
    return {"default": 1.0}


def never_end(job, report):
    """Catch everything, forever."""
    while True:
        with contextlib.suppress(BaseException):
            report({"default": 1.0})
        sys.stdout.write("again\n")


def kill_itself(job, report):
    try:
        report({"default": 1.0})
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def report_in_a_signal_handler(job, report):
    """Report while a report waits."""
    told = []

    def handle(number, frame):
        report({"default": 2.0})
        told.append(2.0)

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    report({"default": 1.0})
    while not told:
        time.sleep(0.01)
    report({"default": 3.0})
    return {"default": float(len(told))}


class TooLate(Exception):
    pass


def give_up_waiting(job, report):
    """Leave a report before it is answered; hear later answers all the same."""

    def handle(number, frame):
        raise TooLate

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        report({"default": 1.0})
    except TooLate:
        write(job, "too late")
    report({"default": 2.0})
    write(job, "passed")
    report({"default": 3.0})
    return {"default": 1.0}


def flood(job, report):
    """Write reports past `report`, and read no answer."""
    if job.number:
        return succeed(job, report)
    channel = min(number for number in range(3, 64) if os.path.exists(f"/proc/self/fd/{number}"))
    while True:
        os.write(channel, frame({"event": "reported", "metrics": {"default": 1.0}}))


def job(number, function, *, is_judged=True, **values):
    return TrialJob(number, Architecture({"function": function, **values}), seed=number, is_judged=is_judged)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture(scope="module")
def forking():
    with TemplateExecutor(call) as executor:
        yield executor


@pytest.fixture(scope="module", params=["fork", "spawn"])
def executor(request):
    with TemplateExecutor(call, start_method=request.param) as executor:
        yield executor


def start_to_wait(executor, log):
    """Have trial 0 wait for an answer, or be about to; return its process."""
    executor.submit(job(1, "succeed"))
    watch(executor, [1])  # so that the next one starts without a poll
    executor.submit(job(0, "report_once", path=str(log)))
    assert eventually(lambda: log.exists() and log.read_text().endswith("\n"))
    return int(log.read_text())


def test_a_trial_that_waits_can_be_cancelled(forking, log):
    pid = start_to_wait(forking, log)
    forking.cancel(0)
    assert failure_of(watch(forking, [0])).kind is FailureKind.CANCELLED
    assert not is_running(pid)
    assert "passed" not in log.read_text()


def test_a_trial_that_waits_outlives_neither_its_template_nor_its_executor(log, tmp_path):
    with TemplateExecutor(call) as executor:
        pid = start_to_wait(executor, log)
        psutil.Process(pid).parent().kill()
        assert failure_of(watch(executor, [0])).kind is FailureKind.VANISHED
        assert eventually(lambda: not is_running(pid))
        assert "passed" not in log.read_text()
        second = start_to_wait(executor, tmp_path / "second")
    assert not is_running(second)
    assert "passed" not in (tmp_path / "second").read_text()


def test_whoever_is_slow_to_answer_costs_a_trial_none_of_its_time(log):
    def judge(number, metrics):
        time.sleep(2.5)

    with TemplateExecutor(call, limits=Limits(timeout_s=2.0)) as executor:
        executor.submit(job(0, "report_once", path=str(log)))
        assert ending(watch(executor, [0], judge)).state is TrialState.COMPLETED


class FakeProcess:
    """A process that takes answers."""

    pid = 1

    def __init__(self):
        self.answers = []

    def answer(self, data):
        self.answers += FrameReader().feed(data)
        return True


def test_the_time_of_a_trial_stands_still_while_it_waits():
    process = FakeProcess()
    trial = RunningTrial(0, process, Limits(timeout_s=100.0), is_loaded=True, is_judged=True)
    report = frame({"event": "reported", "metrics": {"default": 1.0}})
    deadline = trial.next_look
    trial.hear(report + report)
    assert trial.next_look == float("inf")
    trial.answer(None)
    assert trial.next_look == float("inf")  # one more is not answered
    trial.answer("enough")
    assert deadline <= trial.next_look <= time.monotonic() + 100.0
    assert process.answers == [{"reason": None}, {"reason": "enough"}]


def test_the_time_of_a_trial_that_does_not_wait_goes_on():
    trial = RunningTrial(0, FakeProcess(), Limits(timeout_s=100.0), is_loaded=True)
    deadline = trial.next_look
    trial.hear(frame({"event": "reported", "metrics": {"default": 1.0}}))
    assert trial.next_look == deadline


@LINUX
def test_answers_arrive_although_the_trial_closed_the_pipes_and_took_their_numbers(executor, log):
    executor.submit(job(0, "close_everything", path=str(log)))
    heard = watch(executor, [0], lambda number, metrics: "enough" if metrics["default"] == 3.0 else None)
    assert ending(heard).reason == "enough"
    assert [metrics["default"] for metrics in reports(heard)] == [0.0, 1.0, 2.0, 3.0]
    assert log.read_bytes() == b""


@LINUX
def test_only_a_trial_that_waits_has_a_pipe_for_answers_and_the_template_keeps_none(forking):
    counts = []
    for number, is_judged in enumerate([False, True, False, True]):
        forking.submit(job(number, "tell_descriptors", is_judged=is_judged))
        counts.append(ending(watch(forking, [number])).metrics["default"])
    assert counts == [4.0, 5.0, 4.0, 5.0]  # the standard ones and the pipes


def test_a_trial_that_does_not_listen_to_its_end_is_ended(executor):
    executor.submit(job(0, "never_end"))
    heard = watch(executor, [0], lambda number, metrics: "enough")
    ended = ending(heard)
    assert (ended.state, ended.reason) == (TrialState.PRUNED, "enough")
    assert ended.output == "again\n" * 2
    assert len(reports(heard)) == 1


def test_a_trial_that_was_told_to_end_may_be_killed(forking):
    forking.submit(job(0, "kill_itself"))
    ended = ending(watch(forking, [0], lambda number, metrics: "enough"))
    assert (ended.state, ended.reason, ended.failure) == (TrialState.PRUNED, "enough", None)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no such signals")
def test_a_signal_handler_may_report_while_a_report_waits(forking):
    def judge(number, metrics):
        if metrics["default"] == 1.0:
            time.sleep(0.6)

    forking.submit(job(0, "report_in_a_signal_handler"))
    heard = watch(forking, [0], judge)
    assert ending(heard).metrics == {"default": 1.0}
    assert [metrics["default"] for metrics in reports(heard)] == [1.0, 2.0, 3.0]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no such signals")
@pytest.mark.parametrize(("last", "words"), [(1.0, ["too late"]), (2.0, ["too late"]), (3.0, ["too late", "passed"])])
def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next(forking, log, last, words):
    def judge(number, metrics):
        if metrics["default"] == 1.0:
            time.sleep(0.6)
        return "enough" if metrics["default"] == last else None

    forking.submit(job(0, "give_up_waiting", path=str(log)))
    ended = ending(watch(forking, [0], judge))
    assert (ended.state, ended.reason) == (TrialState.PRUNED, "enough")
    assert log.read_text().splitlines() == words


@LINUX
def test_a_trial_that_reports_without_listening_fails_alone():
    with TemplateExecutor(flood, slots=2) as executor:
        executor.submit(job(0, "flood"))
        executor.submit(job(1, "flood"))
        heard = watch(executor, [0, 1])
    assert "without reading" in failure_of(heard, 0).message
    assert ending(heard, 1).state is TrialState.COMPLETED


@pytest.mark.parametrize("start_method", ["fork", "spawn"])
def test_a_trial_is_told_what_torch_calls_its_device(start_method, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    devices = [[1, 0], []]
    with TemplateExecutor(call, slots=2, devices=devices, start_method=start_method) as executor:
        for number in range(2):
            executor.submit(job(number, "tell_device", is_judged=False))
        heard = watch(executor, range(2))
    started = [event.device for event in heard if isinstance(event, TrialStarted)]
    assert started == ["cuda:1,0", "cpu"]
    assert [ending(heard, number).output for number in range(2)] == ["cuda", "cpu"]
