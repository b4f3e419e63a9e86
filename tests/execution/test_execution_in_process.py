import contextlib
import os
import sys
import threading
import time

import pytest

from retiarii.execution import InProcessExecutor, TrialEnded, TrialStarted
from retiarii.testing._acts import job_for, perform
from retiarii.testing.execution import ending, failure_of, listen, reports, watch
from retiarii.trial import FailureKind


def interrupt(job, report):
    raise KeyboardInterrupt


def test_trials_run_in_this_process():
    with InProcessExecutor(perform) as executor:
        executor.submit(job_for("succeed"))
        (started, *_) = watch(executor, [0])
    assert isinstance(started, TrialStarted)
    assert (started.pid, started.device) == (os.getpid(), "cpu")


def test_ctrl_c_passes_through():
    with InProcessExecutor(interrupt) as executor:
        executor.submit(job_for("any"))
        executor.poll()
        with pytest.raises(KeyboardInterrupt):
            executor.poll()


def test_a_trial_runs_in_the_poll_after_its_start():
    with InProcessExecutor(perform) as executor:
        executor.submit(job_for("succeed", 0))
        executor.submit(job_for("draw", 1))
        assert [[event.number for event in listen(executor)] for _ in range(4)] == [[0], [0, 0, 0, 0], [1], [1]]
        assert executor.poll() == []


def test_a_trial_that_was_started_and_did_not_run_can_be_cancelled():
    with InProcessExecutor(perform) as executor:
        for number in range(2):
            executor.submit(job_for("draw", number))
        started = executor.poll()
        executor.cancel(0)
        heard = [*started, *watch(executor, [0, 1])]
    assert failure_of(heard, 0).kind is FailureKind.CANCELLED
    assert [type(event) for event in heard] == [TrialStarted, TrialEnded, TrialStarted, TrialEnded]


def test_what_a_judge_raises_is_no_failure_of_the_trial_and_cannot_be_caught_there():
    def task(job, report):
        for _ in range(3):
            with contextlib.suppress(BaseException):
                report({"default": 1.0})
        return {"default": 1.0}

    def judge(number, metrics):
        raise KeyboardInterrupt

    with InProcessExecutor(task) as executor:
        executor.submit(job_for("any"))
        executor.poll()
        with pytest.raises(KeyboardInterrupt):
            executor.poll(None, judge)
        assert failure_of(executor.poll()).kind is FailureKind.CANCELLED


def test_threads_of_a_trial_are_judged_one_at_a_time():
    def task(job, report):
        threads = [threading.Thread(target=report, args=({"default": float(number)},)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"default": 1.0}

    inside = []

    def judge(number, metrics):
        inside.append(number)
        time.sleep(0.01)
        assert len(inside) == 1
        inside.clear()

    with InProcessExecutor(task) as executor:
        executor.submit(job_for("any"))
        assert len(reports(watch(executor, [0], judge))) == 4


def test_what_a_trial_prints_goes_where_the_user_sees_it(capsys):
    def task(job, report):
        sys.stdout.write("hello")
        return {"default": 1.0}

    with InProcessExecutor(task) as executor:
        executor.submit(job_for("any"))
        assert ending(watch(executor, [0])).output == ""
    assert capsys.readouterr().out == "hello"
