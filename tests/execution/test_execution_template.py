"""Processes that die in any order: each trial ends exactly once, and no process is left."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import psutil
import pytest

from retiarii.errors import ConfigError, ExecutionError, SerializationError
from retiarii.execution import TemplateExecutor, TrialStarted
from retiarii.testing._acts import job_for, perform
from retiarii.testing.execution import PATIENCE_S, ending, eventually, failure_of, is_running, listen, pids_in, watch
from retiarii.trial import FailureKind, TrialState


class StartsAThread:
    def __reduce__(self):
        return start_a_thread, ()

    def __call__(self, job, report):
        return {"default": 1.0}


def start_a_thread():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return StartsAThread()


class StartsAProcess:
    def __reduce__(self):
        return start_a_process, ()

    def __call__(self, job, report):
        report({"default": 0.0, "helper": float(self.process.pid)})
        return {"default": 1.0}


def start_a_process():
    task = StartsAProcess()
    task.process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,), daemon=True)
    task.process.start()
    return task


def succeed(job, report):
    return {"default": 1.0}


def guardian_of(executor):
    (guardian,) = {child.pid for child in psutil.Process().children()} - guardian_of.others
    return guardian


def template_of(executor):
    guardian = psutil.Process(guardian_of(executor))
    assert eventually(guardian.children)
    return guardian.children()[0].pid


@pytest.fixture(autouse=True)
def _know_other_children():
    guardian_of.others = {child.pid for child in psutil.Process().children()}


def watch_pids(executor, count):
    pids = []
    while len(pids) < count:
        pids += pids_in(listen(executor, PATIENCE_S))
    return pids


def start_script(path, source):
    path.write_text(textwrap.dedent(source))
    return subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=path.parent
    )


def pids_of_line(line):
    return [int(word) for word in line.split()]


def test_nothing_survives_a_kill_of_the_experiment(tmp_path):
    source = """
        import psutil
        from retiarii.execution import TemplateExecutor
        from retiarii.testing._acts import job_for, perform
        from retiarii.testing.execution import listen, pids_in

        executor = TemplateExecutor(perform, slots=2)
        for number in range(2):
            executor.submit(job_for("litter_and_hang", number))
        pids = [child.pid for child in psutil.Process().children()]
        while len(pids) < 9:
            pids += pids_in(listen(executor))
        print(*pids, flush=True)
        executor.poll()
    """
    with start_script(tmp_path / "script.py", source) as process:
        pids = pids_of_line(process.stdout.readline())
        assert all(is_running(pid) for pid in pids)
        process.kill()
    assert len(pids) == 9
    assert eventually(lambda: not any(is_running(pid) for pid in pids))


def test_nothing_survives_a_kill_while_the_task_is_loading(tmp_path):
    source = """
        import sys
        from retiarii.execution import TemplateExecutor

        def load():
            import os, subprocess, time
            helper = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
            with open("pids", "w") as file:
                print(os.getpid(), helper.pid, file=file)
            os.rename("pids", "told")
            time.sleep(600)

        class Task:
            def __reduce__(self):
                return load, ()

        executor = TemplateExecutor(Task())
        executor.poll(0)
        input_never_comes = sys.stdin.read()
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(source))
    command = [sys.executable, str(tmp_path / "script.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=tmp_path) as process:
        assert eventually((tmp_path / "told").exists)
        process.kill()
    pids = pids_of_line((tmp_path / "told").read_text())
    assert len(pids) == 2
    assert eventually(lambda: not any(is_running(pid) for pid in pids))


def test_a_script_needs_no_guard_and_no_close(tmp_path):
    (tmp_path / "beside.py").write_text("FACTOR = 3\n")
    source = """
        import sys
        import psutil, torch
        from beside import FACTOR
        from retiarii.execution import TemplateExecutor, TrialEnded
        from retiarii.testing._acts import job_for

        print("top level", flush=True)

        class Net(torch.nn.Linear):
            pass

        def task(job, report):
            torch.save(Net(1, 1), "net.pt")
            model = torch.load("net.pt", weights_only=False)
            assert type(model) is Net
            return {"default": float(FACTOR * job.number)}

        executor = TemplateExecutor(task)
        executor.submit(job_for("none", 14))
        print(*[child.pid for child in psutil.Process().children()], flush=True)
        while not isinstance((event := executor.poll()[-1]), TrialEnded):
            pass
        print(event.metrics, event.failure, flush=True)
        executor.submit(job_for("none", 15))
        raise SystemExit("the end")
    """
    with start_script(tmp_path / "script.py", source) as process:
        output, errors = process.communicate()
    first, pids, result = output.splitlines()
    assert (first, result) == ("top level", "{'default': 42.0} None")
    assert errors == "the end\n"
    assert not any(is_running(pid) for pid in pids_of_line(pids))


@pytest.mark.parametrize("victim", [template_of, guardian_of])
def test_the_death_of_the_template_fails_what_ran_and_the_rest_goes_on(victim):
    with TemplateExecutor(perform, slots=2) as executor:
        executor.submit(job_for("litter_and_hang", 0))
        executor.submit(job_for("hang", 1))
        executor.submit(job_for("succeed", 2))
        pids = watch_pids(executor, 5)
        os.kill(victim(executor), signal.SIGKILL)
        events = watch(executor, [0, 1, 2])
        for number in (0, 1):
            failure = failure_of(events, number)
            assert failure.kind is FailureKind.VANISHED
            assert "was killed by SIGKILL" in failure.message
        assert ending(events, 2).state is TrialState.COMPLETED
        assert eventually(lambda: not any(is_running(pid) for pid in pids))


def test_what_knows_where_it_comes_from_is_found_when_template_and_guardian_die_together():
    helpers = []
    try:
        with TemplateExecutor(perform) as executor:
            executor.submit(job_for("litter_and_hang"))
            trial, near, *helpers = watch_pids(executor, 4)
            for pid in (guardian_of(executor), template_of(executor)):
                os.kill(pid, signal.SIGKILL)
            assert failure_of(watch(executor, [0])).kind is FailureKind.VANISHED
            assert eventually(lambda: not is_running(trial) and not is_running(near))
    finally:
        for pid in helpers:  # they were started with an empty environment, in sessions of their own
            os.kill(pid, signal.SIGKILL)


def test_a_template_that_dies_again_and_again_is_an_error():
    with TemplateExecutor(perform) as executor:
        executor.submit(job_for("succeed"))
        for _ in range(3):
            guardian = guardian_of(executor)
            os.kill(template_of(executor), signal.SIGKILL)
            assert eventually(lambda dead=guardian: executor.poll(0.1) == [] and guardian_of(executor) != dead)
        os.kill(template_of(executor), signal.SIGKILL)
        with pytest.raises(ExecutionError, match="was killed by SIGKILL"):
            watch(executor, [0])


def test_a_dropped_executor_takes_its_processes_along():
    executor = TemplateExecutor(perform)
    pids = [guardian_of(executor), template_of(executor)]
    del executor
    gc.collect()
    assert not any(is_running(pid) for pid in pids)


def test_closing_gives_every_descriptor_back():
    gc.collect()
    before = psutil.Process().num_fds()
    for start_method in ("fork", "spawn"):
        with TemplateExecutor(perform, start_method=start_method) as executor:
            executor.poll(0)
    assert psutil.Process().num_fds() == before


def test_a_fork_of_this_process_does_not_end_the_template():
    with TemplateExecutor(perform) as executor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # about threads of this process
            pid = os.fork()
        if pid == 0:
            executor.close()
            os._exit(0)
        os.waitpid(pid, 0)
        executor.submit(job_for("succeed"))
        assert ending(watch(executor, [0])).state is TrialState.COMPLETED


def test_the_end_of_the_thread_that_made_an_executor_is_not_its_end():
    made = []
    thread = threading.Thread(target=lambda: made.append(TemplateExecutor(perform, start_method="spawn")))
    thread.start()
    thread.join()
    with made[0] as executor:
        executor.submit(job_for("succeed"))
        assert ending(watch(executor, [0])).state is TrialState.COMPLETED


def test_each_running_trial_has_gpus_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    paths = [tmp_path / str(number) for number in range(3)]
    with TemplateExecutor(perform, slots=2, devices=[[0], [1, 2]], start_method="spawn") as executor:
        for number, path in enumerate(paths):
            executor.submit(job_for("wait_for_file", number, path=str(path)))
        started = []
        while len(started) < 2:
            started += [event for event in executor.poll(PATIENCE_S) if isinstance(event, TrialStarted)]
        assert [event.device for event in started] == ["cuda:0", "cuda:1,2"]
        paths[1].touch()
        while len(started) < 3:
            started += [event for event in executor.poll(PATIENCE_S) if isinstance(event, TrialStarted)]
        assert started[2].device == "cuda:1,2"
        executor.cancel(2)
        executor.submit(job_for("tell_surroundings", 3))
        assert "gpus: '5,6'" in ending(watch(executor, [2, 3]), 3).output


def test_interrupts_from_the_terminal_do_not_reach_trials(tmp_path):
    with TemplateExecutor(perform, start_method="spawn") as executor:
        executor.submit(job_for("wait_for_file", path=str(tmp_path / "go")))
        guardian, template = guardian_of(executor), template_of(executor)
        (pid, *_) = watch_pids(executor, 1)
        assert [os.getsid(process) for process in (guardian, template, pid)] == [guardian, guardian, pid]
        (tmp_path / "go").touch()
        assert ending(watch(executor, [0])).state is TrialState.COMPLETED


def test_threads_that_loading_the_task_has_started_are_told(caplog):
    with TemplateExecutor(StartsAThread()) as executor:
        executor.submit(job_for("any"))
        assert ending(watch(executor, [0])).state is TrialState.COMPLETED
    assert any("started 1 thread(s)" in message for message in caplog.messages)


def test_processes_that_loading_the_task_has_started_live_as_long_as_the_executor():
    with TemplateExecutor(StartsAProcess()) as executor:
        for number in range(2):
            executor.submit(job_for("any", number))
            (_, helper) = pids_in(watch(executor, [number]))
            assert is_running(helper)
    assert not is_running(helper)


def test_the_task_may_be_given_serialised():
    with TemplateExecutor(b"cretiarii.testing._acts\nperform\n.", start_method="spawn") as executor:
        executor.submit(job_for("succeed"))
        assert ending(watch(executor, [0])).state is TrialState.COMPLETED


def test_a_task_that_cannot_travel_is_refused_at_once(tmp_path):
    with open(tmp_path / "log", "w") as log, pytest.raises(SerializationError, match="TextIOWrapper"):
        TemplateExecutor(lambda job, report: log)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slots": 0}, "slots is 0"),
        ({"threads_per_trial": -1}, "threads_per_trial is -1"),
        ({"start_method": "forkserver"}, "start_method is 'forkserver'"),
        ({"slots": 2, "devices": [[0]]}, r"1 group\(s\) for 2 trials"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        TemplateExecutor(succeed, **options)


def make_an_optimizer(job, report):
    import torch

    is_there = "torch._dynamo" in sys.modules
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    return {"default": float(is_there)}


def test_what_torch_imports_late_is_imported_once_for_all_further_trials():
    with TemplateExecutor(make_an_optimizer) as executor:
        found = []
        for number in range(3):
            executor.submit(job_for("none", number))
            found.append(ending(watch(executor, [number]), number).metrics)
    assert found == [{"default": 0.0}, {"default": 1.0}, {"default": 1.0}]
