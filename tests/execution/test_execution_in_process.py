import os
import sys

import pytest

from retiarii.execution import InProcessExecutor, TrialStarted
from retiarii.testing._acts import job_for, perform
from retiarii.testing.execution import ending, watch


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
        with pytest.raises(KeyboardInterrupt):
            executor.poll()


def test_each_poll_runs_one_trial():
    with InProcessExecutor(perform) as executor:
        executor.submit(job_for("succeed", 0))
        executor.submit(job_for("draw", 1))
        assert {event.number for event in executor.poll()} == {0}
        assert {event.number for event in executor.poll()} == {1}


def test_what_a_trial_prints_goes_where_the_user_sees_it(capsys):
    def task(job, report):
        sys.stdout.write("hello")
        return {"default": 1.0}

    with InProcessExecutor(task) as executor:
        executor.submit(job_for("any"))
        assert ending(executor.poll()).output == ""
    assert capsys.readouterr().out == "hello"
